# The builtin read: splitting, backslashes, and what is left for the next reader.
show() { printf '<%s>' "$@"; echo; }
printf 'a b c\n' | { read x y; show "$x" "$y"; }
printf 'a b c\n' | { read x y z w; show "$x" "$y" "$z" "$w"; }
printf '  a b  \n' | { read x; show "$x"; }
printf '  a b  \n' | { IFS= read x; show "$x"; }
printf 'a\\b c\\\nd\n' | { read x y; show "$x" "$y"; }
printf 'a\\b c\\\nd\n' | { read -r x y; show "$x" "$y"; }
printf 'a\\ b c\n' | { read x y; show "$x" "$y"; }
printf 'a:b:c:d\n' | { IFS=: read x y z; show "$x" "$y" "$z"; }
printf 'a:b:\n' | { IFS=: read x y; show "$x" "$y"; }
printf 'a:b::\n' | { IFS=: read x y; show "$x" "$y"; }
printf ':a:\n' | { IFS=: read x y z; show "$x" "$y" "$z"; }
printf '::\n' | { IFS=: read x y; show "$x" "$y"; }
printf ' a : b : c \n' | { IFS=' :' read x y; show "$x" "$y"; }
printf 'noeol' | { read x; echo $?; show "$x"; }
printf '' | { x=old; read x; echo $?; show "$x"; }
printf '\n' | { x=old; read x; echo $?; show "$x"; }
printf 'one\ntwo\nthree\n' | { read a; read b; cat; show "$a" "$b"; }
printf 'one\ntwo\nthree\n' > f
{ read a; read b; cat; show "$a" "$b"; } < f
while read -r line; do printf '[%s]' "$line"; done < f; echo
while IFS= read -r line || [ -n "$line" ]; do echo "$line"; done <<X
  first \\ \$HOME
$(printf 'last')
X
n=0; while read l; do n=$((n+1)); done < f; echo $n
exec 3< f; read a <&3; read b <&3; show "$a" "$b"; exec 3<&-
cat f | while read l; do echo "$l"; break; done
read x < /dev/null; echo $?
read x <<X
a b
X
show "$x"
(read x <&9) 2>/dev/null; [ $? -ne 0 ] && echo closed
readonly r; (echo a | { read r; echo not here; }) 2>/dev/null; echo $?
printf 'x y\n' | { read 1bad; echo $?; } 2>/dev/null
