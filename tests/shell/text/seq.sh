seq 3
seq 2 4
seq 1 2 7
seq 5 -2 1
seq 3 1; echo $?
seq -w 8 11
seq -w -5 5 5
seq -s, 1 5
seq -s '' 3
seq 0.5 0.25 1.5
seq 0 0.1 0.5
seq -w 0.5 10 20.25
seq -f '%03g' 1 3
seq -f 'x%.2f' 1 2
seq 1 1000000 | tail -n 1
seq -3 -1
seq 1 0.3 2
seq 1e2 1 102
seq 10 -3 -5
seq 9223372036854775805 9223372036854775807
seq -- -2 0
seq 1.0 3
seq 4 | tr '\n' ' '; echo
seq inf | head -n 2
seq 1 x 2>/dev/null; echo $?
seq 2>/dev/null; echo $?
seq 1 0 5 2>/dev/null; echo $?
seq 1 2 3 4 2>/dev/null; echo $?
seq -f '%d' 1 2>/dev/null; echo $?
