# mkdir and rmdir: parents, modes, messages, statuses.
exec 2>&1
mkdir a; echo $?; mkdir a; echo $?; mkdir -p a; echo $?; mkdir x/y; echo $?
mkdir -p p/q/r p/s//t/; echo $?; ls -R p
mkdir -m 700 m; mkdir -m u=rwx,go= n; mkdir --mode=1777 o; mkdir -m a-w w; stat -c '%a %n' m n o w
mkdir -pv v/w v; mkdir -v v2; echo f > f; mkdir -p f/g; echo $?; mkdir f; echo $?; mkdir -p f; echo $?
mkdir -m zz bad; echo $?; mkdir; echo $?; mkdir -- -d; ls -d -- -d; rmdir -- -d
mkdir d1 f d2; echo $?; ls -d d1 d2
rmdir p; echo $?; rmdir nope; echo $?; rmdir f; echo $?; rmdir p/q/r; echo $?
rmdir -p p/s/t; echo $?; rmdir --ignore-fail-on-non-empty v; echo $?; rmdir -v v/w v; echo $?
mkdir -p z/y/x; rmdir -pv z/y/x; echo $?; rmdir; echo $?; mkdir a/; echo $?; mkdir t/; rmdir t/; echo $?
umask 077; mkdir um um/p; touch um/t; echo x > um/r; cp um/r um/c; truncate -s 1 um/z; dd if=um/r of=um/d status=none; mkdir -p um/q/r; mkdir -m 755 um/m; stat -c '%a %n' um um/*; umask 022; umask 027; cp -r um un; stat -c '%a %n' un un/c un/m; chmod +w un/c; chmod =rwx un/z; stat -c %a un/c un/z
