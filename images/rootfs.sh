#!/bin/sh
# Writes a root filesystem as a tar to stdout: rootfs.sh MODE PACKAGES [SOURCES]
#   MODE      root or unshare (mmdebstrap's)
#   PACKAGES  a file, one Debian package a line
#   SOURCES   an apt sources file; without it mmdebstrap's own default
# Packages are fetched and checked by apt and only unpacked: no maintainer script runs.
# `magicrune images build` and the Dockerfiles run this, so that both give the same content.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
mode=$1
include=$(paste -sd, "$2")
set -- ${3:+"$3"}
# The texts, not the paths: mapped root may not be able to read the user's files.
merge=$(cat "$here/merge.sh")
strip=$(cat "$here/strip.sh")
exec mmdebstrap --mode="$mode" --variant=extract --format=tar --quiet \
    --skip=cleanup,check/canmount,chroot/mount --include="$include" \
    --setup-hook="$merge" --extract-hook="$strip" bookworm - "$@"
