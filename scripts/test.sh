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
if [ -n "${CI:-}" ] && [ $# = 0 ]; then
    sh scripts/rootless.sh tests/conformance/test_backends.py tests/conformance/test_profiles.py \
        tests/conformance/test_network.py \
        tests/attacks/test_container_*.py \
        tests/e2e/test_orphans.py tests/e2e/test_rootless.py \
        -k rootless || status=1
fi
exit $status
