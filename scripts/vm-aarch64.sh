#!/bin/sh
# Boots Debian 12 for aarch64 in QEMU (software emulation, version 2 of control groups) and runs
# the shipped rune-init.aarch64 there, under crun and runc: tests/vm/guest-aarch64.sh. All of it is
# in memory; no systemd. Needs root, qemu-system-arm, mmdebstrap, cpio, kmod, PyPI; and to build the
# images qemu-user-static with its entry in binfmt_misc.
#   VM_DIR=DIR         where it is kept and results go (3 GB)
#   VM_SELECT=WORDS    only these tests (pytest -k)
set -eu
cd "$(dirname "$0")/.."
bin=${BIN:-.venv/bin}
place=${VM_DIR:-$HOME/.cache/magicrune-vm}/aarch64
include=linux-image-cloud-arm64,python3,python3-distutils,crun,runc,busybox-static,kmod,iproute2
include=$include,util-linux,mount,procps,dash,bash,coreutils,findutils,grep,sed,tar,hostname,mawk
fail() {
    echo "vm-aarch64: $*" >&2
    exit 1
}

[ "$(id -u)" = 0 ] || fail "needs root, to make a root file system"
for each in qemu-system-aarch64 mmdebstrap cpio depmod; do
    command -v "$each" >/dev/null ||
        fail "no $each: apt-get install qemu-system-arm mmdebstrap cpio kmod"
done
"$bin/python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' ||
    fail "the guest has Python 3.11: make .venv with the same (PYTHON=python3.11 scripts/install.sh dev)"
mkdir -p "$place/images"
chmod 700 "$place/images"

# Only unpacked: no program of that machine runs here.
if [ "$(cat "$place/packages" 2>/dev/null)" != "$include" ]; then
    rm -rf "$place/root" "$place/packages"
    nice -n 19 mmdebstrap --architectures=arm64 --mode=root --variant=extract --quiet \
        --skip=cleanup,check/canmount,chroot/mount,check/qemu \
        --setup-hook="$(cat images/merge.sh)" --include="$include" bookworm "$place/root"
    rm -rf "$place"/root/var/cache/apt/* "$place"/root/var/lib/apt/* "$place"/root/usr/share/doc \
        "$place"/root/usr/share/man "$place"/root/usr/share/locale
    ln -sf dash "$place/root/usr/bin/sh" # as its maintainer scripts would
    ln -sf mawk "$place/root/usr/bin/awk"
    version=$(basename "$place"/root/lib/modules/*)
    depmod -b "$place/root" "$version"
    cp "$place/root/boot/vmlinuz-$version" "$place/vmlinuz"
    rm -rf "$place"/root/boot/*
    echo "$include" >"$place/packages"
fi
# The images: their recipes run ldconfig and compileall of that machine.
if [ ! -e "$place/images/cache/images/python.current" ]; then
    [ -e /proc/sys/fs/binfmt_misc/qemu-aarch64 ] ||
        fail "no qemu-aarch64 in binfmt_misc: apt-get install qemu-user-static binfmt-support"
    mkdir -p "$place/bin"
    printf '#!/bin/sh\nexec %s --architectures=arm64 --skip=check/qemu "$@"\n' \
        "$(command -v mmdebstrap)" >"$place/bin/mmdebstrap"
    chmod 755 "$place/bin/mmdebstrap"
    PATH="$place/bin:$PATH" MAGICRUNE_HOME="$place/images" nice -n 19 "$bin/python" -c '
import platform
platform.machine = lambda: "aarch64"
from magicrune.images.build import build
for name in ("base", "python"):
    print(name, build(name).image.digest, flush=True)'
fi

stage=$(mktemp -d "$place/stage.XXXXXX")
trap 'rm -rf "$stage"' EXIT
top=$stage/root/opt/work
cp -al "$place/root" "$stage/root"
mkdir -p "$top/src" "$top/packages" "$stage/initramfs/dev"
git ls-files -z --cached --others --exclude-standard | xargs -0 cp --parents -t "$top/src"
packages=$("$bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
# Python's packages; those with machine code, for that machine.
tar -C "$packages" --exclude='mypy*' --exclude='*__mypyc*' --exclude='ruff*' --exclude='./pip' \
    --exclude=grimp --exclude=librt --exclude=ast_serialize --exclude='*.so' -cf - . | tar -C "$top/packages" -xf -
foreign=$(cd "$packages" && grep -l '^Tag: .*x86_64' ./*.dist-info/WHEEL |
    sed -n 's|^\./\(.*\)-\(.*\)\.dist-info/WHEEL$|\1==\2|p' | grep -Ev '^(mypy|ruff|librt|grimp|ast_serialize|nats_server)')
# shellcheck disable=SC2086
"$bin/python" -m pip --disable-pip-version-check install --quiet --upgrade --no-deps \
    --target "$top/packages" --platform manylinux2014_aarch64 --platform manylinux_2_28_aarch64 \
    --platform manylinux_2_17_aarch64 --only-binary=:all: --python-version 3.11 $foreign
cp -al "$place/images" "$top/images"
echo "${VM_SELECT:-test}" >"$top/select"
tar -C "$stage/root" -cf "$stage/initramfs/root.tar" .
# crun cannot change the root of an initramfs: a tmpfs is made first.
cp "$place/root/bin/busybox" "$stage/initramfs/busybox"
cp tests/vm/init-aarch64.sh "$stage/initramfs/init"
chmod 755 "$stage/initramfs/init"
(cd "$stage/initramfs" && find . | cpio --quiet -o -H newc) >"$place/initrd"
rm -rf "$stage"
trap - EXIT

nice -n 19 qemu-system-aarch64 -M virt -cpu max,pauth-impdef=on -accel tcg,thread=multi -smp 2 \
    -m 6144 -nographic -no-reboot -nic none -monitor none -serial stdio \
    -kernel "$place/vmlinuz" -initrd "$place/initrd" \
    -append "console=ttyAMA0 panic=-1" </dev/null | tee "$place/console.txt"
grep -q '^vm-aarch64: done, status 0' "$place/console.txt" || fail "failures in the guest: $place/console.txt"
