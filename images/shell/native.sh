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
objects=$(mktemp -d)
trap 'rm -rf "$objects"' EXIT
language="-std=gnu11 -D_GNU_SOURCE= -Wall -Wextra -Wno-attributes"

# shellcheck disable=SC2086
{
    ls *.c | grep -v -e '^tool_main\.c$' -e '^fuzz_' -e '^main\.c$' |
        xargs -P "$(nproc)" -I '{}' $cc $language $flags -c -o "$objects/{}.o" '{}'
    $cc $language $flags -o "$out/sh" main.c "$objects"/*.o -lm
    fuzz="-Dmain=shell_main main.c"
    if [ "${FUZZER:-}" ]; then
        $cc $language $flags -fsanitize=fuzzer -DFUZZER $fuzz fuzz_parser.c -o "$out/fuzz_parser" \
            "$objects"/*.o -lm
    else
        $cc $language $flags $fuzz -c -o "$objects/main.o"
        $cc $language $flags -o "$out/fuzz_parser" fuzz_parser.c "$objects"/*.o -lm
    fi
}
