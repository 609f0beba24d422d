#!/bin/sh
# Boots Debian 12 in a virtual machine (QEMU) with unified control groups (version 2) and runs
# tests there, as root and as a user of systemd: tests/vm/guest.sh. Not part of .ci/run: too slow
# (software emulation). Needs root (mmdebstrap), qemu-system-x86 and e2fsprogs.
#   VM_DIR=DIR    where disks and results go (4 GB); the root file system is made once
#   VM_ACCEL=kvm  where KVM works (a /dev/kvm alone does not show that: software is the default)
#   VM_TASKS="root user"    what the guest does, words of tests/vm/guest.sh
#   VM_SELECT=WORDS         only these tests of each suite (pytest -k)
set -eu
cd "$(dirname "$0")/.."
bin=${BIN:-.venv/bin}
images=${MAGICRUNE_TEST_IMAGES:-$HOME/.cache/magicrune-tests}
place=${VM_DIR:-$HOME/.cache/magicrune-vm}
tasks=${VM_TASKS:-doctor root user network attacks user-more}
fail() {
    echo "vm: $*" >&2
    exit 1
}

[ "$(id -u)" = 0 ] || fail "needs root, to make a root file system"
for each in qemu-system-x86_64 mmdebstrap mke2fs; do
    command -v "$each" >/dev/null ||
        fail "no $each: apt-get install qemu-system-x86 mmdebstrap e2fsprogs"
done
"$bin/python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' ||
    fail "the guest has Python 3.11: make .venv with the same (PYTHON=python3.11 scripts/install.sh dev)"
[ -d "$images/cache/images" ] || fail "no images: sh scripts/engines.sh"
mkdir -p "$place"

# The machine: made once, kept.
include=linux-image-cloud-amd64,initramfs-tools,systemd,systemd-sysv,dbus,dbus-user-session
include=$include,libpam-systemd,python3,uidmap,crun,runc,procps,iproute2,kmod,util-linux
if [ ! -e "$place/machine.ext4" ]; then
    root=$(mktemp -d "$place/root.XXXXXX")
    trap 'rm -rf "$root"' EXIT
    mmdebstrap --variant=apt --include="$include" bookworm "$root"
    cat >"$root/etc/systemd/system/magicrune-vm.service" <<'UNIT'
[Unit]
Description=Tests of MagicRune
After=multi-user.target
[Service]
Type=oneshot
StandardOutput=tty
StandardError=tty
TTYPath=/dev/ttyS0
ExecStart=/bin/sh -c 'mkdir -p /opt/work && tar -xf /dev/vdb -C /opt/work && exec sh /opt/work/src/tests/vm/guest.sh'
ExecStopPost=/bin/systemctl poweroff --no-block
[Install]
WantedBy=multi-user.target
UNIT
    chroot "$root" systemctl enable magicrune-vm.service
    chroot "$root" systemctl mask serial-getty@ttyS0.service getty@tty1.service
    cp "$root"/boot/vmlinuz-* "$place/vmlinuz"
    cp "$root"/boot/initrd.img-* "$place/initrd"
    mke2fs -q -t ext4 -d "$root" "$place/machine.new" 6G
    mv "$place/machine.new" "$place/machine.ext4"
    rm -rf "$root"
    trap - EXIT
fi

# What is tested, as a tar file on a disk of its own: this tree, its packages, the images in use.
packages=$("$bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
stage=$(mktemp -d "$place/stage.XXXXXX")
trap 'rm -rf "$stage"' EXIT
mkdir -p "$stage/src" "$stage/images/cache/images"
git ls-files -z --cached --others --exclude-standard | xargs -0 cp --parents -t "$stage/src"
cp -al "$packages" "$stage/packages" 2>/dev/null || cp -a "$packages" "$stage/packages"
for name in base python net; do
    pointer=$images/cache/images/$name.current
    [ -e "$pointer" ] || continue
    cp -a "$pointer" "$stage/images/cache/images/"
    digest=$(tr -d '\n' <"$pointer")
    cp -a "$images/cache/images/${digest#sha256:}" "$stage/images/cache/images/"
done
cp -a "$images/cache/rune-init" "$stage/images/cache/" 2>/dev/null || true
echo "$tasks" >"$stage/tasks"
echo "${VM_SELECT:-oci}" >"$stage/select"
tar -C "$stage" -cf "$place/work.tar" .
truncate -s %1M "$place/work.tar"
rm -rf "$stage"
trap - EXIT
rm -rf "$place/results" "$place/results.tar"
truncate -s 64M "$place/results.tar"

accel=${VM_ACCEL:-tcg,thread=multi}
echo "vm: accelerator $accel, tasks: $tasks" >&2
# -cpu max: rune-init and Debian want no more than x86-64, Python's wheels may.
nice -n 10 qemu-system-x86_64 -accel "$accel" -cpu max -smp 2 -m 3072 -nographic -no-reboot \
    -nic none -monitor none -serial stdio \
    -kernel "$place/vmlinuz" -initrd "$place/initrd" \
    -append "root=/dev/vda rw console=ttyS0 systemd.unified_cgroup_hierarchy=1 panic=-1" \
    -drive "file=$place/machine.ext4,format=raw,if=virtio,snapshot=on" \
    -drive "file=$place/work.tar,format=raw,if=virtio,readonly=on" \
    -drive "file=$place/results.tar,format=raw,if=virtio" </dev/null
mkdir "$place/results"
tar -xf "$place/results.tar" -C "$place/results" || fail "the guest left no results"
cat "$place/results/summary.txt"
[ "$(cat "$place/results/status")" = 0 ] || fail "failures in the guest: $place/results"
