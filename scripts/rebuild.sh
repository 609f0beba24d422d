#!/bin/sh
# Builds every committed binary from source and compares it with the committed bytes
# (--write: puts it in their place): images/shell/sh.wasm, images/rune-init/rune-init.*.
# The pinned compiler (a 100 MB download) goes into .venv-wasm, not into .venv.
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
venv=.venv-wasm
if ! "$venv/bin/python" -c 'import ziglang' 2>/dev/null; then
    "$python" -m venv --clear "$venv"
    attempt=1
    until "$venv/bin/python" -m pip --disable-pip-version-check --no-input install --quiet \
        --require-hashes -r requirements-wasm.lock; do
        [ "$attempt" -lt 4 ] || { echo "rebuild: cannot fetch the compiler" >&2; exit 1; }
        sleep $((attempt * 3))
        attempt=$((attempt + 1))
    done
fi
built=$(mktemp)
trap 'rm -f "$built"' EXIT
PYTHON=$PWD/$venv/bin/python sh images/shell/build.sh "$built"
if [ "${1:-}" = --write ]; then
    cat "$built" >images/shell/sh.wasm
elif ! cmp "$built" images/shell/sh.wasm; then
    echo "rebuild: images/shell/sh.wasm is not what its source builds" >&2
    exit 1
fi
echo "rebuild: sh.wasm is what its source builds ($(sha256sum <"$built" | cut -d ' ' -f 1))" >&2
if [ "${1:-}" = --write ]; then
    PYTHON=$PWD/$venv/bin/python sh images/rune-init/build.sh
else
    PYTHON=$PWD/$venv/bin/python sh images/rune-init/build.sh --check
fi
echo "rebuild: rune-init is what its source builds, for both machines" >&2
