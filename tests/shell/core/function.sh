# Functions: parameters, return, locals, recursion, redirection.
f() { echo "f $# $*"; }; f; f a b; f "a b"
g() (echo subshell; x=inner); x=outer; g; echo $x
h() if [ "$1" ]; then echo yes; else echo no; fi; h; h 1
k() { return 3; }; k; echo $?; k || echo failed; r() { false; return; }; r; echo $?; r2() { return 0; echo never; }; r2
set -- p q; f x y z; echo $# $1; s() { shift; echo $1; set -- new; echo $1; }; s a b; echo $1
fact() { if [ $1 -le 1 ]; then echo 1; else echo $(( $1 * $(fact $(($1-1))) )); fi; }; fact 10
count() { [ $1 -gt 0 ] || return 0; printf '%s ' $1; count $(($1-1)); }; count 20; echo
loc() { local a b=2; a=1; echo $a $b; }; a=A b=B; loc; echo $a $b
outer() { local v=o; inner; echo $v; }; inner() { echo "in $v"; v=changed; }; v=g; outer; echo $v
l3() { local x=1; l4; echo $x; }; l4() { local x=2; echo $x; }; x=0; l3; echo $x
lu() { local nothing; echo "[${nothing-unset}]"; }; unset nothing; lu
p() { echo $x; }; x=5 p; echo $x; x=8; x=9 p; echo $x
e() { env | grep '^ZZ='; }; ZZ=in e; echo "[$ZZ]"; unset ZZ
redir() { echo to; echo file; } >out; redir; cat out; redir2() { echo a; }; redir2 >out; cat out
two() { echo one; }; two() { echo two; }; two; unset -f two; two 2>/dev/null; echo $?
self() { self() { echo redefined; }; echo first; }; self; self
for i in 1 2 3; do lf() { [ $i = 2 ] && return 1; echo $i; }; lf; done; echo $?
w() { while :; do return 4; done; }; w; echo $?; c() { for i in 1 2; do echo $i; break; done; echo after; }; c
nested() { in1() { echo deep; }; in1; }; nested; in1
f
f1() { echo $1; }
f1 "$(f1 inner)"; f1 `f1 bq`; v=$(f1 captured); echo $v; f1 piped | cat; f1 x | { read y; echo got $y; }
echo() { command echo "wrapped $*"; }; echo hi; unset -f echo; echo plain
true() { return 1; }; true; echo $?; unset -f true; true; echo $?
cd() { command cd "$@" && command pwd; }; cd /tmp; unset -f cd; cd - >/dev/null
ret() { (return 5); echo $?; }; ret; ret2() { { return 6; }; }; ret2; echo $?
ret3() { eval 'return 7'; echo no; }; ret3; echo $?; ret4() { if true; then return 8; fi; }; ret4; echo $?
args() { for a; do echo "<$a>"; done; }; args 'x y' z; args; args "$@"
b() { break; }; for i in 1 2; do echo $i; done; x() { echo "$@"; }; x a 'b  c'
t() { trap 'echo exit trap' EXIT; }; (t; echo body)
