# xargs: splitting, batching, replacing, statuses.
x() { printf "$1"; }
exec 2>&1
echo a b c | xargs; echo a b c | xargs echo x; echo a b c | xargs -n1; echo a b c d e | xargs -n 2 echo; seq 5 | xargs; seq 5 | xargs -n3
echo a | xargs nope-nope > /dev/null 2>&1; echo $?; echo a b | xargs -n1 false; echo $?; echo a | xargs sh -c 'exit 255' 2> /dev/null; echo $?; echo a b | xargs -n1 sh -c 'exit 3'; echo $?; echo a | xargs sh -c 'kill -9 $$' 2> /dev/null; echo $?
x 'a  b\n c\n' | xargs -I{} echo '[{}]{}'; x 'a b\nc d\n' | xargs -I X echo X-X; x 'a\n\nb\n' | xargs -I% echo %%; echo q | xargs -I{} echo no; x 'a b\n' | xargs -i echo '<{}>'; x 'a b \n' | xargs -I{} echo '{}|'
x 'a b\nc d \ne\nf\n' | xargs -L1 echo; x 'a\nb\nc\n' | xargs -L 2 echo; x 'a b\nc\n' | xargs -l echo
x 'a,b,c' | xargs -d, -n1; x 'a\nb c\n' | xargs -d '\n' -n1; x 'a\0b c\0' | xargs -0 -n1; x 'a\tb\n' | xargs -d '\t' echo; x 'axbxc' | xargs -d x
x "a\\\\ b \"c d\" 'e f' g\"h i\"j\n" | xargs -n1; x "a 'b\n" | xargs 2> /dev/null; echo $?; x 'a "b' | xargs 2> /dev/null; echo $?; x '"" x\n' | xargs -n1 echo "<" ; x 'a\\' | xargs
true | xargs echo empty; true | xargs -r echo empty; x '\n \n' | xargs echo blank; x ' \n' | xargs -r echo blank; true | xargs -I{} echo none
echo a b c | xargs -t -n2 echo; seq 3 | xargs -P4 -n1 echo | sort; echo a b _ c | xargs -E _ echo; echo a b c | xargs -E '' echo; seq 1000 | xargs -s 100 echo | wc -l; seq 20000 | xargs | tr ' ' '\n' | wc -l; echo aaaaaaaaaaaaaaaaaaaa | xargs -s 10 echo; echo $?
seq 3 > list; xargs -a list echo; echo in | xargs -a list sh -c 'cat; echo "$@"' _; echo a | xargs sh -c 'cat; echo "$0"'; seq 2 | xargs -n1 cat; xargs -a nope; echo $?
xargs -n x; echo $?; xargs -n 0; echo $?; xargs -Z; echo $?; xargs -d ab < list 2> /dev/null; echo $?; echo a b | xargs -- echo -n; echo; echo x | xargs sh -c 'echo $0 $1' y; echo 1 2 3 4 | xargs -n 2 sh -c 'echo $1 $0'
find . -name list -print0 | xargs -0 cat; printf '%%s\n' 'it'"'"'s' | xargs -d '\n' echo; printf '%s\n' 'a b' | xargs -d '\n' printf '<%s>\n'
