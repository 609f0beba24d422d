printf '%s\n' '1 a' '2 b' '2 bb' '4 d' > x; printf '%s\n' '1 A' '2 B' '2 BB' '3 C' > y
join x y
join -a 1 x y
join -a1 -a2 x y
join -v 1 x y
join -v2 x y
join -o 1.2,2.2,0 x y
join -a1 -a2 -e - -o 0,1.2,2.2 x y
join -a1 -a2 -e - -o auto x y
printf 'k:1\nm:2\n' > p; printf 'a:k\nb:m\n' > q
join -t: -1 1 -2 2 p q
join -t : -j 1 p p
printf 'A 1\n' > ci; printf 'a 2\n' > cj; join -i ci cj
printf 'id v\n1 a\n' > h; printf 'id w\n1 b\n' > i; join --header h i
printf 'b 1\na 2\n' > u; join u x 2>&1; echo $?
join x nofile 2>&1; echo $?
printf 'a  1   x\n' > s; printf ' a 2\n' > t; join s t
join -t, -o 1.1,2.2 s t
