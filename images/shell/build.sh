#!/bin/sh
# Builds sh.wasm: the shell and its tools. The same source gives the same bytes anywhere.
#   PYTHON=python3 sh images/shell/build.sh [OUT]
# PYTHON must have the pinned ziglang (the "build" extra of pyproject.toml).
set -eu
here=$(cd "$(dirname "$0")" && pwd -P)
case ${1:-} in
'') out=$here/sh.wasm ;;
/*) out=$1 ;;
*) out=$PWD/$1 ;;
esac
python=${PYTHON:-python3}
wanted=0.17.1
LC_ALL=C
TZ=UTC
export LC_ALL TZ

found=$("$python" -m ziglang version)
if [ "$found" != "$wanted" ]; then
    echo "build.sh: zig $wanted is needed, found $found" >&2
    exit 1
fi

# Relative names in a fixed order: no path of this machine gets into the result.
cd "$here/src"
sources=
for file in *.c; do
    case $file in
    host_native.c | tool_main.c | fuzz_*.c) ;; # native only
    *) sources="$sources $file" ;;
    esac
done

# shellcheck disable=SC2086
"$python" -m ziglang cc --target=wasm32-wasi -std=gnu11 -Os -s \
    -Wall -Wextra -Werror \
    -D_GNU_SOURCE= -D_WASI_EMULATED_SIGNAL -D_WASI_EMULATED_PROCESS_CLOCKS -D_WASI_EMULATED_GETPID \
    -ffile-prefix-map="$here"=. -fno-ident \
    -Wl,-z,stack-size=524288 \
    -Wl,--export=mr_child -Wl,--export=__stack_pointer -Wl,--gc-sections \
    -o "$out.new" $sources -lwasi-emulated-signal -lwasi-emulated-process-clocks -lwasi-emulated-getpid
mv "$out.new" "$out"
"$python" -c 'import hashlib, sys; print(hashlib.sha256(open(sys.argv[1], "rb").read()).hexdigest())' "$out"
