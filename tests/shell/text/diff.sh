# diff: normal and unified output, its options and statuses. Expected text by GNU diff 3.8.
printf '%s\n' a b c d e f g h i j k l m n o p >old
printf '%s\n' a B c d e f g h i j l m n o p q >new
diff old new
echo "= $?"
diff -u --label old --label new old new
echo "= $?"
diff -U1 -L old -L new old new
diff -U 0 -L old -L new old new
diff --unified=2 --label x --label y old new
diff -q old new
echo "= $?"
diff -s old old
echo "= $?"
diff old old
echo "= $?"
printf 'a\nb' >open
printf 'a\nb\n' >closed
diff open closed
diff -u -L open -L closed open closed
diff -u -L closed -L open closed open
: >empty
diff empty closed
diff closed empty
diff -u -L e -L c empty closed
diff -u -L c -L e closed empty
diff empty empty
echo "= $?"
printf 'if (x)\n  y = 1;\n\tz\n' >code
printf 'IF (x)\n y =  1; \n z\n' >styled
diff -b code styled
diff -w code styled
diff -wi code styled
echo "= $?"
printf 'a\r\nb\r\n' >dos
printf 'a\nb\n' >unix
diff dos unix | tr '\r' '^'
diff --strip-trailing-cr dos unix
echo "= $?"
mkdir dir
cp new dir/old
diff old dir | head -n 4
diff dir old | head -n 4
printf 'a\n' | diff - closed
printf '\0\1' >bin
diff bin closed
echo "= $?"
diff -a bin closed | od -c | head -n 2
diff absent closed 2>&1
echo "= $?"
diff -N absent closed
echo "= $?"
diff old 2>&1 | head -n 1
printf '%s\n' x a x b x c x >rep1
printf '%s\n' x x a x x b c x x >rep2
diff rep1 rep2
diff -U1 -L rep1 -L rep2 rep1 rep2
seq 1 60 >s1
seq 1 60 | sed -e 5d -e 's/^30$/thirty/' -e '33a new' -e '58s/$/!/' >s2
diff -u -L s1 -L s2 s1 s2
