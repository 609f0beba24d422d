# awk: what is nested without end is an error of awk's, and no fault of the sandbox.
t() { awk "$@" 2>&1; echo "[$?]"; }
long() { yes "$1" | head -n 3000 | tr -d '\n'; }
t 'function f(n) { return f(n + 1) } BEGIN { f(1) }'
t 'function f(n, a) { a[n] = 1; return 1 + f(n + 1) } BEGIN { print f(1) }'
t 'function f(n, s) { while (1) { s = "a"; sub(/a/, f(n), s); return s } } BEGIN { f(1) }'
t 'function f(n) { printf "%d", substr(f(n), 1, 1) } BEGIN { f(1) }'
t "BEGIN { print $(long 1+)1 }"
t "BEGIN { print $(long '1 ')1 }"
t "BEGIN { print $(long '1&&')1 }"
t "BEGIN { print $(long '(')1 }"
t "BEGIN $(long '{')"
t 'function f(n) { return n ? 1 + f(n - 1) : 0 } BEGIN { print f(400) }' # still possible
t 'BEGIN { print "a" ~ /(((a{1,1000}){1,1000}){1,1000})/ }'
t 'BEGIN { printf "%99999999d", 1 }'
t 'BEGIN { $99999999 = 1 }'
t 'BEGIN { NF = -1 }'
t 'function f() { next } BEGIN { f() } { print }' </dev/null
