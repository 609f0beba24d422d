# What public suites and users found: each line as dash has it.
n() { echo "$#"; }
n "${foo-$@}"
n "${foo:-"$@"}"
n ${foo-$@}
n "$@"
set -- a 'b c'
n "${foo-$@}"
n "${foo+$@}" "${1+$@}"
n ${1+"$@"}
set -- ''
n "${foo-$@}"
FOO=bar exec sh -c 'echo "${FOO-unset}"' &
wait
(FOO=baz exec env | grep '^FOO=')
FOO=kept exec
echo "$FOO"
sh -c 'echo "${FOO-not exported}"'
(echo $((1 ? 20 : x = 2))) 2>/dev/null || echo "refused: $?"
echo $((1 ? 20 : (x = 2))) $((0 ? 1 : 0 ? 2 : 3))
type nosuch cd 2>/dev/null || echo "status $?"
command -V nosuch 2>/dev/null || echo "status $?"
printf 'a%qb\n' x 2>/dev/null || echo "status $?"
printf '%s\n' a b a a c a >lines
grep -n -C0 a lines
grep -A0 a lines
grep -B 0 b lines
grep -0 c lines
grep -c -C0 a lines
touch -d 2001-01-01 old
touch -d 2037-01-01 new
find . -newer old -type f | sort
find -newer new
find . -newer .
printf '%s\n' a x y z a >far
grep -A1 a far
