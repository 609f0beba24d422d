#!/bin/sh
# Installs what the tests of container backends and of their network need (Debian packages; needs
# root) and builds the images where they are kept for tests. Safe to run again; does nothing when all is there.
#   MAGICRUNE_TEST_IMAGES=DIR    another place for the images
set -eu
cd "$(dirname "$0")/.."
bin=${BIN:-.venv/bin}
export MAGICRUNE_HOME="${MAGICRUNE_TEST_IMAGES:-$HOME/.cache/magicrune-tests}"

[ "$(id -u)" = 0 ] || { echo "engines: needs root" >&2; exit 1; }
missing=
for pair in crun:crun runc:runc mmdebstrap:mmdebstrap ip:iproute2 unshare:util-linux cc:gcc \
    dockerd:docker.io podman:podman docker-compose:docker-compose busybox:busybox-static \
    faketime:faketime newuidmap:uidmap setpriv:util-linux useradd:passwd pkill:procps git:git \
    openssl:openssl musl-gcc:musl-tools hey:hey runsc:runsc mountpoint:util-linux; do
    command -v "${pair%%:*}" >/dev/null || missing="$missing ${pair#*:}"
done
if [ -n "$missing" ]; then
    command -v apt-get >/dev/null || { echo "engines: install$missing" >&2; exit 1; }
    attempt=1
    # shellcheck disable=SC2086
    until apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $missing; do
        [ "$attempt" -lt 4 ] || { echo "engines: cannot install$missing" >&2; exit 1; }
        sleep $((attempt * 5))
        attempt=$((attempt + 1))
    done
fi
# A daemon of ours outlives this script, and whoever ran it.
await() {
    left=60
    until "$@" >/dev/null 2>&1; do
        [ "$left" -gt 0 ] || { echo "engines: no answer to: $*" >&2; exit 1; }
        left=$((left - 1))
        sleep 1
    done
}
logs=${TMPDIR:-/tmp}
if ! docker version >/dev/null 2>&1; then
    (cd / && exec setsid nohup dockerd) >"$logs/magicrune-dockerd.log" 2>&1 </dev/null &
    await docker version
fi
socket=/run/podman/podman.sock
mkdir -p /run/podman
if ! podman --url "unix://$socket" version >/dev/null 2>&1; then
    # runc: crun 1.8 finds no controllers on a host with hybrid control groups.
    # cd: its conmon drops a file called "oom" where the service was started.
    (cd / && exec setsid nohup podman --runtime runc system service --time=0 "unix://$socket") \
        >"$logs/magicrune-podman.log" 2>&1 </dev/null &
    await podman --url "unix://$socket" version
fi
mkdir -p "$MAGICRUNE_HOME"
chmod 700 "$MAGICRUNE_HOME"
recipe=$(cat images/*.sh images/*/packages magicrune/images/*.py | sha256sum | cut -d ' ' -f 1)
if [ "$(cat "$MAGICRUNE_HOME/recipe" 2>/dev/null)" != "$recipe" ] ||
    ! "$bin/magicrune" images list --verify >/dev/null; then
    "$bin/magicrune" images build >&2
    echo "$recipe" >"$MAGICRUNE_HOME/recipe"
fi

# An ordinary user for the rootless lanes: ids of its own, the images, and the control groups
# that root has to give (docs/backends.md).
user=magicrune-ci
id "$user" >/dev/null 2>&1 || useradd --create-home --shell /usr/sbin/nologin "$user"
for kind in uid gid; do
    grep -q "^$user:" "/etc/sub$kind" 2>/dev/null ||
        usermod "--add-sub${kind}s" 2000000000-2000065535 "$user"
done
uid=$(id -u "$user")
if [ -e /sys/fs/cgroup/memory/memory.limit_in_bytes ]; then
    for each in memory pids cpu cpuacct; do
        mkdir -p "/sys/fs/cgroup/$each/magicrune-$uid"
        chown -R "$uid" "/sys/fs/cgroup/$each/magicrune-$uid"
    done
fi
own=$(getent passwd "$user" | cut -d: -f6)/.cache/magicrune-tests
if [ "$(cat "$own/recipe" 2>/dev/null)" != "$recipe" ]; then
    rm -rf "$own"
    mkdir -p "$own"
    cp -R --preserve=mode,timestamps,links "$MAGICRUNE_HOME/cache" "$MAGICRUNE_HOME/recipe" "$own"
    rm -f "$own"/cache/images/*/verified.json
    chown -R "$user:" "${own%/*}"
    chmod 700 "$own" "$own/cache"
fi
