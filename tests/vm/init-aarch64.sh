#!/busybox sh
# /init of the machine of scripts/vm-aarch64.sh: its root moves out of the initramfs.
set -eu
/busybox mkdir /new
/busybox mount -t tmpfs -o size=5000m root /new
/busybox tar -xf /root.tar -C /new
/busybox rm /root.tar
cd /new
/busybox mkdir -p proc sys dev run tmp root
exec /busybox switch_root /new /bin/sh /opt/work/src/tests/vm/guest-aarch64.sh
