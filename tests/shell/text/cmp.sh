printf 'abc\ndef\n' > a; printf 'abc\ndxf\n' > b; printf 'abc\n' > c; : > e
cmp a b; echo $?
cmp a a; echo $?
cmp -s a b; echo $?
cmp a c 2>&1; echo $?
cmp a e 2>&1; echo $?
cmp -l a b; echo $?
cmp -b a b
cmp -bl a b
cmp -n 4 a b; echo $?
cmp -i 6 a b; echo $?
cmp a nofile 2>&1; echo $?
cmp - a < b
cmp -i 1:2 a b
printf ab > x; printf abcd > y; cmp x y 2>&1
