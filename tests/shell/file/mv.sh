# mv: renames, into directories, refusals.
exec 2>&1
echo 1 > a; mv a b; cat b; ls a; mkdir d; mv b d; cat d/b; mv d/b .; echo 2 > c; mv c b; cat b
mv; echo $?; mv b; echo $?; mv nope x; echo $?; mv b b; echo $?; mkdir -p d/b; mv b d; echo $?; mv d b; echo $?; mv d d/s; echo $?
mkdir e; mv d e; ls e; mv e/d f; ls -d f; mv b nope/; echo $?; mv b nope/x; echo $?; mv b f nope; echo $?
echo 3 > g; mv -v g h; mv -n h b; cat b; ls h; mv -i h b < /dev/null; cat b; echo y | mv -i h b; echo; cat b; ls h
mkdir -p u/x w/u/y; mv u w; echo $?; mkdir q; mv q w/u; ls w/u; ln -s b l; mv l l2; readlink l2; mv -T w/u ww; ls ww
mkdir t1 t2; mv -T t1 t2; ls -d t1 t2; touch t2/x; mkdir t3; mv -T t3 t2; echo $?; mv -t t3 b ww; ls t3; touch 1 2 3; mv 1 2 3 t3/; ls t3
touch -d @1 old; touch -d @2 new; mv -u old new; ls old; stat -c %Y new; echo k > k; ln k k2; mv k k2; ls k; cat k2; mv -- k2 -k; ls -- -k
mv t3/ t4/; ls -d t4; mv t4/1 t4/2 .; ls 1 2
