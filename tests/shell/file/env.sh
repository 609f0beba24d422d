# env and printenv.
exec 2>&1
env -i A=1 B=2; env -i A=1 A=2; A=1 env -u A sh -c 'echo "[$A]"'; env A=x sh -c 'echo $A'; env -i sh -c 'echo "[$HOME]"'; env - X=1; env -i -0 A=1 | od -c
env nope-nope > /dev/null 2>&1; echo $?; env -Z; echo $?; env --foo=1; echo $?; env false; echo $?; env sh -c 'exit 7'; echo $?; mkdir d; env ./d > /dev/null 2>&1; echo $?; env -i; echo $?
env -i A=1 env; env -i A=1 B=2 printenv B A; env -i A=1 printenv C; echo $?; env -i A=1 printenv; env -i A= printenv A; env -C d pwd | sed 's,.*/,,'; env -C nope pwd; echo $?; env -C d; echo $?
env -S 'echo a  b'; env -S 'echo "a  b" c' d; env -i -S 'A=1 B="x y" printenv A B'; env -- echo dash; env -u A -u B echo ok; env --unset=A --ignore-environment X=y; env echo -n x; echo; env A=1 -u B > /dev/null 2>&1; echo $?
X=5 printenv X; export Y=6; printenv Y; env | grep '^Y='; unset Y; printenv Y; echo $?; env 'a b=c' sh -c env | grep 'a b'; env PATH="$PATH" true; echo $?; HOME=/h printenv -0 HOME | od -c | head -n 1
