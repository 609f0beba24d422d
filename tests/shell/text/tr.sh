echo hello | tr a-z A-Z
echo hello | tr '[:lower:]' '[:upper:]'
echo 'a  b   c' | tr -s ' '
echo 'a1b22' | tr -d 0-9
echo 'a1b22' | tr -cd '0-9\n'
echo 'hello world' | tr -cs '[:alpha:]' '\n'
echo abc | tr abc x
echo abc | tr abc xy
echo abc | tr -t abc xy
echo abc | tr 'abc' '[x*]'
echo abcd | tr 'abcd' 'x[y*2]z'
echo abcd | tr 'abcd' 'x[y*]z'
printf 'a\tb\n' | tr '\t' ' '
printf 'a\nb\n' | tr '\n' ,; echo
echo a-b | tr a-b x
echo 'a-b' | tr -- '-a' '_x'
echo 'a\b' | tr '\\' /
printf 'x\000y' | tr '\000' Z; echo
printf 'x\200y' | tr '\200' Z; echo
echo aabbcc | tr -s a-c
echo aabbcc | tr -s a-c x-z
echo aabbcc | tr -ds a b
echo '[x]' | tr '[]' '()'
echo 'a=b' | tr '[=a=]' z
tr 2>&1; echo $?
tr a 2>&1; echo $?
tr -d a b 2>&1; echo $?
tr z-a x 2>&1; echo $?
tr '[:foo:]' x 2>&1; echo $?
tr a '' 2>&1; echo $?
echo abc | tr -c 'b\n' .
echo HELLO | tr '[:upper:]' '[:lower:]'
echo 'tel 555-12' | tr '[:digit:]' '#'
echo "don't" | tr -d "'"
echo 'rot13' | tr 'A-Za-z' 'N-ZA-Mn-za-m'
