echo 'the quick brown fox jumps' | fold -w 10
echo 'the quick brown fox jumps' | fold -s -w 10
echo 'thequickbrownfox jumps' | fold -sw 5
printf 'a\tb\tc\n' | fold -w 10
printf 'a\tb\tc\n' | fold -b -w 3
seq -s '' 1 60 | fold
printf 'abc' | fold -w 2; echo
printf 'abcd\n\nef\n' | fold -w 2
echo abc | fold -w 0 2>/dev/null; echo $?
echo abcdef | fold -4
printf 'a\tb\n' | fold -w 4
printf 'a\tbc\tx\n\ty\n' | expand
printf 'a\tbc\tx\n\ty\n' | expand -t 4
printf 'a\tbc\tx\n' | expand -t 3,6,12
printf '\ta\tb\n' | expand -i
printf '        a       b\n' | unexpand
printf '        a       b\n' | unexpand -a
printf '    a   b\n' | unexpand -t 4
printf 'a b  c        d\n' | unexpand -a
