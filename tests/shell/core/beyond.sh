# What POSIX asks or other shells do, where dash differs: checked against bash --posix.
echo $((x=7,x+1)) $((x<<=2)) $((x>>=1)) $((x&=12)) $((x|=3)) $((x^=1)) $x
echo $((echo not arithmetic; echo here) | tr '\n' ' ')
echo $( ( echo spaced ) ) $( (( 1 )) 2>/dev/null; echo x)
x=5; echo $((x++)) $x $((++x)) $x $((x--)) $((--x)) $x $((x - -1)) $((1 - - 1))
echo $(((1 + 2) * 3)) $( (echo a) ) "$((echo b); echo c)"
set -- a b c; echo ${#@} ${#*}
exec 12>twelve; echo t >&12; exec 12>&-; cat twelve; { echo far >&456; } 456>f; cat f
echo 'read x; echo got $x
data' | sh; printf 'cat\nrest\nof\n' | sh; sh nofile 2>/dev/null; echo $?
echo "[$(())]" "[$((  ))]"; unset u; HOME=/h; x=${u-a:~}; echo $x
getopts ab o -a; echo "$o ${OPTARG-none}"; command -v echo if
set -o pipefail; true | false | true; echo $?; false | true || echo piped; set +o pipefail; (exit 3) | true; echo $?
case a in a) echo fall;& b) echo through;; c) echo no;; esac
sh -c 'trap "echo got" USR1; (sleep 0.1; kill -USR1 $$) & wait; echo $?; wait; echo $?'
read <<A; echo "$REPLY"
  whole line
A
cat <<EO\
F
joined delimiter
EOF
echo $(( (-9223372036854775807-1) / -1 )) $(( (-9223372036854775807-1) % -1 ))
kill -l TERM; kill -l 143
