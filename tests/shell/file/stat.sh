# stat, truncate.
exec 2>&1
echo hello > f; touch -d '2024-02-29 01:02:03.5' f; ln -s f l; ln f h; mkdir d; : > e; chmod 640 f
stat -c '%n %s %F %a %A %h' f l d/ e | sed 's/4096/N/'; stat -c '%N' f l "e"; stat --format=%s f; stat -Lc %F l; stat --printf '%n\t%s\n' f e; stat --printf '%n' f; echo; stat -c '%Y %X' f; stat -c %y f; stat -c '%f' f d l; stat -c '%%|%5s|%-5s|%05s|' f; stat -c '[%8a]' f; stat -c '%F' /dev/null; stat -c %b f; stat -c %B%o f
stat f | sed -n 1,2p; stat f | sed -n '4s/Uid.*//p;6p'; stat l | sed -n 1p; stat nope; echo $?; stat; echo $?; stat f nope > /dev/null; echo $?; stat -c '%q%' f; stat -t nope; echo $?; stat -c %n -- f
truncate -s 10 t; stat -c %s t; truncate -s +5 t; stat -c %s t; truncate -s -3 t; stat -c %s t; truncate -s 1K t; stat -c %s t; truncate -s '<100' t; stat -c %s t; truncate -s '>200' t; stat -c %s t; truncate -s %64 t; stat -c %s t; truncate -s /100 t; stat -c %s t; truncate -r f t; stat -c %s t; truncate -c -s 5 nope; ls nope; truncate -s 1KB t; stat -c %s t; truncate -s -9999 t; stat -c %s t
truncate; echo $?; truncate t; echo $?; truncate -s x t; echo $?; truncate -s 5 nope/x; echo $?; truncate -s 5; echo $?; truncate -s 3 f; cat f; echo; truncate --size=0 f; wc -c < f; truncate -s /0 t; echo $?
