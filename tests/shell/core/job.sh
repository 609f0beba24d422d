# Asynchronous lists, wait, $!, pipelines, statuses of signals.
(exit 3) & wait $!; echo $?; true & wait $!; echo $?; (exit 4) & p=$!; (exit 5) & q=$!; wait $q; echo $?; wait $p; echo $?
wait 99999; echo $?; sleep 0 & wait; echo $?; { echo bg; } & wait; echo a & wait $!; (echo one; (echo two &); wait) | sort
echo x | cat | cat; echo a | false; echo $?; false | true; echo $?; ! false | false; echo $?; exit3() { return 3; }; true | exit3; echo $?
echo v | read x; echo "[$x]"; x=1; echo 2 | { read x; echo $x; }; echo $x; printf 'b\na\n' | sort | head -1; yes | head -2; yes 2>/dev/null | head -1 >/dev/null; echo $?
i=0; while [ $i -lt 5 ]; do echo $i; i=$((i+1)); done | while read n; do echo "n$n"; done; echo $i
sh -c 'kill -TERM $$' 2>/dev/null; echo $?; sh -c 'kill -9 $$' 2>/dev/null; echo $?; (sh -c 'kill -INT $$'); echo $?; sh -c 'exit 200'; echo $?
sleep 5 & kill $!; wait $! 2>/dev/null; echo $?; sleep 5 & p=$!; kill -KILL $p; wait $p 2>/dev/null; echo $?; (sleep 5) & kill -s HUP $!; wait $! 2>/dev/null; echo $?
cat </dev/null & wait $!; echo $?; cat & wait $!; echo $?; echo in | { cat & wait; }
[ $$ = "$(echo $$)" ] && echo same; (echo $$) | { read p; [ $p = $$ ] && echo same; }; [ "$(sh -c 'echo $PPID')" != "" ] && echo ppid
x=$(echo a & echo b >&2; wait) 2>/dev/null; echo $x; (true; exit 7) | (read x; exit 6); echo $?
for i in 1 2 3; do (exit $i) & pids="$pids $!"; done; for p in $pids; do wait $p; echo $?; done
echo start; { sleep 0; echo later; } & wait; echo end; a=1 & wait; echo "${a-unset}"; true && (exit 9) & wait $!; echo $?
seq 1 2000 | while read n; do [ $n = 3 ] && break; echo $n; done; seq 1 100000 | tail -1; seq 1 30000 | wc -l | tr -d ' '; seq 50000 | head -1
{ echo a; echo b; } | { read x; echo $x; cat; }; (cd /; pwd); (x=5; exit $x); echo $?; (trap 'echo t' EXIT; exit 3); echo $?
