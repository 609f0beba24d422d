printf '' | base64
printf a | base64
printf ab | base64
printf abc | base64
seq 1 100 | base64
seq 1 100 | base64 -w 0; echo
seq 1 10 | base64 -w 10
seq 1 100 | base64 | base64 -d | cksum
printf 'YWJj' | base64 -d; echo
printf 'YW\nJj\n' | base64 --decode; echo
printf 'YW Jj' | base64 -d 2>&1; echo " $?"
printf 'YW Jj' | base64 -di; echo " $?"
printf 'YWI=' | base64 -d; echo
printf 'YWI' | base64 -d 2>&1; echo " $?"
printf 'YQ==YWI=' | base64 -d; echo
printf '!!!!' | base64 -d 2>&1; echo $?
printf '\000\377\200' | base64 | base64 -d | od -An -tx1
seq 1 20000 | base64 | base64 -d | cksum
base64 nofile 2>&1; echo $?
echo hello | base32
echo hello | base32 | base32 -d
