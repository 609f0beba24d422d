# Here-documents: quoting of the delimiter, tabs, nesting, several at once.
x=val
cat <<A
x=$x ${x} $(echo cmd) `echo bq` $((1+1)) \$x \` \\ \a "q" 'q' \"
line\
joined
A
cat <<'A'
x=$x $(echo cmd) `bq` \$x \\ line\
not joined
A
cat <<\A
$x
A
cat <<"A B"
$x
A B
cat <<-A
	tab $x
		two
	 A
	A
cat <<-'A'
	$x
	A
cat <<A; cat <<B
first
A
second
B
cat <<A - <<B
lost
A
kept
B
cat <<A | tr a-z A-Z
piped $x
A
if true; then cat <<A
in if
A
fi
while read l; do echo "[$l]"; done <<A
1
2
A
f() { cat <<A
in function $1
A
}; f arg
f two
(cat <<A
subshell
A
)
cat <<A && echo and
body
A
cat <<A


empty lines above
A
cat <<''
up to the empty line

cat <<EOF
a "quoted $x" and ${u-"inner"} ${u-'single'} ${u:-a b}
EOF
cat <<EOF
$(cat <<IN
nested $x
IN
)
after
EOF
cat 3<<A <&3
on three
A
cat <<A
${x+set} ${x#v} ${#x} $1 $# ${u-}
A
set -- a 'b c'; cat <<A
$@ | $* | "$@"
A
cat <<A >out; cat out
to file
A
exec 4<<A
kept open
second line
A
read l <&4; echo "$l"; cat <&4; exec 4<&-
cat <<A
dollar $ end$
tick \`x\` back \\\\ slash
A
: <<A
unused text
A
echo done
big=$(i=0; while [ $i -lt 9000 ]; do echo "0123456789"; i=$((i+1)); done)
cat <<A | wc -c | tr -d ' '
$big
A
