# if, while, until, for, case, break, continue, and their statuses.
if true; then echo a; fi; if false; then echo b; fi; echo $?
if false; then echo a; else echo b; fi; if false; then :; elif true; then echo c; else echo d; fi
if false; then :; elif false; then :; fi; echo $?
if true; then false; fi; echo $?; if (exit 3); then :; else echo $?; fi
if echo cond; false; true; then echo ok; fi
if ! false; then echo negated; fi; ! true; echo $?; ! (exit 5); echo $?
i=0; while [ $i -lt 3 ]; do echo $i; i=$((i+1)); done; echo $?
i=0; until [ $i -ge 3 ]; do echo $i; i=$((i+1)); done
while false; do :; done; echo $?; until true; do :; done; echo $?
i=0; while [ $i -lt 2 ]; do i=$((i+1)); (exit 7); done; echo $?
for i in a b c; do echo $i; done; for i in; do echo never; done; echo $?
for i do echo never; done; for i in "a b" c; do echo "[$i]"; done
for i in a
do echo $i
done
for i in 1 2; do for j in a b; do echo $i$j; done; done
for i in 1 2 3; do [ $i = 2 ] && continue; echo $i; done
for i in 1 2 3; do [ $i = 2 ] && break; echo $i; done; echo $i
for i in 1 2; do for j in a b c; do [ $j = b ] && continue 2; echo $i$j; done; done
for i in 1 2; do for j in a b c; do [ $j = b ] && break 2; echo $i$j; done; done
while :; do while :; do break 9; done; echo no; done; echo out
i=0; while [ $i -lt 5 ]; do i=$((i+1)); case $i in 2) continue;; 4) break;; esac; echo $i; done
while break; do :; done; echo $?
for i in 1 2; do if [ $i = 1 ]; then continue; fi; echo last $i; done
case a in a) echo 1;; a) echo 2;; esac
case abc in a) echo no;; a*) echo star;; esac; case abc in [xa]?c) echo br;; esac
case x in a|b|x) echo alt;; esac; case x in (x) echo paren;; esac; case x in a) :;; esac; echo $?
case "a b" in "a b") echo q;; esac; case 'a*' in 'a*') echo lit;; esac; case ab in 'a*') echo no;; *) echo def;; esac
case $(echo v) in v) (exit 4);; esac; echo $?; case a in a) ;; esac; echo $?; case a in a) esac
p='a*'; case abc in $p) echo pat;; esac; case abc in "$p") echo no;; *) echo quoted;; esac
case '' in '') echo empty;; esac; case "" in *) echo any;; esac; e=; case $e in ?) echo no;; '') echo e;; esac
case a in
  b) echo no ;;

  a) # comment
    echo multi
    echo line
    ;;
esac
case '[' in '[') echo bracket;; esac; case a-b in a[-]b) echo dash;; esac; case ] in []]) echo close;; esac
case a in [!b]) echo neg;; esac; case '\' in '\') echo bs;; esac; case '*' in \*) echo esc;; esac
case é in ??|?) echo utf;; esac; case 5 in [[:digit:]]) echo digit;; esac; case A in [[:lower:]]) echo low;; [[:upper:]]) echo up;; esac
case if in if) echo kw;; esac; case esac in (esac) echo kw2;; esac
{ echo group; echo two; }; { echo x; } ; { :; }; (echo sub; echo shell); (:)
x=1; (x=2; echo $x); echo $x; { x=3; }; echo $x; { (exit 6); }; echo $?; (exit 8); echo $?
true && echo and; false && echo no; false || echo or; true || echo no; false && echo no || echo yes
true && false || echo mid && echo last; false; echo $?; true && false; echo $?
true &&

echo newline after and
false ||
# comment
echo newline after or
! false && echo a; ! true || echo b;
echo a; echo b & wait; echo c
: ; : && : || :; echo done
for x in 1; do :; done & wait $!; echo $?
while read a; do echo "$a"; done <<X
in
X
if true; then echo a; fi >f; cat f; for i in 1 2; do echo $i; done >f; cat f; { cat; } <f; (cat) <f
case x in x) echo to file;; esac >f; cat f; while read l; do echo "<$l>"; done <f
then=x; for do in a; do echo $do; done; echo if then else fi done
