printf '' > e; seq 1 1000 > n; printf abc > a
for t in md5sum sha1sum sha224sum sha256sum sha384sum sha512sum; do $t e n a; $t < n; done
for n in 55 56 63 64 65 111 112 119 120 127 128 129; do seq -s '' 1 200 | head -c $n | sha512sum; seq -s '' 1 200 | head -c $n | sha256sum; seq -s '' 1 200 | head -c $n | md5sum; done
sha256sum e n a > sums; sha256sum -c sums; echo $?
echo x >> a; sha256sum -c sums 2>&1; echo $?
sha256sum -c --quiet sums 2>&1; echo $?
sha256sum -c --status sums; echo $?
rm a; sha256sum -c sums 2>&1; echo $?
sha256sum -c --ignore-missing sums; echo $?
md5sum --tag n | tee t; md5sum -c t
md5sum -b n
md5sum -z n | od -c | head -n 1
printf 'junk\n' > j; md5sum -c j 2>&1; echo $?
md5sum nofile 2>&1; echo $?
printf x > 'a\b'; md5sum 'a\b' | tee t; md5sum -c t
(md5sum n; echo junk) > m; md5sum -c m 2>&1; echo $?
md5sum -c --strict m 2>&1; echo $?
cksum e n; cksum < n
