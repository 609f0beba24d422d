# mktemp: names are random, so their shape is what counts.
exec 2>&1
sh_() { sed 's/[A-Za-z0-9]\{10\}$/R10/;s/\.[A-Za-z0-9]\{6\}\(\.txt\)\{0,1\}$/.R6\1/'; }
f=$(mktemp); test -f "$f"; echo $?; echo "$f" | sh_; stat -c '%a %s' "$f"; rm "$f"; d=$(mktemp -d); test -d "$d"; echo $?; stat -c %a "$d"; rmdir "$d"; mktemp x.XXXXXX | sh_; ls | sh_; rm x.*; mktemp -d dir.XXXXXX | sh_; rm -r dir.*; mktemp -u u.XXXXXX | sh_; ls; mktemp --suffix=.txt s.XXXXXX | sh_; rm s.*; mktemp y.XXXXXX.txt | sh_; rm y.*; mkdir p; mktemp -p p | sh_; mktemp -p p z.XXXXXX | sh_; TMPDIR=p mktemp -t t.XXXXXX | sh_; TMPDIR=p mktemp | sh_; mktemp --tmpdir=p w.XXXXXX | sh_
mktemp x; echo $?; mktemp a.XX; echo $?; mktemp nope/aXXX; echo $?; mktemp a b; echo $?; mktemp -q nope/aXXX; echo $?; mktemp -z; echo $?; mktemp --suffix=.x aXXX.y; echo $?; a=$(mktemp aXXXXXX); b=$(mktemp aXXXXXX); test "$a" != "$b"; echo $?
