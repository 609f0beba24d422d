printf '%s\n' a b d > x; printf '%s\n' b c d e > y
comm x y
comm -12 x y
comm -23 x y
comm -13 x y
comm -3 x y
comm --total x y
comm --output-delimiter=, x y
printf 'b\na\n' > u
comm u x 2>&1; echo $?
comm --nocheck-order u x
comm --check-order u x 2>&1; echo $?
comm - y < x
comm x nofile 2>&1; echo $?
comm x 2>&1; echo $?
