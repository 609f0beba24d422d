printf '%s\n' banana apple Cherry 10 9 -3 '' 'a b' > f
sort f
sort -r f
sort -n f
sort -f f
sort -u f f
printf '%s\n' 'b 2' 'a 10' 'c 1' 'a 2' > k
sort -k 2n k
sort -k1,1 -k2,2nr k
sort -k2 k
sort -t ' ' -k 2,2 k
sort -k1,1 -s k
sort -k1,1r -s k
printf 'x:3:c\ny:1:b\nz:2:a\n' | sort -t: -k2
printf 'x:3:c\ny:1:b\nz:2:a\n' | sort -t : -k 3.1,3.1
printf '1K\n2M\n500\n1G\n3k\n' | sort -h
printf '1.10\n1.9\n1.2\nv1\n' | sort -V
printf 'file10\nfile9\nfile1.txt\nfile1\n' | sort -V
printf 'Mar\nJan\nfoo\nDec\n' | sort -M
printf '1e3\n1e2\n5\nx\n-1e9\n' | sort -g
printf 'b\na\n' > u; sort -c u 2>&1; echo $?
sort -C u; echo $?
sort u | sort -c; echo $?
printf 'a\na\n' | sort -cu 2>&1; echo $?
sort -o u u; cat u
sort nofile 2>&1; echo $?
printf 'b\0a\0' | sort -z | od -c
printf '  b\n a\nc\n' | sort -b
printf '  b\n a\nc\n' | sort
printf '  b 1\n a 2\nc 0\n' | sort -k1b,1
printf 'a-b\nab\na c\n' | sort -d
printf 'A\na\nB\nb\n' | sort -f
printf 'A\na\nB\nb\n' | sort -fu
printf '3 x\n1 y\n3 a\n' | sort -n -u
printf '3 x\n1 y\n3 a\n' | sort -rn
printf '3 x\n1 y\n3 a\n' | sort -s -rn
printf '0.5\n.25\n-0\n-1\n00.5x\n' | sort -n
printf 'b\na' | sort
sort -m u u
sort -k0 u 2>&1; echo $?
sort -k 1x u 2>&1; echo $?
sort -t ab u 2>&1; echo $?
printf 'é\nz\na\n' | sort
seq 1 3000 | sort | cksum
seq 1 3000 | sort -r | sort -n | cksum
seq 3000 -1 1 | sort -n -k1.2 | cksum
