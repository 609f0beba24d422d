printf 'one two\nthree\n' > a
printf 'é ü\n\tx' > b
: > empty
wc a
wc < a
wc -l a
wc -l < a
wc -w a b
wc -lc a b empty
wc -m b
wc -c b
wc -L a b
wc a nofile b 2>&1
echo $?
cat a | wc
cat a | wc -l
cat a | wc -
wc -clw a
wc --lines --bytes a
wc empty
seq 1 50000 | wc
printf 'a\001b \002 c\n' | wc -w
printf 'no newline' | wc -l
