seq 1 20 > n
tail n
tail -n 3 n
tail -3 n
tail -n +18 n
tail -c 5 n
tail -c +48 n
tail -n 0 n
tail -n 1 n - n < n
tail -qn1 n n
printf 'a\nb\nc' | tail -n 1; echo
printf 'a\nb\nc' | tail -n 2; echo
printf 'a\nb\nc' | tail -n 9; echo
printf '\n\n\n' | tail -n 2 | wc -l
tail nofile 2>&1
echo $?
tail -n x n 2>&1
tail -n +0 n | wc -l
seq 1 100000 | tail -n 2
seq 1 100000 | tail -n 30000 | cksum
seq 1 100000 | tail -n +99999
seq 1 100000 | tail -c 100001 | cksum
seq 1 100000 | tail -c +100001 | cksum
seq 1 100000 | tr '\n' ' ' | tail -n 1 | cksum
(seq 1 30000; printf end) | tail -n 11115 | cksum
: | tail -n 3
