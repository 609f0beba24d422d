printf '%s\n' 'a/b|c' 'x y' 'hello world' '' 'foo=bar' 'last line' > f
printf '1\n2\n3' > g
t() { printf -- '--- %s\n' "$*"; sed "$@" 2>&1; echo "[$?]"; }
t s/o/0/ f
t s/o/0/g f
t s/o/0/2 f
t 's/o/0/2g' f
t -n 's/o/0/p' f
t 's/[/]/_/' f
t 's|a\|b|X|' f
t -E 's|a\|b|X|' f
t 's,a\,b,X,' f
t 's,/,\,,' f
t -E 's/(\w+) (\w+)/\2 \1/' f
t 's/\(h\)\(e\)/\2\1&/' f
t 's/.*/\U&/' f
t 's/\w\+/\u&/g' f
t 's/\(.\)\(.*\)/\U\1\E\2/' f
t -E 's/(\w)(\w*)/\U\1\L\2/g' f
t 's/hello/\
/' f
t 's/ /\n/' f
t 's/ /\t/' f
t 's/x/[&]\&/' f
t 2d f
t '2,4d' f
t '/hello/,$d' f
t '$d' f
t '$!d' f
t -n '2p' f
t -n '/hello/p' f
t -n '/hello/,/foo/p' f
t -n '2,+2p' f
t -n '2~2p' f
t -n '0~3p' f
t -n '2,~4p' f
t -n '0,/a/p' f
t -n '1,/a/p' f
t -n '/x/,1p' f
t -n '2,1p' f
t '2!d' f
t -n '2{p;p}' f
t -n '/o/{/w/p}' f
t '1!G;h;$!d' f
t -n '$=' f
t = g
t 'N;s/\n/+/' g
t '$!N;P;D' g
t ':a;N;$!ba;s/\n/,/g' f
t -e ':a' -e '$q;N;11,$D;ba' f
t 'n;d' f
t q f
t 3q f
t 2q5 f
t 2Q5 f
t 'y/abc/xyz/' f
t 'y/a\/b/1\n2/' f
t 'y/é/e/' f
t 'a\
after' f
t 'a after' g
t '2i\
before\
two' g
t 'i\  two' g
t 'a\  lead' g
t 'a\ttext' g
t 'a hello\tw\nz' g
t '2c\
changed' g
t '2,3c changed' g
t '$!{a foo
}' g
t -e 'a foo' -e 'p' g
t -e 'a\' -e 'foo' g
t '$a end' g
t '1r g' f
t 'r nofile' g
t 'w out' g; cat out
t -n '/a/w out2' f; cat out2
t 's/o/0/w out3' f; cat out3
seq 3 > g3; t 'R g3' f
t -n l f
t -n 'l 5' f
printf 'a\tb\001\\é\n' | sed -n l
echo aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa | sed -n l
t 'x;p;x' g
t G g
t -n 'H;${x;s/\n/,/g;s/^,//;p}' f
t 's/x*/-/g' g
t 's/b*/X/2' f
echo baaac | sed 's/a*/x/g'
echo abc | sed 's/\b/|/g'
echo 'hello world' | sed 's/\<./\U&/g'
echo abcabc | sed 's/b/X/2;s/a/Y/g'
echo aXb | sed 's/x/_/I'
echo aXb | sed '/x/Id'
printf 'one\ntwo\n' | sed 'N;s/^t/T/M;s/e$/E/M'
printf 'one\ntwo\n' | sed -z 's/\n/,/g'; echo
echo abc | sed 's/\(b\|c\)/<\1>/g'
echo 'a.b.c' | sed 's/\./-/g'
echo abc | sed -E 's/a|c/X/g'
echo aaa | sed 's/a\{2\}/b/'
echo aaa | sed -E 's/a{2,}/b/'
echo 'foo(bar)' | sed 's/(\(.*\))/[\1]/'
echo 'foo(bar)' | sed -E 's/\((.*)\)/[\1]/'
echo abc | sed -n '/b/{s//X/;p}'
echo 'x=1' | sed 's/=.*//'
echo /usr/local/bin | sed 's#/#:#g'
echo '  trim  ' | sed 's/^[ \t]*//;s/[ \t]*$//' | od -c
echo aéb | sed 's/./x/g'
echo ÉCOLE | sed 's/.*/\L&/'
echo a | sed 's/a/\x41\o102\d067/'
echo 'a&b' | sed 's/&/\&amp;/'
printf 'a\nb\n' | sed '$!s/$/,/'
printf 'a\0b\n' | sed 's/\x00/Z/'
echo abcd | sed 's/\(a\)\(b\)\(c\)\(d\)/\4\3\2\1/'
echo one two | sed 's/\(one\) \(two\)/\2 \1/;t;s/.*/no/'
printf 'a\nb\n' | sed 's/a/X/;ta;s/$/!/;:a'
printf 'a\nb\n' | sed -n 's/a/X/;T;p'
printf 'k1\nk2\nk3\n' | sed '/k1/b end
s/k/K/
: end'
t -s -n '$p;1p' g f
t -n '$p' g f
t F g
cp f e; sed -i 's/o/0/g' e; cat e
cp f e; sed -i.bak 2d e; cat e; cat e.bak
cp f e; sed -n -i 1p e g; cat e g
cp f e; sed -i 2q e; cat e
printf 'no newline' > n; sed -i 's/no/NO/' n; cat n; echo
printf 'a' | sed p; echo
printf 'a' | sed 'a x'
printf 'a\nb' | sed -n 'p'; echo
printf 'a\nb' | sed 'i x'; echo
printf 'a' > n1; printf 'b' > n2; sed '' n1 n2; echo
sed --expression=p -n g
sed -f - g <<X
# comment
s/1/one/ # trailing
2d;# more
X
printf 'p\n' > s; sed -n -f s -e '1p' g
sed -n '#n
p' g
sed '#n
p' g
t nofile f
t p nofile g
t s/a/b
t s/a/b/gg
t 's/a/\1/'
t k
t '{p'
t 'p}'
t 'b foo'
t 'y/ab/x/'
t '3,p'
t :
t 's/a/b/0'
t 'p x'
t /a
t -E 's/(/x/'
t '2!!p'
t 0p
t '0,3p'
t r
t a
t '//p' g
t -n '/x/{b};p' f
t ';;p;' g
t '{;p;}' g
t '1,2!p' g
t 's/a/b/;;s/b/c/;' f
t '1{
p
}
2{s/2/two/
}' g
t '1~0p' g
t --quiet -e p g
t -ne p g
t --version x >/dev/null
t 's/a/b/k' g
t 'N;N;N' g
t -n 'N;N;p' g
t 'N;l;D' g
t -n '1!{x;G;p};h' g
t 'z;s/^$/empty/' g
t 'W out4' f; cat out4
t 's/l/L/3' f
t 's/[^a-z]//g' f
t 's/[]]/x/;s/[^]]/y/' f
t '\,a/b,d' f
t '\|a/b\|c|d' f
t 's/\(x\)*/<&>/' f
t 's/a\|\(h\)/[\1]/' f
t '/^$/d' f
t -n '/^$/=' f
t '1d;2d;3d' g
t -u s/1/x/ g
t 'c\' g
t '$s/$/ END/' g
t '2s/.*/"&"/;3s/.*/'"'&'"'/' g
seq 1 20 | sed -n '5,10{/7/!p}'
seq 1 20 | sed '5,15d;18q'
seq 1 5 | sed -n '2{n;n;p}'
seq 1 10 | sed '0~4a ---'
seq 1 6 | sed 'N;N;s/\n/ /g'
seq 1 100000 | sed 's/9/X/g' | cksum
seq 1 30000 | sed -n '/\([0-9]\)\1/p' | cksum
seq 1 30000 | sed -E 's/([0-9])([0-9])/\2\1/g' | cksum
seq 1 3000 | tr '\n' ' ' | sed 's/ /,/g' | cksum
seq 1 10 | sed '2,4!d;=' 
seq 1 10 | sed '2,4{N;N;N}' | tail -n 3
echo abc | sed 's/b*$/X/'
echo hello | sed 's/\(l\)\(l\)/\2-\1/'
echo "path/to/file.txt" | sed 's/.*\///;s/\.[^.]*$//'
(sed -n 1p; cat) <<X
1
2
X
(sed 1q; cat) <<X
1
2
3
X
