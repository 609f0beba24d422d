# touch: creating, times in all spellings, references.
exec 2>&1
t() { stat -c '%y %n' "$@"; }
touch a; ls -l a | cut -c1-10; touch -c nope; echo $?; ls nope; touch x/y; echo $?; touch; echo $?
touch -d '2024-02-29 12:34:56' a; t a; touch -d 2001-09-09T01:46:40Z a; t a; touch -d @86400.5 a; t a
touch -t 202401020304 a; t a; touch -t 202401020304.05 a; t a; touch -t 9912312359 a; t a; touch -t 6801010000 a; t a
touch -r a b; t b; touch -d '1 Jan 2020' -m b; stat -c '%X %Y' b; touch -a -d '2 Jan 2020' b; stat -c '%X %Y' b
touch --date='2020-01-01 10:00 +0100' a; t a; touch --time=atime -d @5 a; stat -c '%X %Y' a
touch -t 99 a; echo $?; touch -d zzz a; echo $?; touch -t 202413010000 a; echo $?; touch -d 2023-02-29 a; echo $?
touch -r nope a; echo $?; mkdir d; touch -d @1 d; stat -c %Y d; ln -s a l; touch -h -d @7 l; stat -c %Y l a
ln -s new dead; touch dead; ls new; touch -- -x; ls -- -x; touch m n o; ls; touch --no-create q; ls q
