# basename and dirname: slashes, suffixes, several names.
basename /usr/lib; basename /usr/lib/; basename /; basename //; basename a; basename ''
basename a.c .c; basename .c .c; basename a/b.txt .txt; basename a/b.txt b.txt; basename a.c/ .c
basename -a x/y z/w; basename -s .h a/b.h c.h; basename -z q | od -c | head -n 1
basename --suffix=.x k.x; basename --multiple a/b c/d; basename -- -x
basename; echo $?; basename a b c; echo $?
for p in /usr/lib /usr/ usr / // . .. a/b/c a//b// /a ''; do dirname "$p"; done
dirname a/b c/d; dirname -z x/y | od -c | head -n 1; dirname 2>&1; echo $?
dirname --bad 2>&1; echo $?; dirname -q 2>&1; echo $?
