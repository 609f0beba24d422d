printf 'abc\ndéf\nlast' > f
rev f; echo
tac f; echo
printf 'a,b,c,' | tac -s ,; echo
printf 'a,b,c' | tac -s ,; echo
printf 'a,b,c' | tac -b -s ,; echo
printf '/a/b/c' | tac -b -s /; echo
printf 'x\n\ny\n' | tac
: | tac
tac nofile 2>&1; echo $?
seq 1 5000 | tac | cksum
echo 'a b' | rev | rev
rev nofile 2>/dev/null; echo $?
