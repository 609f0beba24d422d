set -e
cd /tmp; mkdir -p a/b; printf 'b\na\n' >a/f; cp -a a c; ln -s f a/l; ln a/f a/h; mkfifo a/p
chmod 640 a/f; touch -d @1 a/f; stat -c %s a/f; sort a/f | uniq -c | tr -s ' '; du -s a >/dev/null
find a -type f | sort | xargs sha256sum | cut -c1-8; df /tmp >/dev/null; id -u; date -u -d @0 +%F
dd if=/dev/zero of=z bs=4k count=16 status=none; split -b 16k z; cat x?? | cmp - z; wc -c <z
seq 100 | tee n | tail -n 1; timeout 5 sleep 0.01; nice true; mktemp >/dev/null; env | wc -l >/dev/null
grep -c 1 n; sed -n 's/^9\(.\)$/\1/p' n | head -n 2; awk '{s+=$1} END {print s}' n; mv n m; rm -r a c
truncate -s 1000 m; ls -la / >/dev/null; nproc >/dev/null; sync m; uname -m >/dev/null; tty || true
