# Command substitution: nesting, quoting, newlines, status.
show() { printf '<%s>' "$@"; echo; }
show "$(echo a)" $(echo b c) `echo d`
show "$(echo "$(echo "in  ner")")" `echo \`echo x\`` "`echo \`echo y\``"
show "$(printf 'a\nb\n\n\n')" "$(printf '\n\na')"
show $(echo $(echo $(echo deep)))
show "$(echo ')')" $(echo \)) "$(echo "\"")" "$(case a in a) echo one;; esac)"
show "$(case a in (a) echo two;; esac)" $(case x in a|x) echo three ;; *) echo no;; esac)
show "$(# a comment with ) in it
echo after)"
show "$(cat <<X
here ) doc
X
)"
show "$(cat <<'X'
$(not run) `nor this`
X
)"
x=$(exit 3); echo $?; x=$(exit 3)y; echo $?; x=a; echo $?; x=$(false) y=$(true); echo $?
echo "$(exit 4)" $?; $(exit 5); echo $?; $(true); echo $?; `exit 6`; echo $?
x=$(echo out; exit 2) || echo "$x failed $?"
y=before; z=$(y=inside; echo $y); echo $y $z
f() { echo "$1-$#"; return 3; }; v=$(f q r); echo $v $?
set -- p q; echo $(echo $1; shift; echo $1) $1
echo $(echo 'a  b') "$(echo 'a  b')"
$(echo echo) word; $(echo "echo a b") c
echo `echo '\\'` `echo \\\\a` "`echo \\\\a`" `echo '$HOME'` "`echo \$((1+1))`"
echo $( (echo sub; echo shell) | wc -l | tr -d ' ' ) $( { echo brace; } )
echo $(if true; then echo yes; else echo no; fi; for i in 1 2; do echo $i; done)
echo $(echo a &&
echo b) $(echo c
echo d
)
cd / && echo $(pwd) $(cd /tmp && pwd) $(pwd)
a=$(echo 'quo"te') b=`echo "it's"`; show "$a" "$b"
show "$(echo "a"; echo 'b')" "x$(echo 1)y$(echo 2)z"
n=$(printf '%s' "$(printf 'no newline')"); show "$n"
show "$(echo \$HOME \\ \')" `echo \$x`
big=$(i=0; while [ $i -lt 3000 ]; do echo "line $i of some longer text"; i=$((i+1)); done); echo ${#big}
echo "$(echo "$(echo "$(echo "$(echo 5 deep)")")")"
