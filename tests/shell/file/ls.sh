# ls: which names, in which order, in which form.
exec 2>&1
mkdir d d/e; echo 12345 > b; echo 1 > a.txt; echo 123 > C; : > .h; touch d/e/f d/g; ln -s b l; ln -s gone z; touch -d @100 b; touch -d @200 a.txt; touch -d @300 C; chmod 755 C
touch -d @400 d; touch -hd @50 l z
ls; ls -1; ls -a; ls -A; ls d; ls -d d; ls -R; ls d C b; ls -F; ls -p; ls --file-type; ls -r; ls -S b a.txt C; ls -Sr b a.txt C; ls -t; ls -tr; ls -X
ls -m; ls -C; ls -x; ls -w 20 -C; ls -Q; touch 'x y' 'q"r'; ls -Q; ls -b
ls nope; echo $?; ls nope b; echo $?; ls -z; echo $?; ls --zap; echo $?; ls -l nope; echo $?
chmod 640 b; ls -l b | cut -c1-10; ls -l --time-style=long-iso b C | sed 's/ 1 [a-z]* *[a-z]* */ 1 U G /'; ls -l --time-style=+%s b | sed 's/.* 6 //'; ls -l b | sed 's/.* 6 //'
ls -lF l C | sed 's/.*[0-9] //'; ls -ld l | sed 's/.* l/l/'; ls -l --time-style=full-iso b | sed 's/.* 6 //'; set -- $(ls -lh b); echo $5; set -- $(ls -ln b); echo $#
set -- $(ls -lg b); echo $#; set -- $(ls -lo b); echo $#; ls l; ls -L l; ls d/; ls ./d; ls -l l | sed 's/.* l/l/'; mkdir p; ln -s ../d p/k; ls p/k; ls -R p; ls -RL p
ls -U d | sort; ls *.txt; ls -I '*.txt'; ls -v; touch f1 f10 f2; ls -v f*; ls --group-directories-first; ls -- -x; echo $?; ls -1 --color=auto d; ls -C d; ls d d; ls -l d/e | head -n 1
