#!/bin/sh
# Installs MagicRune into .venv of this checkout: Python 3.11+ and a network, nothing else.
# Every package is pinned by hash. Safe to run again; does nothing when nothing changed.
#   PYTHON=python3.12 sh scripts/install.sh    another interpreter
#   sh scripts/install.sh dev                  the tools for tests and checks as well
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
kind=${1:-run}

fail() {
    echo "install: $*" >&2
    exit 1
}

case $kind in
run) lock=requirements.lock ;;
dev) lock=requirements-dev.lock ;;
*) fail "unknown argument '$kind' (nothing, or: dev)" ;;
esac

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null ||
    fail "'$python' is not Python 3.11 or newer (set PYTHON=...)"

if ! .venv/bin/python -c '' 2>/dev/null; then
    "$python" -m venv --clear .venv || fail "cannot make .venv (Debian: apt install python3-venv)"
fi

# pip's own retries do not cover a download that breaks off.
try() {
    attempt=1
    until "$@"; do
        [ "$attempt" -lt 4 ] || fail "gave up after $attempt attempts: $*"
        echo "install: attempt $attempt failed, trying again in $((attempt * 3)) s" >&2
        sleep $((attempt * 3))
        attempt=$((attempt + 1))
    done
}
pip() {
    .venv/bin/python -m pip --disable-pip-version-check --no-input install --quiet "$@"
}

wanted=$(cat pyproject.toml requirements-build.lock "$lock" | sha256sum | cut -d ' ' -f 1)
stamp=.venv/installed-$kind
if [ ! -f "$stamp" ] || [ "$(cat "$stamp")" != "$wanted" ] || [ ! -x .venv/bin/magicrune ]; then
    rm -f "$stamp"
    echo "install: fetching the packages of $lock" >&2
    try pip --require-hashes -r "$lock"
    try pip --require-hashes -r requirements-build.lock
    # Without isolation the pinned build backend is used, and nothing is fetched.
    pip --no-build-isolation --no-deps --editable . || fail "magicrune itself cannot be installed"
    echo "$wanted" >"$stamp"
fi
.venv/bin/magicrune --version >&2
