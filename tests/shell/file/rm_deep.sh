# A tree 220 deep is made, walked, copied and removed.
p=.
i=0
while [ $i -lt 220 ]; do p=$p/d; i=$((i + 1)); done
mkdir -p $p && echo bottom > $p/f && find . -name f | wc -c && cp -r d e && find e | wc -l && cat e${p#./d}/f
du -s d > /dev/null && chmod -R go-w d && ls -R e | wc -l && rm -r d e && ls -A
