printf 'a\n\n\n\tb\001\200\nlast' > f
cat f; echo
cat -n f; echo
cat -b f; echo
cat -A f; echo
cat -s f f; echo
cat -vET f; echo
echo in | cat f - f
cat -- f | tail -n 1; echo
cat nofile f 2>&1
echo $?
cat . 2>&1
cat -Q 2>&1
echo $?
cat --number f --show-ends; echo
printf x > self; cat self >> self 2>err; echo $?; cat err self
