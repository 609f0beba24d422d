printf '%s\n' a a b c c c A > f
uniq f
uniq -c f
uniq -d f
uniq -u f
uniq -D f
uniq -i f
printf '1 x\n2 x\n3 y\n' | uniq -f 1
printf '1 x\n2 x\n3 y\n' | uniq -f1 -c
printf 'ax\nbx\nby\n' | uniq -s 1
printf 'abX\nabY\nac\n' | uniq -w 2
printf 'a\na' | uniq -c
uniq f out; cat out
uniq nofile 2>&1; echo $?
uniq -c -d f
: | uniq -c
printf 'a\0a\0' | uniq -zc | od -c
uniq -iD f
