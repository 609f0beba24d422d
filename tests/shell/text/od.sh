printf 'hello\n\001\377\000world, this is od\n' > f
od f
od -c f
od -b f
od -x f
od -d f
od -An -tx1 f
od -A x -t x1z f
od -A d -t c f
od -t x1 -t c f
od -t x2 -c f
od -t x4 f
od -t d1 f
od -t u2 f
od -t x8 f
od -t o1 f
od -ta f
od -N 4 -c f
od -j 6 -N 3 -tx1 f
od -w4 -tx1 f
head -c 100 /dev/zero | od
head -c 100 /dev/zero | od -v -tx1
od -An -v -tu1 -w1 f | head -n 3
printf '\0\0\200\077\0\0\0\100' | od -tf4
printf '\0\0\0\0\0\0\360\077' | od -tf8
: | od
od nofile 2>&1; echo $?
printf abc | od -An -c -w3
od -tz f 2>&1; echo $?
od -i -N 8 f; od -s -N8 f; od -l -N8 f; od -o -N8 f
echo -n x | od -tx1 -An | tr -d ' \n'; echo
