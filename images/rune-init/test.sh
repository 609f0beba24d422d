#!/bin/sh
# Unit tests and fuzzing of what reads foreign bytes, natively, under the sanitizers.
#   sh images/rune-init/test.sh [ROUNDS]
# With clang: FUZZ=1 runs libFuzzer for 60 s instead of the rounds.
# ARCH=aarch64 builds for that machine (PYTHON with the pinned ziglang, as for build.sh) and runs
# it in qemu-aarch64-static, without the sanitizers.
set -eu
cd "$(dirname "$0")"
rounds=${1:-300000}
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
flags="-std=gnu11 -D_GNU_SOURCE -g -O1 -Wall -Wextra -Werror"
if [ -n "${ARCH:-}" ]; then
    CC="${PYTHON:-python3} -m ziglang cc -target $ARCH-linux-musl -static"
    flags="$flags -fno-sanitize=all -Wno-unknown-warning-option -Wno-unterminated-string-initialization"
    emulate=qemu-$ARCH-static
else
    flags="$flags -fsanitize=address,undefined -fno-sanitize-recover=all"
    emulate=
fi
ending="src/end.c src/kill.c src/usage.c" # with real processes: not fuzzed
tested="src/bpf.c src/cgroup.c src/denied.c src/descend.c src/events.c src/files.c src/filter.c src/frame.c src/glob.c src/hash.c src/job.c src/json.c src/mounts.c src/pair.c src/patience.c src/path.c src/sha256.c src/text.c"

# shellcheck disable=SC2086
${CC:-gcc} $flags -o "$out/unit" tests/main.c tests/test_*.c $tested $ending
$emulate "$out/unit"
if [ "${FUZZ:-}" = 1 ]; then
    # shellcheck disable=SC2086
    clang $flags -fsanitize=fuzzer -DLIBFUZZER -o "$out/fuzz" tests/fuzz.c $tested
    "$out/fuzz" -max_total_time=60 -max_len=4096
else
    # shellcheck disable=SC2086
    ${CC:-gcc} $flags -o "$out/fuzz" tests/fuzz.c $tested
    $emulate "$out/fuzz" "$rounds"
fi
