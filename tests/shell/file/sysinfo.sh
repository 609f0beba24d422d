# What the sandbox says about itself. Made by ours: the facts are the lane's, not a machine's.
exec 2>&1
id; id -u; id -g; id -un; id -gn; id -G; id nobody; id nope; echo $?; id -n; echo $?; id -x; echo $?; whoami; whoami x; echo $?; hostname; hostname -s
uname; uname -a; uname -s; uname -n; uname -m; uname -o; uname -sm; uname -z; echo $?; uname x; echo $?; nproc; nproc --all; nproc x; echo $?; tty; echo $?; tty -s; echo $?
getconf PATH_MAX; getconf PATH; getconf _NPROCESSORS_ONLN; getconf nope; echo $?; which nope; echo $?; which; echo $?
mkdir bin; printf '#!/bin/sh\n' > bin/prog; PATH=bin:$PATH which prog; echo $?; chmod +x bin/prog; PATH=bin:$PATH which prog; PATH=bin:./bin:$PATH which -a prog; which ./bin/prog; df; df -P .; df -h; stat -c '%U %G %u %g' bin; ls -ld bin | cut -d' ' -f3,4
