# sleep and timeout: statuses, not durations.
exec 2>&1
sleep 0; echo $?; sleep 0.01 0s; echo $?; sleep .01; sleep 0.0001m; sleep; echo $?; sleep x; echo $?; sleep 1x; echo $?; sleep -- -1; echo $?; sleep 0.001 y; echo $?
timeout 5 true; echo $?; timeout 5 sh -c 'exit 9'; echo $?; timeout 0.1 sleep 9; echo $?; timeout -s INT 0.1 sleep 9; echo $?; timeout --preserve-status 0.1 sleep 9; echo $?; timeout 0 echo forever; timeout 5s echo unit; timeout -k 1 0.1 sleep 9; echo $?
timeout 5 nope-nope > /dev/null 2>&1; echo $?; timeout; echo $?; timeout 1; echo $?; timeout x ls; echo $?; timeout -s ZZ 1 ls; echo $?; timeout -k zz 1 ls; echo $?; timeout --zz; echo $?; echo in | timeout 5 cat; timeout 5 sh -c 'echo a; echo b' | cat
sh -c 'timeout -k 0.1 0.1 sh -c "trap \"\" TERM; sleep 1; sleep 9"; echo $?' 2> /dev/null
