# Parameter expansion in all its POSIX forms.
show() { printf '<%s>' "$@"; echo; }
unset u; e= s=set
show "${u-d}" "${u:-d}" "${e-d}" "${e:-d}" "${s-d}" "${s:-d}"
show "${u+a}" "${u:+a}" "${e+a}" "${e:+a}" "${s+a}" "${s:+a}"
show "${n1=v}" "$n1"; e2=; show "${e2=v}" "$e2" "${e2:=w}" "$e2"
show ${u-a b} "${u-a b}" ${u-"a b"} "${u-"a b"}" ${u-'a b'}
show ${u:-} "${u:-}" ${u:+x} "${u:+x}"
show ${u-$s} "${u-$s}" "${u-${u-${s}}}" ${u:-$(echo a b)} "${u:-`echo a b`}"
show "${u-'q'}" ${u-'q'} "${u-\}}" ${u-\}} "${u-"}"}"
show "${#s}" "${#e}" "${#u}" ${#} "${#}" ${##}
set -- a bb ccc
show $# ${#} ${#1} ${#3} "${#2}" $1 "${3}" ${10} "${1}0" $10
show ${1-x} ${4-x} ${4:-y} "${@:-z}"
p=/usr/local/lib/libx.so.1.2
show "${p#/}" "${p#*/}" "${p##*/}" "${p%/*}" "${p%%/*}" "${p%.*}" "${p%%.*}" "${p#nomatch}"
show "${p##*}" "${p%%*}" "${p#}" "${p%}" "${p#?}" "${p%?}" "${p#/usr}" "${p%.2}"
pat='*/'
show "${p#$pat}" "${p##$pat}" "${p#"$pat"}" "${p##"$pat"}" "${p#\*/}"
show "${p#'*/'}" ${p#'*/'} "${p%"${p#?}"}" "${p#"${p%?}"}"
v=aXbXc
show "${v#*X}" "${v##*X}" "${v%X*}" "${v%%X*}" "${v#[ab]}" "${v%[!a]}" "${v#[[:alpha:]]}"
b='a\b' q="it's"
show "${b#a}" "${b#a\\}" "${b%\\b}" "${q%\'s}" "${q#it}"
br='{x}'
show "${br#\{}" "${br%\}}" "${br#?}"
show "${s?no}" "${s:?no}" ${s?}
(: ${u?gone}) 2>&1
(: ${u:?}) 2>&1
(: ${e:?empty one}) 2>&1
(: ${u?}) 2>&1
echo status $?
(set -u; echo $u) 2>&1; echo $?
(set -u; echo "${u-ok}" "${u+no}" "$*" "$@" $#)
(set -u; set --; echo "[$*][$@]"; echo "$1") 2>&1
(set -u; echo ${#u}) 2>&1
IFS=:; set -- x y z
show "$*" "$@" $* "a$*b" "a$@b"
IFS=; show "$*" "$@" $*
unset IFS; show "$*" $*
set -- 'a b' '' c
show "$@" "$*" $@ $*
show "x$@y" x"$@"y "$@$@"
set --
show "$@"; show "$*"; show x"$@"; show "" "$@"; show $@ $*; show ''$@
set -- ''
show "$@"; show $@; show "${1-x}" "${1:-x}"
set -- a b; for i; do echo "[$i]"; done; for i in "$@"; do echo "($i)"; done
shift; show "$@" $#; shift; show "$@" $#
set -- 1 2 3 4 5 6 7 8 9 ten eleven
show $10 ${10} ${11} "${12-none}"; shift 9; show "$@"
show "${s:-$(exit 3)}" $?
x=${u=first}${u=second}; show "$x" "$u"
a=1 b=$a c=$b; show $a $b $c
x='  lead'; y='trail  '; show $x$y "$x$y" $x"$y"
show ${x+"$x"} ${x+$x} "${x+$x}"
show "${x:+"quoted $x"}" ${zz-~}x | sed "s,$HOME,HOME,"
