printf '%s\n' 'alpha beta' 'Beta gamma' 'gamma.delta' '' 'foo123 bar' 'foobar foo_bar foo' 'tab	here' > f
printf '%s\n' 'second alpha' 'none' > g
grep alpha f
grep -n alpha f g
grep -i beta f
grep -v a f
grep -c a f g
grep -l alpha f g; grep -L gamma f g
grep -o 'foo[a-z_]*' f
grep -on a f
grep -w foo f
grep -x none f g
grep -q alpha f; echo $?
grep -q zeta f; echo $?
grep zeta nofile f; echo $?
grep -s alpha nofile g; echo $?
grep -sq alpha nofile g; echo $?
grep -e alpha -e delta f
printf 'alpha\ndelta\n' > pats; grep -f pats f
grep -F 'a.d' f; grep 'a.d' f
grep -E '^(alpha|gamma)' f
grep -E 'o{2}' f
grep 'o\{2\}' f
grep -E 'foo[0-9]+' f
grep 'foo[0-9]\+' f
grep -h alpha f g; grep -H none g
grep -m 1 a f
grep -b foo f
grep -A1 alpha f; echo; grep -B1 foo123 f; echo; grep -C1 gamma.d f
grep -A 1 -n alpha f g
grep -1 foo123 f
grep '' f | wc -l
grep -c '^$' f
grep -E 'a|' f | wc -l
cat f | grep -n alpha -
grep '[' f; echo $?
grep 'a\' f; echo $?
grep '\(a' f; echo $?
grep -E 'a)' f; echo $?
grep -E '(a' f; echo $?
grep '[[:foo:]]' f; echo $?
grep '[:space:]' f; echo $?
grep -E '[[:space:]]' f
grep -z alpha f | od -c | tail -n 2
printf 'a\0b\n' > bin; grep a bin; echo $?; grep -a a bin | od -c; grep -c a bin; grep -I a bin; echo $?
printf 'x\n' | grep -c x
grep --color=auto -n none g
grep -ow 'foo' f
grep --include='*.txt' x f; echo $?
mkdir -p d/e; echo needle > d/a.txt; echo needle > d/e/b.c; echo hay > d/e/c.txt
grep -r needle d | sort
grep -rl needle d --include=*.c
grep -rc needle d | sort
grep -rn --exclude-dir=e needle d
grep -rh needle d
(cd d && grep -r needle | sort && grep -r needle . | sort)
grep needle d; echo $?
grep -d skip needle d; echo $?
grep -nv a f
grep -vc a f
grep -o b* f | head -n 3
grep -E '\bfoo\b' f; grep '\<bar' f; grep 'foo\>' f; grep -c '\w' f; grep -c '\W' f
grep -E '(foo).*\1' f; grep '\(o\)\1' f
grep -i 'É' <<X
é
É
e
X
grep -o '.' <<X
aéb
X
grep -c 'a.b' <<X
aéb
X
grep -E 'a{,2}b' <<X
aaab
X
grep -E '*a' g; grep -E '{1}a' g; echo $?
grep '*a' g; echo $?
grep -E 'a{1' g; echo $?
grep -E 'x{2,1}' g; echo $?
grep -e; echo $?
grep; echo $?
grep -nF -e alpha -e none f g
grep -Fx 'none' g; grep -Fw 'foo' f; grep -Fi 'BETA' f
grep -c alpha nofile - < f; echo $?
grep -T -n alpha f
grep -Z -l alpha f g | od -c
grep -lv alpha g
: > empty; grep -f empty f; echo $?; grep -vf empty g
grep -A1 -B1 -m1 alpha f
grep --no-group-separator -A0 a g f
seq 1 20 | grep -C1 -e 5 -e 15
seq 1 20 | grep -B 2 -A 2 -e 5 -e 8
printf 'a' | grep a
seq 1 50000 | grep -c 7
seq 1 50000 | grep 9999
seq 1 100000 | grep -q 5; echo $?
(grep -m1 2; cat) <<X
1
2
3
X
printf 'a\nb\0c\n\0' | grep -z '^b' | od -c
printf 'a\nb\0c\n\0' | grep -z 'a.b' | od -c
seq 1 30000 | grep -n '99$' | tail -n 2
seq 1 30000 | grep -b '^29999' 
seq 1 30000 | grep -A1 '^29999$'
printf 'x\nfoo\nbar' | grep 'o*b'
printf 'ab\nba\n' | grep -c 'b[^x]*a'
