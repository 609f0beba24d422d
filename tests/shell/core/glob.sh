# Pathname expansion and pattern matching.
mkdir d d/e .h; >a; >b; >ab; >.hid; >d/x; >d/y; >d/e/z; >'a b'; >'[x]'; >'q*'; >A1; >-dash
echo *; echo a*; echo ?; echo ??; echo [ab]; echo [!ab]; echo [a-b]*; echo .*hid; echo .h*; echo d/*; echo */; echo */*; echo d/*/*; echo */*/z; echo ./a; echo ./[ab]
echo nomatch*; echo 'a*' "a*" a\*; echo "a"*; echo a'*'; echo *'b'; echo "[x]"; echo \[x\]; echo [x]; echo [[]x]; echo q\*; echo q'*'; echo *\**; echo [[:upper:]]*; echo *[[:digit:]]; echo [![:lower:]]*
x='a*'; echo $x; echo "$x"; echo ${x}b; for f in *b; do echo "<$f>"; done; set -- d/*; echo $#; y="*"; echo d/$y; echo d/"$y"; echo $(echo 'a*'); echo "$(echo 'a*')"; echo ${u-a*} "${u-a*}"; z=*; echo $z | head -c 3; echo
set -f; echo a*; set +f; echo d/[xy]; echo d/[!x]; echo [a-c]; echo [c-a]; echo []a]; echo [a; echo a]; echo [!]; echo *.nothing; echo /de[v]; echo //dev/nul[l]; cd d; echo *; echo ../a*; echo ./*; cd ..; echo d/../a?; echo nodir/*; echo a/*; echo d/x/*; echo d*/x; case .hid in *) echo dot ok;; esac; case a/b in *) echo slash ok;; esac; case a/b in ?/?) echo one;; esac
m() { case $1 in $2) echo y;; *) echo n;; esac; }; m abc 'a*c'; m abc 'a?c'; m abc '*'; m '' '*'; m '' '?'; m abc '[a][b][c]'; m abc 'ab'; m abc '*b*'; m aXbXc '*X*X*'; m aab '*ab'; m ']' '[]]'; m '-' '[a-]'; m '-' '[-a]'; m b '[a-c]'; m a '[!a]'; m '\' '\\'; m '*' '\*'; m ab '\a\b'; m 'a b' 'a b'; m a. 'a.'; m '[' '['; m '[a' '[a'; m ab '[[:alpha:]][[:alpha:]]'; m 5 '[[:alpha:][:digit:]]'; m _ '[[:alnum:]_]'; m '!' '[a!]'; m e '[a-ce-g]'; m x '[!a-c]'; m 'a
b' 'a?b'; m aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab '*a*a*a*a*a*a*a*a*a*a*c'
ln -s nowhere broken; echo b*; rm a b; echo [ab]*; echo *; >'with
newline'; for f in with*; do echo "$f"; done
