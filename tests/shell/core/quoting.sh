# Quoting: single, double, backslash, and how they join.
show() { printf '<%s>' "$@"; echo; }
x='a  b' e=
show 'a  b' "a  b" a\ \ b
show '$x' "$x" \$x "\$x" '\$x'
show $x
show "$x"'$x'$x
show a'b'"c"d
show '' "" ''"" $e "$e" $e"" ''$e
show "a\
b" a\
b
show 'a\
b'
show "\a\b\\\`\"\'\z"
show '"' "'" \' \" '\' "\\" \\
show "`echo "a  b"`" `echo "a  b"`
show "$(echo "a  b")" $(echo "a  b")
show "$(echo "$(echo "x  y")")"
show "`echo \"a  b\"`" "`echo 'q"q'`"
show a#b #comment
show \#a '#' "#"
show "a	b" 'c
d'
show $ "$" a$ "a$" '$' "$ x" $: "$:"
show \
  joined
ec\
ho ok
show "${x}" '${x}' "a${x}b" "a${e}b" a${e}b
show ! a! "!"
show {a,b} a{b}c }
show ~ | sed "s,$HOME,HOME,"
show "~" '~' \~ a~
show \~/x "~"/x
show *nothing* "*" '*' \* [ ] [a
show "a'b" 'a"b' "a\"b" a\'b
show -n -- --
show "$(printf 'a\n\n')" "$(printf 'a\n\nb\n')"
show "$(printf 'x\n'; printf '')" "$(:)" $(:)
