#!/bin/sh
# Runs every test that can run here; arguments go to pytest. Where CI is set, the engines are
# installed and started first (scripts/engines.sh), an absent one is a failure, and all tests run
# in four parts: without engines on all processors; with them, two files at a time (they mostly
# wait); where a wall is taken away, alone; as an ordinary user (scripts/rootless.sh).
set -eu
cd "$(dirname "$0")/.."
[ -n "${BIN:-}" ] || { sh scripts/install.sh dev && BIN=.venv/bin; }
export BIN
[ -z "${CI:-}" ] || sh scripts/engines.sh
if [ -z "${CI:-}" ] || [ $# != 0 ]; then
    exec "$BIN/python" -m pytest "$@"
fi
status=0
part() {
    echo "== pytest $*"
    "$BIN/python" -m pytest --durations=20 --durations-min=5 "$@" || status=1
}
part -n "$(nproc)" tests/unit tests/samples tests/shell
# In this order: the longest files come first, so that none is alone at the end.
part -n "$(nproc)" --dist loadfile --no-loadscope-reorder tests/conformance tests/e2e tests/attacks \
    --ignore-glob='*/attacks/test_container*mutations.py'
# Without its own PID namespace, init takes what others run as the same user for the job's.
part tests/attacks/test_container*mutations.py
echo "== scripts/rootless.sh"
sh scripts/rootless.sh || status=1
exit $status
