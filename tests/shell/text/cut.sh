printf 'a:b:c:d\nno delim\n::x\n' > f
cut -d: -f2 f
cut -d: -f2 -s f
cut -d: -f1,3 f
cut -d: -f3- f
cut -d: -f-2 f
cut -d: -f2-3,1 f
cut -d : -f 1 --complement f
cut -d: -f1,3 --output-delimiter=' | ' f
cut -c1-3 f
cut -c2 f
cut -b 1,3-4 f
cut -c1-2,4-5 --output-delimiter=- f
cut -c-2,5- f
printf 'a\tb\n' | cut -f2
cut -f0 f 2>&1; echo $?
cut f 2>&1; echo $?
cut -f 3-2 f 2>&1; echo $?
cut -f - f 2>&1; echo $?
cut -d ab -f1 f 2>&1; echo $?
cut -d: -f1 nofile f 2>&1; echo $?
printf 'x y z' | cut -d' ' -f2
printf 'a:b' | cut -d: -f5
cut -d '' -f1 f
printf 'a,b\0c,d\0' | cut -z -d, -f2 | od -c
echo abc | cut -c 2-9
cut -c x f 2>&1
