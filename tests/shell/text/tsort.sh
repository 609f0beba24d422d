printf 'a b\nb c\nd c\n' | tsort
printf 'a a\n' | tsort
printf 'c b a\n' | tsort 2>&1; echo $?
printf 'x y y z z w x w' | tsort
printf 'a b\nb a\nc a\n' | tsort 2>/dev/null; echo $?
