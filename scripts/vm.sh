#!/bin/sh
# Boots Debian 12 in a virtual machine (QEMU) with unified control groups (version 2) and runs
# tests there, as root and as a user of systemd: tests/vm/guest.sh. Not part of .ci/run: too slow
# (software emulation). Needs root (mmdebstrap), qemu-system-x86 and e2fsprogs.
#   VM_DIR=DIR    where disks and results go (6 GB); the root file system is made once
#   VM_ACCEL=kvm  where KVM works (a /dev/kvm alone does not show that: software is the default)
#   VM_TASKS="engines doctor"    what the guest does, words of tests/vm/guest.sh
#   VM_SELECT=WORDS              only these tests of each suite (pytest -k)
set -eu
cd "$(dirname "$0")/.."
bin=${BIN:-.venv/bin}
images=${MAGICRUNE_TEST_IMAGES:-$HOME/.cache/magicrune-tests}
place=${VM_DIR:-$HOME/.cache/magicrune-vm}
tasks=${VM_TASKS:-engines doctor root docker podman network mutations attacks stock user user-more swap}
include=linux-image-cloud-amd64,initramfs-tools,systemd,systemd-sysv,dbus,dbus-user-session
include=$include,libpam-systemd,python3,uidmap,procps,iproute2,kmod,util-linux
include=$include,crun,runc,docker.io,iptables,apparmor,podman
accel=${VM_ACCEL:-tcg,thread=multi}
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
stage=$(mktemp -d "$place/stage.XXXXXX")
root=$(mktemp -d "$place/root.XXXXXX")
# shellcheck disable=SC2064
trap "rm -rf --one-file-system '$stage' '$root'" EXIT

# What is tested: this tree and its packages. What checks code, no test needs.
packages=$("$bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
mkdir -p "$stage/src" "$stage/images/cache/images"
git ls-files -z --cached --others --exclude-standard | xargs -0 cp --parents -t "$stage/src"
cp -al "$packages" "$stage/packages" 2>/dev/null || cp -a "$packages" "$stage/packages"
for each in mypy mypyc ruff pip grimp librt ast_serialize; do
    rm -rf "$stage/packages/$each" "$stage/packages/$each"-* "$stage"/packages/*__mypyc*
done

# The machine: made once, kept.
if [ "$(cat "$place/packages" 2>/dev/null)" != "$include" ]; then
    rm -f "$place/packages"
    nice -n 19 mmdebstrap --variant=apt --include="$include" bookworm "$root"
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
    # The guest starts the engines when a task wants them.
    for each in docker.service docker.socket containerd.service podman.service podman.socket \
        podman-auto-update.timer podman-restart.service; do
        [ ! -e "$root/lib/systemd/system/$each" ] || chroot "$root" systemctl disable "$each"
    done
    cp "$root"/boot/vmlinuz-* "$place/vmlinuz"
    cp "$root"/boot/initrd.img-* "$place/initrd"
    rm -f "$place/machine.ext4"
    mke2fs -q -t ext4 -d "$root" "$place/machine.ext4" 8G
    echo "$include" >"$place/packages"
fi

# To the guest as a tar file on a disk of its own.
for name in base python; do
    pointer=$images/cache/images/$name.current
    [ -e "$pointer" ] || fail "no image $name: sh scripts/engines.sh"
    cp -a "$pointer" "$stage/images/cache/images/"
    digest=$(tr -d '\n' <"$pointer")
    cp -a "$images/cache/images/${digest#sha256:}" "$stage/images/cache/images/"
done
echo "$tasks" >"$stage/tasks"
echo "${VM_SELECT:-test}" >"$stage/select"
tar -C "$stage" -cf "$place/work.tar" .
truncate -s %1M "$place/work.tar"
rm -rf "$place/results" "$place/results.tar"
truncate -s 64M "$place/results.tar"

echo "vm: accelerator $accel, tasks: $tasks" >&2
# -cpu max: rune-init and Debian want no more than x86-64, Python's wheels may.
append="root=/dev/vda rw console=ttyS0 systemd.unified_cgroup_hierarchy=1 panic=-1"
append="$append systemd.default_timeout_start_sec=900" # it may be slow
nice -n 19 qemu-system-x86_64 -accel "$accel" -cpu max -smp 2 -m 3072 -nographic -no-reboot \
    -nic none -monitor none -serial stdio \
    -kernel "$place/vmlinuz" -initrd "$place/initrd" -append "$append" \
    -drive "file=$place/machine.ext4,format=raw,if=virtio,snapshot=on" \
    -drive "file=$place/work.tar,format=raw,if=virtio,readonly=on" \
    -drive "file=$place/results.tar,format=raw,if=virtio" </dev/null
mkdir "$place/results"
tar -xf "$place/results.tar" -C "$place/results" || fail "the guest left no results"
cat "$place/results/summary.txt"
[ "$(cat "$place/results/status")" = 0 ] || fail "failures in the guest: $place/results"
