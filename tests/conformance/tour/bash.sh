cat <(echo one) <<<two; coproc cat; echo three >&"${COPROC[1]}"; read -r line <&"${COPROC[0]}"
echo "$line"; kill %1; wait 2>/dev/null; declare -A map=([k]=v); echo "${map[k]}"
trap 'echo bye' EXIT; (ulimit -n 64; ulimit -n); echo $((2**10)) | { read -r x; echo "$x"; }
