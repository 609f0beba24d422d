# du and df (whose numbers the lane does not know).
exec 2>&1
mkdir -p a/b/c; head -c 5000 /dev/zero > a/f; head -c 100 /dev/zero > a/b/g; : > a/b/c/e; ln a/f a/hard; ln -s f a/l
du a; du -s a; du -a a | sort -k2; du -sh a; du -sk a a/b; du -c a/b a/f; du -d1 a; du -d 0 a; du --max-depth=1 a; du -S a; du -h a/f; du a/f; du -bs a/f; du --apparent-size -sk a/f; du -ab a/b | sort -k2; du -sm a; du -s --exclude=b a; du -sB1 a; du -0s a/b | od -c | head -n 1; (cd a && du && du -s . b)
du nope; echo $?; du -s nope a/b; echo $?; du -d x a; echo $?; du -z; echo $?; df . > /dev/null; echo $?; df nope; echo $?; df | head -n 1 | grep -c Mounted
