# Redirections: files, descriptors, order, errors, and what stays.
echo a >f; cat f; echo b >>f; cat f; cat <f; echo c >|f; cat f; >f; cat f; : >f
echo out; echo err >&2 2>/dev/null; { echo o; echo e >&2; } 2>&1 | sort
{ echo o; echo e >&2; } 2>f >/dev/null; cat f; { echo o; echo e >&2; } >f 2>&1; cat f
{ echo o; echo e >&2; } 2>&1 >/dev/null | cat
exec 3>f; echo three >&3; echo more >&3; exec 3>&-; cat f
exec 4<f; read a <&4; read b <&4; echo $a $b; exec 4<&-; (echo x >&4) 2>/dev/null; echo $?
exec 5<>f; read a <&5; echo $a; echo mid >&5; exec 5>&-; cat f
exec 9>nine; echo n >&9; exec 9>&-; cat nine; exec 8>eight; echo t >&8; exec 8>&-; cat eight
exec 6>&1; exec >f; echo hidden; exec >&6 6>&-; cat f
echo a 1>f 2>&1; cat f; echo 2>f; cat f; echo 2 >f; cat f; echo x2>f; cat f; echo 1 2>f
cat <nofile 2>/dev/null; echo $?; (echo x >/nodir/f) 2>/dev/null; echo $?; { echo x; } </nofile 2>/dev/null; echo $?
if true; then echo c; fi >f; cat f; ( echo s; echo t ) >f; cat f; for i in 1 2; do echo $i; done >>f; cat f
echo "to $(echo f2)" >$(echo f2); cat f2; n=f3; echo v >$n; cat "$n"; echo q >"a b"; cat 'a b'; echo w >'x y'; cat x\ y
>f4 echo before; cat f4; echo mid >f4 args; cat f4; <f4 cat; <f4 >f5 cat; cat f5
cat <f <f4; echo multi >f >f5; cat f; echo -; cat f5
set -C; (echo no >f5) 2>/dev/null; echo $?; echo forced >|f5; cat f5; echo app >>f5; cat f5; echo dev >/dev/null; set +C
x=1 >f6; echo $x; ls f6; >f7; ls f7; > f8 2>&1; y=$(echo sub >&2) 2>f9; cat f9
read l <f5; echo $l; while read l; do echo "[$l]"; done <f5; cat <<A >f10
doc
A
cat f10; cat <f10 - </dev/null; echo piped | cat - f10; cat f10 | cat <f5
exec 7<&0; exec 0<f5; read l; echo $l; exec 0<&7 7<&-
f() { echo fn; echo fe >&2; }; f >f 2>&1; cat f; f 2>/dev/null | cat; f >/dev/null 2>f; cat f
echo a >&1; (exec 3>&1; echo via3 >&3); { echo lost; } >/dev/null; echo $?
: 2>&1 >f; ls -d f; echo close >&-  2>/dev/null; echo $?; (cat <&-) 2>/dev/null; [ $? -ne 0 ] && echo failed
command : </nofile 2>/dev/null; echo $?; (: </nofile; echo not here) 2>/dev/null; echo $?
(exec </nofile; echo not here) 2>/dev/null; echo $?; (exec 3</nofile || echo not here) 2>/dev/null; echo $?
echo one >t1; echo two >t2; cat t1 t2 >t3; cat t3; cat <t1 t2 -; sort -r <t3 >t4; cat t4
{ read a; read b; } <t3; echo $a $b; { echo l1; echo l2; } | { read a; read b; echo $b $a; }
(echo sub; echo sube >&2) 2>&1 | sort; { { echo deep >&3; } 3>&1 >/dev/null; } | cat
{ echo x >&3; } 3>&1; echo $?; { echo y; } 3>f >&3; cat f; exec 8>f; { echo z; } >&8; exec 8>&-; cat f
i=0; echo n >f$((i+=1)); ls f1; echo $i; a="f*"; echo s >$a; cat 'f*'; rm 'f*'
umask 027; echo u >um; ls -l um | cut -c1-10; umask 022; echo u >um2; ls -l um2 | cut -c1-10; umask
