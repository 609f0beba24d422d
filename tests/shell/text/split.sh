seq 1 25 > n
split -l 10 n; for f in x*; do echo "$f" $(wc -l < $f); done; rm x*
split -b 20 n p-; for f in p-*; do echo "$f" $(wc -c < $f); done; rm p-*
split -d -l 10 n; ls x*; rm x*
split -a 3 -l 20 n; ls x*; rm x*
split -n 3 n; wc -c x*; rm x*
split -n l/3 n; wc -c x*; rm x*
split -l 10 --additional-suffix=.txt n y; ls y*; rm y*
seq 1 700 | split -l 1; ls x* | tail -n 3; ls x* | wc -l; rm x*
split -C 11 n; for f in x*; do echo $f $(cat $f); done; rm x*
split --numeric-suffixes=5 -l 9 n; ls x*; rm x*
split nofile 2>&1; echo $?
: | split; ls
cat n | split -20 - z; wc -l z*
