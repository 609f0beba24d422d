#!/bin/sh
# Before unpacking: /bin, /sbin, /lib and /lib64 are links into /usr, as Debian 12 has them.
set -eu
for each in bin sbin lib lib64; do
    mkdir -p "$1/usr/$each"
    [ ! -d "$1/$each" ] || rmdir "$1/$each"
    ln -s "usr/$each" "$1/$each"
done
