# find: tests, operators, actions. Sorted, since GNU's order is the directory's.
exec 2>&1
mkdir -p a/b/c a/d e; echo 1 > a/f.txt; echo 22 > a/b/g.TXT; : > a/b/empty; ln -s ../f.txt a/b/l; ln -s gone a/dead; ln -s ../a e/loop; echo s > .hid; chmod 700 a/f.txt; chmod 644 a/b/g.TXT
touch -d '2020-01-01' a/f.txt; touch -d '2021-01-01' a/b/g.TXT
s() { "$@" | LC_ALL=C sort; }
s find; s find .; s find a; s find a -name '*.txt'; s find a -iname '*.txt'; s find a -type d; s find a -type f; s find a -type l; s find a -type f,l
s find . -path './a/b*'; s find . -wholename '*/c'; s find a -maxdepth 1; s find a -mindepth 2; s find a -mindepth 1 -maxdepth 1 -type d; s find a -maxdepth 0
s find a -empty; s find a -size 0; s find a -size -2c; s find a -type f -size +1c; s find a -type f -size 1; s find a -size 3c; s find a -type f -size 1k
s find a -newer a/f.txt -type f; s find a -type f ! -newer a/b/g.TXT; s find a -newermt 2020-06-01 -type f; s find a -type f -mtime +30; s find a -type f -mtime -1; s find a -mmin -60 -type f
s find a -perm 700; s find a -type f -perm -u+x; s find a -type f -perm /111; s find a -type f -perm -644; s find a -type f -perm u=rw,go=r
s find a ! -type d; s find a -not -name '*.txt' -type f; s find a -name f.txt -o -name empty; s find a \( -name f.txt -o -name empty \) -print; s find a -type f -a -name 'g*'; s find a -name f.txt -print -o -name empty -print
s find . -name b -prune -o -print; s find . -path ./a -prune -o -type f -print; s find a -name c -prune; find a -print0 | tr '\0' '\n' | LC_ALL=C sort; find a/f.txt e/loop -print; s find -L e -maxdepth 2; s find -H e/loop -maxdepth 1; s find a -lname '*.txt'
s find a -type f -exec echo x {} y \;; s find a -type f -exec echo {}{} \;; find a -name 'g*' -exec cat {} +; s find a -type f -exec test -s {} \; -print; s find a -name f.txt -exec false {} \; -print; find a -name f.txt -execdir echo {} \;; find a/f.txt -exec sh -c 'echo "$0" "$1"' {} q \;
find a -type f -exec echo {} + | tr ' ' '\n' | LC_ALL=C sort; find a -name f.txt -exec nope-nope {} \; -print 2> /dev/null; echo $?; find a -name f.txt -exec false {} +; echo $?; find a -name f.txt -exec false {} \;; echo $?
find a -depth -name c -o -depth -name b; find a -name f.txt -printf '%p|%f|%h|%s|%d|%m|%y|%P|%H|%l|%M|%TY-%Tm-%Td|%%\t%5s|%-5s|\n'; find a/b/l -printf '%l %y %Y\n'; find a/dead -printf '%Y\n'; s find a -regex '.*/[fg]\..*'; s find . -iregex '.*txt'; find a -name f.txt -quit; find a/f.txt -links 1
s find a -executable -type f; s find a -samefile a/f.txt; s find a -false; s find a -true -name c; s find a -name 'x*' , -name c; find a/b/ -maxdepth 1 -name b; find a/ -name a; s find a -name .; s find . -maxdepth 1 -name '.*'; s find . -maxdepth 1 -name '*'
find nope; echo $?; find nope a -maxdepth 0; echo $?; find a -foo; echo $?; find a -name; echo $?; find a -type q; echo $?; find a -size x; echo $?; find a -exec ls; echo $?; find a \( -name x; echo $?; find a -o -name x; echo $?; find a -name x -o; echo $?; find a !; echo $?; find a -maxdepth x; echo $?; find a -newer nope; echo $?; find a -perm zz; echo $?; find a -mtime x; echo $?
find a -name '*.TXT' -delete; s find a -type f; find a/b -delete; s find a; find e -type l -delete; ls a/f.txt; mkdir full; touch full/x; find . -name full -delete; ls full; find a -exec echo \;; echo $?
