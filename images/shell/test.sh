#!/bin/sh
# The shell as a program of this machine under the sanitizers: golden cases run in it and the
# parser is fuzzed. What the cases print is compared in the lane (tests/shell); here only a
# report of a sanitizer, or a crash, is a failure.
#   sh images/shell/test.sh [ROUNDS]
set -eu
cd "$(dirname "$0")/../.."
rounds=${1:-2000}
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
sh images/shell/native.sh "$out"
export ASAN_OPTIONS=detect_leaks=0:exitcode=99 UBSAN_OPTIONS=exitcode=99 TZ=UTC LC_ALL=C.UTF-8
# The control: what is looked for below is what a report looks like.
printf 'int main(int n, char **v) { char a[1]; (void)v; return ((volatile char *)a)[n]; }' >"$out/bad.c"
${CC:-gcc} -fsanitize=address -o "$out/bad" "$out/bad.c"
"$out/bad" 2>"$out/err" && { echo "shell: the sanitizer reports nothing" >&2; exit 1; }
grep -q 'AddressSanitizer' "$out/err"
root=$PWD status=0 count=0
for case in tests/shell/core/*.sh tests/shell/text/*.sh; do
    mkdir "$out/work"
    code=0
    (cd "$out/work" && exec "$out/sh" "$root/$case") >"$out/out" 2>"$out/err" </dev/null || code=$?
    if [ $code = 99 ] || grep -q -e AddressSanitizer -e 'runtime error:' "$out/err" "$out/out"; then
        echo "shell: $case" >&2
        head -n 20 "$out/err" >&2
        status=1
    fi
    rm -rf "$out/work"
    count=$((count + 1))
done
[ $count -ge 30 ] || status=1
"$out/fuzz_parser" 1 "$rounds" tests/shell/core/*.sh || status=1
[ $status = 0 ] && echo "shell: $count cases and $rounds rounds of the parser, no report" >&2
exit $status
