e() { expr "$@" 2>&1; echo "[$?]"; }
e 1 + 2
e 7 - 10
e 6 '*' 7
e 7 / 2
e -7 / 2
e -7 % 3
e 1 / 0
e 2 '>' 10
e a '<' b
e 10 = 010
e abc = abc
e abc != abc
e 3 '>=' 3
e 0 '|' x
e a '|' b
e a '&' b
e 0 '&' b
e '' '|' ''
e abc : 'a.c'
e abcdef : 'abc'
e abcdef : '.*\(d.\)'
e abc : 'x'
e abc : '\(x\)'
e foo.c : '\(.*\)\.c'
e length hello
e length 'é!'
e substr hello 2 3
e substr hello 0 3
e substr hello 4 99
e index hello lo
e index hello xyz
e match hello 'h.l'
e '(' 1 + 2 ')' '*' 3
e 1 + 2 '*' 3
e + length
e length + length
e 5
e 0
e ''
e -5
e abc
e 1 +
e '('
e '(' 1
e 1 2
e ')'
e a + 1
expr 2>/dev/null; echo $?
expr -- 2>/dev/null; echo $?
e -- 1 + 1
e 1 + 1 = 2
e 3 : 3
e 12 : '1\(.\)'
e 00 '|' 5
e -0 '|' 5
e - '|' 5
e 9223372036854775807 - 1
e -9223372036854775808 + 1
e 2 '<' 1 '|' 3
e 1 '|' 1 / 0
e 0 '&' 1 / 0
e abc : '^a'
e 'a*' : 'a\*'
e ab : '\('
e substr 12345 2 2 + 1
i=0; while [ $i -lt 5 ]; do i=$(expr $i + 1); done; echo $i
