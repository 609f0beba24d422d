#!/bin/sh
# Builds the shell and its tools as an ordinary program of this machine, with sanitizers, to
# test and fuzz what is the same code in sh.wasm. Not shipped.
#   sh images/shell/native.sh OUTDIR        ->  OUTDIR/sh, OUTDIR/fuzz_parser
# CC (gcc) and CFLAGS may be set; FUZZER=1 uses clang's libFuzzer for fuzz_parser.
set -eu
here=$(cd "$(dirname "$0")" && pwd -P)
[ $# = 1 ] || { echo "usage: native.sh OUTDIR" >&2; exit 2; }
mkdir -p "$1"
out=$(cd "$1" && pwd -P)
cc=${CC:-gcc}
flags=${CFLAGS:--O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer}

cd "$here/src"
shell=
for file in *.c; do
    case $file in
    tool_main.c | fuzz_*.c | main.c) ;;
    *) shell="$shell $file" ;;
    esac
done

# shellcheck disable=SC2086
{
    $cc -std=gnu11 -D_GNU_SOURCE= -Wall -Wextra -Wno-attributes $flags -o "$out/sh" main.c $shell -lm
    if [ "${FUZZER:-}" ]; then
        $cc -std=gnu11 -D_GNU_SOURCE= -Wno-attributes $flags -fsanitize=fuzzer -DFUZZER -Dmain=shell_main \
            -o "$out/fuzz_parser" fuzz_parser.c main.c $shell -lm
    else
        $cc -std=gnu11 -D_GNU_SOURCE= -Wno-attributes $flags -Dmain=shell_main -c -o "$out/main.o" main.c
        $cc -std=gnu11 -D_GNU_SOURCE= -Wno-attributes $flags -o "$out/fuzz_parser" fuzz_parser.c "$out/main.o" $shell -lm
    fi
}
