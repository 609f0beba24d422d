#!/bin/sh
# Style, types, import contract, generated files: everything but the tests.
set -eu
cd "$(dirname "$0")/.."
[ -n "${BIN:-}" ] || { sh scripts/install.sh dev && BIN=.venv/bin; }
status=0
step() {
    echo "== $*" >&2
    "$@" || status=1
}
step "$BIN/ruff" check .
step "$BIN/ruff" format --check .
step "$BIN/mypy"
step "$BIN/lint-imports"
step "$BIN/python" scripts/schemas.py --check
step "$BIN/python" scripts/samples.py --check
exit $status
