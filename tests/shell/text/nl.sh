printf 'a\n\nb\n' > f
nl f
nl -ba f
nl -bn f
nl -b 'p^b' f
nl -w 3 -s ': ' f
nl -n ln f
nl -n rz f
nl -v 10 -i 5 f
printf '\\:\\:\\:\nh\n\\:\\:\nb\n\\:\nf\n' | nl
printf '\\:\\:\\:\nh\n\\:\\:\nb\n\\:\nf\n' | nl -ha -fa
nl f f
printf 'a\n\n\n\nb\n' | nl -ba -l 2
nl nofile 2>&1; echo $?
