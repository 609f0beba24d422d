#!/bin/sh
# Proves README's two commands on a bare Debian 12: a fresh root file system with python3,
# python3-venv, git and nothing else, a clean clone, a user who is not root.
#   tests/e2e/bare_debian.sh [ROOTFS.tar]      a tarball made earlier saves the download
# Needs root, mmdebstrap and a network; exits 77 ("skipped") without the first two.
# Set MAGICRUNE_BARE_KEEP=DIR to keep the tarball it makes there.
set -eu
repo=$(cd "$(dirname "$0")/../.." && pwd)
skip() {
    echo "bare_debian: SKIPPED: $*" >&2
    exit 77
}
[ "$(id -u)" = 0 ] || skip "needs root for chroot"

work=$(mktemp -d)
root=$work/root
cleanup() {
    for each in dev/null dev/urandom dev/random dev/zero dev/full proc; do
        umount "$root/$each" 2>/dev/null || true
    done
    # A mount that is still there would be emptied by rm.
    if grep -q " $root" /proc/mounts; then
        echo "bare_debian: something is still mounted below $root; not removed" >&2
    else
        rm -rf "$work"
    fi
}
trap cleanup EXIT
trap 'exit 1' INT TERM HUP

mkdir "$root"
mount -t tmpfs none "$root" 2>/dev/null || skip "mounting is not permitted here"
umount "$root"

tarball=${1:-}
if [ -z "$tarball" ]; then
    command -v mmdebstrap >/dev/null || skip "mmdebstrap is not installed"
    tarball=${MAGICRUNE_BARE_KEEP:-$work}/root.tar
    mmdebstrap --quiet --variant=minbase --include=python3,python3-venv,git,ca-certificates \
        bookworm "$tarball"
fi
tar -xf "$tarball" -C "$root" --exclude='./dev/*'
for each in null urandom random zero full; do
    rm -f "$root/dev/$each"
    : >"$root/dev/$each"
    mount --bind "/dev/$each" "$root/dev/$each"
done
mount -t proc -o nosuid,nodev,noexec proc "$root/proc" || mount --bind /proc "$root/proc"

# What this machine needs to reach its package mirror, if anything.
cp -L /etc/resolv.conf "$root/etc/resolv.conf" 2>/dev/null || true
cp -L /etc/hosts "$root/etc/hosts" 2>/dev/null || true
cp -L /etc/pip.conf "$root/etc/pip.conf" 2>/dev/null || true
cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"

git clone --quiet --no-hardlinks "$repo" "$root/home/magicrune"
for tool in cc gcc make docker podman pip pip3; do
    if [ -e "$root/usr/bin/$tool" ]; then
        echo "bare_debian: $tool is in the root file system: not bare" >&2
        exit 1
    fi
done
chown -R 1000:1000 "$root/home/magicrune"
pass=$(env | sed -n 's/^\(PIP_[A-Z_]*\|https\{0,1\}_proxy\|HTTPS\{0,1\}_PROXY\|no_proxy\|NO_PROXY\|SSL_CERT_FILE\)=.*/\1/p')
set --
for name in $pass; do
    case $name in PIP_FIND_LINKS | PIP_CONSTRAINT) continue ;; esac
    set -- "$@" "$name=$(printenv "$name")"
done
inside() {
    chroot --userspec=1000:1000 --groups= "$root" /usr/bin/env -i \
        HOME=/home/magicrune PATH=/usr/bin:/bin LC_ALL=C.UTF-8 "$@"
}
echo "bare_debian: $(. "$root/etc/os-release" && echo "$PRETTY_NAME"), uid $(inside id -u)" >&2
inside "$@" sh -ec '
    cd /home/magicrune
    sh scripts/install.sh && .venv/bin/magicrune exec -f samples/ok.json >/home/magicrune/result.json
    cat /home/magicrune/result.json
    grep -q "\"verdict\": *\"green\"" /home/magicrune/result.json
    sh scripts/install.sh    # once more: must be quick and change nothing
    # Not again what ran elsewhere on the same interpreter of WebAssembly, with nothing of this
    # machine in it, nor the long stories of the queue.
    sh scripts/test.sh --ignore=tests/shell --ignore=tests/attacks --ignore-glob="*/e2e/test_worker_*"
'
echo "bare_debian: ok" >&2
