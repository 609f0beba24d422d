seq 1 20 > n
head n
head -n 3 n
head -3 n
head -n -17 n
head -c 5 n; echo
head -c -45 n; echo
head -n 2 n - n < n
head -qn1 n n
head -vn1 n
head -n 0 n
printf 'a\nb\nc' | head -n -1
printf 'a\nb\nc' | head -n -2
printf 'a\nb\nc' | head -n -5
head nofile 2>&1
echo $?
head -n x n 2>&1
head -n 1K n | wc -l
(head -n 2; echo --; head -n 1) < n
printf 'a\0b\0c\0' | head -z -n 2 | od -c
head -2q n n
yes | head -n 3
yes x | head -c 7; echo
