#!/bin/sh
# Builds rune-init.x86_64 and rune-init.aarch64: static, and the same bytes anywhere.
#   PYTHON=python3 sh images/rune-init/build.sh            rebuild in place
#   PYTHON=python3 sh images/rune-init/build.sh --check    rebuild elsewhere and compare
# PYTHON must have the pinned ziglang (the "build" group of pyproject.toml).
set -eu
here=$(cd "$(dirname "$0")" && pwd -P)
python=${PYTHON:-python3}
wanted=0.17.1
LC_ALL=C
TZ=UTC
export LC_ALL TZ

found=$("$python" -m ziglang version)
if [ "$found" != "$wanted" ]; then
    echo "build.sh: zig $wanted is needed, found $found" >&2
    exit 1
fi

out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

# Relative names in a fixed order: no path of this machine gets into the result.
cd "$here/src"
for arch in x86_64 aarch64; do
    "$python" -m ziglang cc -target "$arch-linux-musl" -static -std=gnu11 -Os -s \
        -Wall -Wextra -Werror -Wconversion -Wno-sign-conversion -Wshadow -Wstrict-prototypes \
        -D_GNU_SOURCE -fstack-protector-strong -fno-ident \
        -ffile-prefix-map="$here"=. -Wl,--gc-sections -Wl,--build-id=none \
        -o "$out/rune-init.$arch" *.c
    chmod 755 "$out/rune-init.$arch"
done

for arch in x86_64 aarch64; do
    if [ "${1:-}" = --check ]; then
        cmp "$out/rune-init.$arch" "$here/rune-init.$arch"
    else
        mv "$out/rune-init.$arch" "$here/rune-init.$arch"
    fi
done
cd "$here"
if [ "${1:-}" = --check ]; then
    sha256sum -c SHA256SUMS
else
    sha256sum rune-init.x86_64 rune-init.aarch64 >SHA256SUMS
    cat SHA256SUMS
fi
