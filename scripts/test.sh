#!/bin/sh
# Runs every test that can run here; arguments go to pytest.
set -eu
cd "$(dirname "$0")/.."
[ -n "${BIN:-}" ] || { sh scripts/install.sh dev && BIN=.venv/bin; }
exec "$BIN/python" -m pytest "$@"
