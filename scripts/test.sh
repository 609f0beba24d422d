#!/bin/sh
# Runs every test that can run here; arguments go to pytest. Where CI is set, the engines are
# installed and started first (scripts/engines.sh), and an absent one is a failure.
set -eu
cd "$(dirname "$0")/.."
[ -n "${BIN:-}" ] || { sh scripts/install.sh dev && BIN=.venv/bin; }
export BIN
[ -z "${CI:-}" ] || sh scripts/engines.sh
exec "$BIN/python" -m pytest "$@"
