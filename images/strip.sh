#!/bin/sh
# After unpacking: makes the tree $1 an image. What is kept in /etc, /var and at the top is
# listed here; everything else there goes. Ownership, times and order are made canonical later
# (magicrune/images/layer.py), which also refuses what must not be in an image.
set -eu
root=$1
case $root in /*[!/]*) ;; *) exit 2 ;; esac
cd "$root"

# What was unpacked, for the record.
mkdir -p usr/share/magicrune
for deb in var/cache/apt/archives/*.deb; do
    dpkg-deb --show --showformat='${Package} ${Version}\n' "$deb"
done | LC_ALL=C sort >usr/share/magicrune/packages

# What maintainer scripts would have made.
ln -sf mawk usr/bin/awk
ln -sf which.debianutils usr/bin/which
if [ -e usr/bin/python3.11 ]; then
    ln -sf python3.11 usr/bin/python3
    ln -sf python3 usr/bin/python
fi
[ ! -e usr/bin/nc.openbsd ] || ln -sf nc.openbsd usr/bin/nc
chroot "$root" /usr/sbin/ldconfig

# pip, and no package manager that would own what it installs (PEP 668).
if [ -e usr/bin/pip3 ]; then
    rm -f usr/lib/python3.11/EXTERNALLY-MANAGED
else
    rm -rf usr/lib/python3
fi
rm -rf usr/share/doc usr/share/man usr/share/info usr/share/locale usr/share/lintian \
    usr/share/bug usr/share/menu usr/share/polkit-1 usr/share/dpkg usr/share/perl5 usr/share/perl \
    usr/share/debconf usr/share/python3 usr/share/applications usr/share/pixmaps \
    usr/share/binfmts usr/share/base-files usr/share/base-passwd usr/share/common-licenses \
    usr/share/bash-completion usr/share/debianutils usr/share/icons usr/share/doc-base \
    usr/share/pam usr/share/pam-configs usr/share/initramfs-tools usr/share/python \
    usr/lib/dpkg usr/lib/systemd usr/lib/tmpfiles.d usr/lib/mime usr/lib/apt \
    usr/lib/init usr/libexec/dpkg usr/share/dict usr/lib/valgrind usr/lib/udev usr/lib/*/perl-base usr/lib/*/gconv \
    usr/lib/*/audit usr/lib/*/perl usr/local usr/src usr/games usr/include
rm -rf usr/bin/dpkg* usr/bin/update-alternatives usr/bin/perl* usr/bin/pdb3* usr/bin/pydoc3* \
    usr/bin/pygettext3* usr/bin/py3* usr/bin/2to3* usr/bin/bashbug usr/bin/ischroot \
    usr/bin/deb-systemd* usr/bin/savelog usr/bin/catchsegv usr/bin/localedef
find usr/sbin -mindepth 1 -delete

keep_etc='ld.so.cache ld.so.conf ld.so.conf.d os-release debian_version host.conf mime.types'
for each in etc/* etc/.[!.]*; do
    case " $keep_etc " in *" ${each#etc/} "*) ;; *) rm -rf "$each" ;; esac
done
cat >etc/passwd <<'EOF'
root:x:0:0:root:/root:/usr/sbin/nologin
nobody:x:65534:65534:nobody:/workspace:/usr/sbin/nologin
EOF
cat >etc/group <<'EOF'
root:x:0:
nogroup:x:65534:
EOF
cat >etc/nsswitch.conf <<'EOF'
passwd: files
group: files
hosts: files dns
services: files
protocols: files
EOF
if [ -d usr/share/ca-certificates ]; then  # what update-ca-certificates makes; cert.pem: OpenSSL
    mkdir -p etc/ssl/certs
    find usr/share/ca-certificates/mozilla -name '*.crt' | LC_ALL=C sort |
        xargs cat >etc/ssl/certs/ca-certificates.crt
    ln -sf /etc/ssl/certs/ca-certificates.crt usr/lib/ssl/cert.pem
fi
: >etc/resolv.conf
: >etc/hosts
: >etc/hostname

# Start-up: compiled once, here; never compared with the source (the tree is read-only). -B and
# -f: what compileall itself imports must not be left compiled in the other way.
if [ -e usr/bin/python3.11 ]; then
    rm -f usr/lib/python3.11/sitecustomize.py
    rm -rf usr/lib/python3.11/test usr/lib/python3.11/idlelib usr/lib/python3.11/ensurepip
    set -- usr/lib/python3.11
    [ ! -d usr/lib/python3 ] || set -- "$@" usr/lib/python3
    find "$@" -name __pycache__ -prune -exec rm -rf {} +
    for each in "$@"; do
        chroot "$root" /usr/bin/env -i PATH=/usr/bin PYTHONHASHSEED=0 LC_ALL=C.UTF-8 python3.11 -s \
            -B -m compileall -q -f --invalidation-mode unchecked-hash "/$each" >&2
    done
fi

for each in * .[!.]*; do
    case $each in
        bin | sbin | lib | lib64 | usr | etc | root | dev | proc | sys) ;;
        '*' | '.[!.]*') ;;
        *) rm -rf "$each" ;;
    esac
done
mkdir -p tmp workspace run/magicrune var
find root -mindepth 1 -delete
find etc root tmp workspace run var -type d -exec chmod 755 {} +
find etc -type f -exec chmod 644 {} +
chmod 700 root
# Not links: chmod would follow them.
find usr ! -type l -perm /7022 -exec chmod u-s,g-s,o-t,go-w {} +
# In the chroot: absolute links are to be looked up there and not on this machine.
chroot "$root" /usr/bin/find /usr /etc -xtype l -delete
chown -hR 0:0 usr etc root tmp workspace run var
