# Field splitting: which characters split, and what they leave.
show() { printf '<%s>' "$@"; echo; }
x='  a  b	c
d  '; show $x
IFS=:; x='a:b::c:'; show $x; x=':a'; show $x; x='::'; show $x; x=':'; show $x; x=; show $x
IFS=' :'; x='a : b: c :d  e ::f'; show $x; x=' : a'; show $x; x='a : '; show $x
IFS='	:'; x=' a	b:c '; show $x
IFS=; x='a b:c'; show $x
unset IFS; show $x
IFS=x; v=axbxc; show $v "$v" ${v}x$v
IFS=' '; x='a b'; y=$x; show "$y"; z="$x"c; show $z
IFS=:; x=a:b; show $x$x; show $x"$x"; show "$x"$x
show a:b 'a:b' $(echo a:b:c) `echo x:y` $((1))
IFS=1; show $((212)) "$((212))"
IFS=0; set -- a b; echo $#; x=10203; show $x
IFS=' ,'; x='a, b,c ,,d'; show $x
IFS=' 	
'; x='a\ b'; show $x; x="'a b'"; show $x; x='"a b"'; show $x
e=; show $e; show $e$e; show a$e; show $e"" ; show $e "" $e
x=' '; show $x; show a$x; show $x"a"; show a$x"b"; show a$x$x"b"
IFS=:; x=:; show a$x; show a$x"b"; show $x"b"; show a$x$x"b"
for i in $(printf 'a:b\nc'); do echo "[$i]"; done
unset IFS; for i in $(printf 'a b\nc\td\n\n'); do echo "[$i]"; done
case $(echo a b) in 'a b') echo unsplit;; esac
y=$(echo 'a   b'); show "$y"; z=`echo 'c   d'`; show "$z"
IFS='\'; x='a\b'; show $x
IFS='*'; x='a*b'; show $x
IFS="$(printf '\n')"; IFS='
'; x='a b
c'; show $x
IFS=$(printf ' \t\n:x'); IFS=${IFS%x}; x='1: 2 :3
4'; show $x
