#!/bin/sh
# Makes the hash-pinned locks anew from pyproject.toml. Needs uv; users never need this.
set -eu
cd "$(dirname "$0")/.."
lock() {
    uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
        --no-annotate --no-emit-index-url --no-emit-find-links "$@"
}
lock pyproject.toml --extra python --extra docker --extra podman --extra worker -o requirements.lock
lock scripts/requirements-build.in -o requirements-build.lock
lock pyproject.toml --extra python --extra docker --extra podman --extra worker --extra otel --group dev -c requirements.lock -o requirements-dev.lock
lock --group build -o requirements-wasm.lock
