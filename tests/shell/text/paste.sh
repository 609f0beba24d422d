seq 1 3 > a; printf 'x\ny\n' > b
paste a b
paste -d, a b
paste -s a
paste -s -d, a b
paste -sd+ a
paste -d ',;' a b a
seq 1 6 | paste - - -
seq 1 5 | paste -d '\n\0' - -
paste a - < b
paste -d '' a b
paste nofile 2>&1; echo $?
printf 'a\nb' | paste -s
paste -sd '\t\n' a
: | paste -s
: | paste - a
