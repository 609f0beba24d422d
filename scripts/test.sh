#!/bin/sh
# Runs every test that can run here; arguments go to pytest. Where CI is set, the engines are
# installed and started first (scripts/engines.sh), an absent one is a failure, and those of an
# ordinary user are tested too (scripts/rootless.sh).
set -eu
cd "$(dirname "$0")/.."
[ -n "${BIN:-}" ] || { sh scripts/install.sh dev && BIN=.venv/bin; }
export BIN
[ -z "${CI:-}" ] || sh scripts/engines.sh
status=0
"$BIN/python" -m pytest "$@" || status=$?
# As an ordinary user as well: containers without root.
[ -z "${CI:-}" ] || [ $# != 0 ] || sh scripts/rootless.sh || status=1
exit $status
