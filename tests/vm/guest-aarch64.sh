#!/bin/sh
# PID 1 of the machine of scripts/vm-aarch64.sh: what it runs, once; then the machine ends.
set -u
export PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 HOME=/root
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs shm /dev/shm
mount -t tmpfs run /run
mount -t cgroup2 cgroup2 /sys/fs/cgroup
modprobe overlay
ip link set lo up
hostname magicrune-vm
chmod 1777 /tmp
exec </dev/null >/dev/console 2>&1
top=/opt/work
chown -R 0:0 "$top"
chmod 755 / /opt "$top"
chmod 700 "$top/images" "$top/images/cache"
printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n' >/etc/passwd
printf 'root:x:0:\nnogroup:x:65534:\n' >/etc/group
printf '127.0.0.1 localhost\n' >/etc/hosts
cd "$top/src" || exit 1
export PYTHONPATH="$top/src:$top/packages" PYTHONDONTWRITEBYTECODE=1 CI=1
export MAGICRUNE_TEST_IMAGES="$top/images" MAGICRUNE_HOME="$top/images"
status=0
echo "vm-aarch64: $(uname -rm); $(crun --version | head -n 1); $(runc --version | head -n 1); $(cat /sys/fs/cgroup/cgroup.controllers)"
# In a group of its own: the root group cannot be divided with us in it.
mkdir /sys/fs/cgroup/tests
echo $$ >/sys/fs/cgroup/tests/cgroup.procs
python3 -c 'from magicrune.doctor import examine
(oci,) = examine(["oci"])
for each in oci.controls: print(each)
held = [each.held for each in oci.controls]
print("vm-aarch64: doctor: oci", oci.version, sum(held), "of", len(held), "controls held", oci.problem, oci.fix)
raise SystemExit(not oci.usable)' || status=1
python3 -m pytest -p no:cacheprovider --timeout 900 -v tests/conformance/test_backends.py \
    tests/conformance/test_profiles.py tests/attacks/test_container_mutations.py \
    -k "oci and ($(cat "$top/select"))" || status=1
echo "vm-aarch64: done, status $status"
sync
echo o >/proc/sysrq-trigger
sleep 60
