# trap: EXIT, signals, resets in subshells, statuses, printing.
(trap 'echo bye' EXIT; echo body); (trap 'echo bye' 0; exit 3); echo $?; (trap 'exit 9' EXIT; exit 3); echo $?; (trap 'echo $?' EXIT; (exit 4)); (trap 'echo st $?' EXIT; false)
sh -c 'trap "echo end" EXIT; echo start'; sh -c 'trap "echo end" EXIT; exit 5'; echo $?; sh -c 'trap "echo a" EXIT; trap "echo b" EXIT'; sh -c 'trap "echo a" EXIT; trap - EXIT'; sh -c 'trap "echo e" EXIT; f() { exit 2; }; f'; echo $?
trap 'echo usr1' USR1; kill -USR1 $$; echo after; trap 'echo usr1 again $?' USR1; false; kill -s USR1 $$; echo $?; trap '' USR1; kill -USR1 $$; echo ignored; trap - USR1
trap 'echo two' USR1 USR2; kill -USR2 $$; kill -USR1 $$; trap - USR1 USR2; trap 'echo term; x=set' TERM; kill $$; echo $x; trap - TERM
trap 'echo T' TERM; trap; trap "echo 'q'" HUP; trap | sort; trap - HUP TERM; trap; trap 'echo a
echo b' INT; trap; trap - INT
trap 'echo in parent' USR1; (kill -USR1 $(sh -c 'echo $PPID'); echo not here) 2>/dev/null; echo $?; (trap 'echo own' USR1; kill -USR1 $(sh -c 'echo $PPID'); echo here); trap - USR1
trap '' USR1; (kill -USR1 $(sh -c 'echo $PPID'); echo still); sh -c 'kill -USR1 $$; echo alive'; trap - USR1
f() { trap 'echo f exit' EXIT; }; (f; echo body); (trap 'echo 1' EXIT; (echo sub)); (trap 'echo err; exit 1' EXIT; set -e; false; echo no); echo $?
sh -c 'trap "echo caught; exit 7" TERM; kill -TERM $$; echo no'; echo $?; sh -c 'trap "echo caught" TERM; kill -TERM $$; echo yes'; echo $?
sh -c 'trap "exit 3" USR1; (sleep 0.1; kill -USR1 $$) & wait; echo no'; echo $?
trap nonsense 2>/dev/null; echo $?; (trap 'echo x' NOSUCH) 2>/dev/null; [ $? -ne 0 ] && echo bad; trap 'echo r' 10; kill -10 $$; trap - 10; trap -- 'echo dd' EXIT; trap - EXIT
i=0; trap 'i=$((i+1))' USR1; while [ $i -lt 3 ]; do kill -USR1 $$; done; echo $i; trap 'return 5' USR1; g() { kill -USR1 $$; echo no; }; g; echo $?; trap - USR1
trap 'break' USR1; while :; do kill -USR1 $$; done; echo broke; trap - USR1; (trap 'echo e1' EXIT; exec true); (trap 'echo e2' EXIT; exec sh -c 'echo replaced')
trap 'echo final $?' EXIT; (exit 3)
