# rm: files, trees, links, refusals.
exec 2>&1
echo 1 > a; rm a; echo $?; rm a; echo $?; rm -f a; echo $?; rm; echo $?; rm -f; echo $?
mkdir -p d/e/f d/g; echo x > d/e/f/1; echo y > d/.h; rm d; echo $?; rm -d d; echo $?; rm -rv d | sort; ls -d d; echo $?
mkdir e; rm -d e; echo $?; mkdir e; rm -dv e; echo x > x; rm x/y; echo $?; rm -f x/y; echo $?
mkdir real; echo keep > real/keep; ln -s real link; rm -r link; echo $?; cat real/keep
mkdir t; ln -s ../real t/l; ln -s nowhere t/dead; ln -s / t/root; rm -r t; echo $?; cat real/keep
rm -r .; echo $?; rm -rf real/..; echo $?; rm -r ./; echo $?; cat real/keep
rm -z; echo $?; rm --zap; echo $?; touch -- -f; rm -f; rm -- -f; echo $?; touch -- -q; rm ./-q; echo $?
echo n > n; echo n | rm -i n; echo; ls n; echo y | rm -i n; echo; ls n; echo $?
mkdir -p i/j; touch i/j/k; yes | rm -ri i; echo; ls -d i; echo $?
touch a b c; rm a nope b; echo $?; ls; touch 'a b' "c'd" '*'; rm -v 'a b' "c'd" '*'
ln -s nowhere dead; rm dead; echo $?; rm --recursive --force real x; ls -A; rm nope/x nope/; echo $?
unlink nope; echo $?; touch u; unlink u; ls u
