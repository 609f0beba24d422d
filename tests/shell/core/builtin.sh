# Other builtins: printf, echo, test, getopts, cd, command, type, alias, umask, set, shift, eval, dot.
printf '%s\n' a b; printf '%s %s\n' a b c; printf '%d %i %o %x %X %u\n' 10 -3 8 255 255 7
printf '%5d|%-5d|%05d|%+d|% d\n' 42 42 42 42 42; printf '%5s|%-5s|%.2s|%5.1s|\n' ab ab abc abc; printf '%*d|%-*s|%.*s\n' 5 1 4 x 2 abc
printf '%c%c\n' abc d; printf '%%\n'; printf '\a\b\f\r\v\\\t|\n' | od -An -c; printf '\101\060\n'; printf '%b\n' 'a\tb\0101\101'; printf '%b' 'x\cy'; echo
printf '%d\n' 0x1f 010 "'A" '"B' -0x1; printf '%s\n'; printf '%d\n'; printf 'no newline'; echo; printf '%x\n' -1; printf '%s' a b c; echo
printf '%e %.2f %g\n' 1.5 3.14159 100000; printf '%d\n' abc 2>/dev/null; echo $?; printf '%d\n' 5x 2>/dev/null; echo $?; printf -- '-%s\n' x
printf '%s|' "a  b" '' c; echo; printf '%s %b\n' 'a\n' 'b\n'; printf '\n'; printf '%5%|\n' 2>/dev/null | head -c 0; printf '[%s]\n' "$(printf '%s\n' x y)"
echo -n a; echo b; echo -n; echo a b  c; echo; echo '' x; echo 'a\tb\nc'; echo 'x\cy' z; echo; echo '\0101\\'; echo -- -e; echo "-n"; echo -nx
[ a = a ]; echo $?; [ a = b ]; echo $?; [ a != b ]; echo $?; [ "" ]; echo $?; [ x ]; echo $?; [ ]; echo $?; test; echo $?
[ -n x ] && [ -z "" ] && [ ! -n "" ] && [ ! "" ] && echo ok; [ 1 -eq 01 ] && [ 1 -lt 2 ] && [ 2 -gt 1 ] && [ 1 -le 1 ] && [ 1 -ge 1 ] && [ 1 -ne 2 ] && echo nums
[ -1 -lt 1 ] && [ " 3 " -eq 3 ] && echo sign; [ a -eq 1 ] 2>/dev/null; echo $?; [ 1 -eq ] 2>/dev/null; echo $?; [ -n = -n ] && [ ! = ! ] && [ '(' = '(' ] && echo odd; [ ! ] && [ -f ] && [ '(' ] && echo single
[ a -a b ] && [ '' -o b ] && [ a = a -a b = b ] && [ '(' a = a ')' ] && [ ! a = b ] && [ ! '' -a a ] && echo logic; [ a = a -a a = b ] || echo false; [ '(' ! a = b ')' -o x = y ] && echo paren
>f; mkdir d; ln -s f l; ln -s none dl; echo x >g; [ -e f ] && [ -f f ] && [ ! -d f ] && [ -d d ] && [ ! -s f ] && [ -s g ] && [ -h l ] && [ -L l ] && [ -f l ] && [ ! -e dl ] && [ -h dl ] && [ -r f ] && [ -w f ] && [ ! -x f ] && [ -x d ] && echo files
chmod 000 d; chmod 755 d; chmod +x f; [ -x f ] && echo x; [ f -ef l ] && echo same; touch -d '2001-01-01 00:00' old; [ f -nt old ] && [ old -ot f ] && [ ! old -nt f ] && echo newer; [ -c /dev/null ] && [ ! -p f ] && [ ! -S f ] && [ ! -b f ] && echo dev; [ -t 0 ] || echo notty
test a '<' b && echo less; [ b '>' a ] && echo greater; [ abc = 'a*' ] || echo literal
while getopts ab:c o -a -b val -c rest; do echo "$o ${OPTARG-} $OPTIND"; done; echo $OPTIND
OPTIND=1; while getopts :ab: o -abval -x -b; do echo "$o ${OPTARG-}"; done; OPTIND=1; set -- -ac -- -b; while getopts abc o; do echo $o; done; shift $((OPTIND-1)); echo "$@"
OPTIND=1; getopts a: o -a 2>/dev/null; echo "$? $o ${OPTARG-}"; OPTIND=1; getopts a o -z 2>/dev/null; echo "$? $o ${OPTARG-}"; OPTIND=1; getopts a o; echo "$? $o"; g() { OPTIND=1; while getopts xy o; do printf '%s ' $o; done; echo; }; g -xy; g -y
W=$PWD; at() { echo "$PWD" | sed "s,^$W,W,"; }; mkdir -p d/e; cd d/e; at; cd ..; at; cd - >/dev/null; at; cd ../..; at; cd ./d//e/../e/.; at; cd "$OLDPWD"; at; (cd nodir) 2>/dev/null; echo $?; HOME=$PWD/d; cd; at; cd ..
ln -s d sl; cd sl; at; pwd -P | sed "s,^$W,W,"; pwd | sed "s,^$W,W,"; cd -P e; at; cd "$W"; cd sl/e; at; cd ..; at; cd -P ..; at; CDPATH=$W/d; cd e >/dev/null; at; cd "$W"; unset CDPATH; cd d/../d/./e/..//; at; cd "$W"
command echo x; command -v echo; command -v cd; command -v if; command -v nosuch; echo $?; fn() { :; }; command -v fn; alias al='echo x'; command -v al; type cd : if fn al 2>&1; command -p echo std; command command echo twice; command -- echo dd; x=1 command eval 'echo $x'
alias hi='echo hi'
hi there; alias hi; alias sp='echo ' w='word'
sp w; sp sp w; \hi 2>/dev/null; echo $?; 'hi' 2>/dev/null; echo $?; unalias hi; alias hi 2>/dev/null; echo $?
hi 2>/dev/null; echo $?; alias a1='a2 one' a2='echo two'
a1; alias ls='ls -d'; ls d; unalias -a; alias; echo $?; alias semi='echo a; echo b'
semi; alias nl='echo x
echo y'
nl; alias open='{ echo in' ; 
open; }; alias q="echo 'quoted  text'"
q; eval 'alias ev="echo evaluated"
ev'; if true; then alias z='echo z'; fi
z; x=al; alias al='echo expanded'
$x 2>/dev/null; echo $?
umask 077; umask; umask -S; umask u=rwx,g=rx,o=; umask; umask g+w,o+r; umask; umask a-x; umask -S; umask 22; umask; umask 999 2>/dev/null; echo $?
set -- a b c; echo $#; set -- ; echo $#; set x y; echo $2; set -- -a; echo $1; set -f; echo *; set +f; set -o noglob; echo *; set +o noglob; case $- in *f*) echo f;; *) echo nof;; esac; set -e; case $- in *e*) echo e;; esac; set +e; set - m n; echo $1 $2
set -u; set +u; set -a; EXP=1; set +a; env | grep ^EXP=; set -- 1 2 3 4 5; shift; echo $*; shift 2; echo $*; shift 0; echo $*; (shift 9) 2>/dev/null; echo $?
eval echo a '$x' "'q  q'"; eval; echo $?; eval 'x=5; (exit 3)'; echo $? $x; eval 'for i in 1 2
do echo $i
done'; eval "eval 'echo nested'"; eval eval echo '\$x'; a='echo ev'; eval "$a" arg; eval ''; echo $?
echo 'echo sourced $1 $x; y=set; return 4; echo no' >s; . ./s; echo $? $y; . ./s arg 2>/dev/null | head -1 | cut -c1-7; (. ./nofile; echo no) 2>/dev/null; [ $? -ne 0 ] && echo gone; PATH=$PWD:$PATH; . s; echo $?; echo 'f2() { echo defined; }' >s2; . ./s2; f2; >s3; . ./s3; echo $?
readonly R=1; (R=2; echo no) 2>/dev/null; echo $?; (unset R; echo no) 2>/dev/null; echo $?; export E=1; E=2; env | grep ^E=; unset E; env | grep ^E=; echo $?; export U; U=u; env | grep ^U=; export V=a\ b W="c d"; echo "$V|$W"; x='p q'; export Y=$x; echo "$Y"; export Z=~/z; echo "$Z" | sed "s,$HOME,H,"; export -p | grep '^export W'; readonly -p | grep 'R='
unset x y; echo "${x-unset}"; x=1; unset -v x; echo "${x-unset}"; fx() { echo; }; unset -f fx; fx 2>/dev/null; echo $?; unset nosuch; echo $?; true; false; echo $?; : a b; echo $?; wait; echo $?; hash -r; echo $?; times | wc -l | tr -d ' '
kill -l 15; kill -l 143; kill -0 $$; echo $?; kill -l | grep -c -e HUP -e TERM -e KILL
