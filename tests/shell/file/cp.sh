# cp: files, directories, attributes, links, refusals.
exec 2>&1
echo one > a; cp a b; cat b; cp a b c; echo $?; mkdir d; cp a b d; ls d; cp a d/x; cat d/x
cp; echo $?; cp a; echo $?; cp nope x; echo $?; cp d e; echo $?; cp a a; echo $?; cp a nope/; echo $?; cp a nope/x; echo $?
cp -r d e; ls e; cp -r d e; ls e; cp -rT d e; ls e; cp -r d a; echo $?; mkdir -p t/a; cp a t; echo $?; cp -T a t; echo $?
mkdir sub; cp -r sub sub/in; echo $?; ls sub; cp -r . sub/all 2>/dev/null; ls -d sub/all/a
chmod 750 a; cp a perm; stat -c %a perm; chmod 600 b; cp -p b pb; stat -c %a pb; touch -d @1000 b; cp -p b pc; stat -c '%a %Y' pc
ln -s a l; cp l lc; test -h lc; echo $?; cp -P l lp; readlink lp; cp -d l ld; readlink ld; cp -r l lr; readlink lr; cp -rL l lL; test -h lL; echo $?
mkdir k; ln -s ../a k/l; ln -s nowhere k/dead; echo k > k/f; touch -d @2000 k/f k; cp -a k ka; readlink ka/l ka/dead; stat -c '%Y %n' ka ka/f; cp -r k kr; readlink kr/l
cp -n a b; cat b; echo two > two; cp -n two b; cat b; cp -v two b; cat b; cp -i a b < /dev/null; cat b; echo y | cp -i a b; echo; cat b
touch -d @1 old; touch -d @2 new; echo old > old; touch -d @1 old; cp -u old new; cat new; cp -u new old; cat old
cp -rv d dv; cp -s a sl; readlink sl; cp -l a hl; stat -c %h a; cp -t d two; cat d/two; cp --parents k/f d; cat d/k/f
echo ro > ro; chmod 400 ro; cp -f two ro; cat ro; cp --remove-destination two l; test -h l; echo $?; cat a
mkdir m1 m2; cp a two d m1; echo $?; ls m1; cp -r a d/ m2; ls m2; cp a two; cmp a two; cp -- a -z; cat ./-z; cp dead x; echo $?
cp -r k/. d; ls d; : > empty; cp empty e2; stat -c %s e2; ln -s gone g; cp a g; echo $?; echo data | cp /dev/stdin in; cat in
