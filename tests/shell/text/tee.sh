echo a | tee f g; cat f g
echo b | tee -a f; cat f
echo c | tee /nodir/x f 2>&1; echo $?
cat f
echo d | tee
