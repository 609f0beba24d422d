#!/bin/sh
# Runs tests as the ordinary user that scripts/engines.sh makes: rootless.sh [PYTEST_ARGUMENTS],
# without arguments all that there are for one.
# Needs root. The user may not be able to read this checkout or its Python (below /root), so both
# are shown to it elsewhere, in a mount namespace that ends with the tests.
set -eu
cd "$(dirname "$0")/.."
[ "$(id -u)" = 0 ] || { echo "rootless: needs root, to become another user" >&2; exit 1; }
[ $# != 0 ] || set -- tests/conformance/test_backends.py tests/conformance/test_profiles.py \
    tests/conformance/test_network.py tests/attacks/test_container_*.py \
    tests/e2e/test_orphans.py tests/e2e/test_remedies.py tests/e2e/test_rootless.py -k rootless
BIN=${BIN:-$PWD/.venv/bin}
USER=magicrune-ci
PREFIX=$("$BIN/python" -c 'import sys; print(sys.base_prefix)')
PYTHON=$("$BIN/python" -c 'import sys; print("python%d.%d" % sys.version_info[:2])')
PACKAGES=$("$BIN/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
STAGE=/run/magicrune-rootless
export BIN USER PREFIX PYTHON PACKAGES STAGE
# One at a time: each begins and ends by killing all that the user runs.
LOCK=/run/magicrune-rootless.lock
flock --nonblock "$LOCK" true || echo "rootless: waits for another run of this to end" >&2
# shellcheck disable=SC2016
exec flock --close "$LOCK" unshare --mount --propagation private sh -euc '
    mkdir -p "$STAGE"
    mount -t tmpfs -o mode=755 stage "$STAGE"
    mkdir "$STAGE/src" "$STAGE/python" "$STAGE/packages"
    mount --bind "$PWD" "$STAGE/src"
    mount --bind "$PREFIX" "$STAGE/python"
    mount --bind "$PACKAGES" "$STAGE/packages"
    cd "$STAGE/src"
    uid=$(id -u "$USER")
    run=/run/user/$uid
    install -d -o "$USER" -m 700 "$run" "$run/podman"
    as_user() (
        exec setpriv --reuid "$USER" --regid "$USER" --init-groups env -i \
            HOME="$(getent passwd "$USER" | cut -d: -f6)" USER="$USER" LANG=C.UTF-8 \
            ${CI:+"CI=$CI"} PATH="$STAGE/python/bin:$PATH" XDG_RUNTIME_DIR="$run" \
            PYTHONPATH="$STAGE/src:$STAGE/packages" PYTHONDONTWRITEBYTECODE=1 "$@"
    )
    # All that a service of an earlier run left: it showed another checkout. The user is ours alone.
    # Without its files Podman begins as after a reboot: it would join a process that died here,
    # or look for the directories of who asked it first.
    forget() {
        left=50
        while pkill -KILL --runstates R,S,D,T,t -u "$USER" && [ "$left" -gt 0 ]; do
            left=$((left - 1))
            sleep 0.1
        done
        rm -rf "$run/libpod" "$(getent passwd "$USER" | cut -d: -f6)/.local/share/containers/storage/libpod"
    }
    forget
    if command -v podman >/dev/null; then
        mkdir "$STAGE/bin"
        cat >"$STAGE/bin/magicrune-runtime" <<END
#!/bin/sh
export PYTHONPATH=$STAGE/src:$STAGE/packages PYTHONDONTWRITEBYTECODE=1
exec $STAGE/python/bin/$PYTHON -m magicrune.backends.podman.runtime "\$@"
END
        chmod 755 "$STAGE/bin/magicrune-runtime"
        as_user podman --storage-driver overlay --cgroup-manager cgroupfs \
            --runtime "$STAGE/bin/magicrune-runtime" system service --time=0 \
            "unix://$run/podman/podman.sock" >"$STAGE/podman.log" 2>&1 </dev/null &
        left=60
        until as_user podman --url "unix://$run/podman/podman.sock" version >/dev/null 2>&1; do
            [ "$left" -gt 0 ] || { cat "$STAGE/podman.log" >&2; exit 1; }
            left=$((left - 1))
            sleep 1
        done
    fi
    status=0
    as_user "$STAGE/python/bin/$PYTHON" -m pytest -p no:cacheprovider "$@" || status=$?
    forget
    exit $status
' rootless "$@"
