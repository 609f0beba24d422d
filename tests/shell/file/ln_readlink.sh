# ln, readlink, realpath.
exec 2>&1
echo 1 > f; ln -s f s; readlink s; cat s; ln f h; stat -c %h f; ln -s f s; echo $?; ln -sf h s; readlink s
mkdir d; ln -s f d/x; readlink d/x; ln -s ../f d; readlink d/f; ln -s f h d; echo $?; ls d
ln -s d dl; ln -s f dl; echo $?; ln -sfn f dl; readlink dl; rm dl; ln -s d dl; ln -sfT f dl; readlink dl
ln nope q; echo $?; ln d q; echo $?; ln; echo $?; ln -s a b c; echo $?; ln -sv f v; ln -fv f h2; ln -f f f; echo $?
mkdir -p r/a r/b; ln -sr r/a/t r/b/l; readlink r/b/l; ln -sr f r/b/m; readlink r/b/m; ln -sr r r/self; readlink r/self
ln -s f -t r/a; readlink r/a/f; ln -s loop loop; readlink f; echo $?; readlink nope; echo $?; readlink -v f; readlink
readlink -n s; echo; readlink s dl
b=$(pwd); rel() { sed "s|^$b|BASE|"; }
readlink -f s | rel; readlink -f nope | rel; readlink -f nope/x; echo $?; readlink -m nope/x/../y | rel; readlink -e nope; echo $?
readlink -f d/../s | rel; readlink -f loop; echo $?; realpath . d/f nope | rel; realpath nope/x; echo $?; realpath -e nope; echo $?
realpath -m a/b/../c | rel; realpath f/x; echo $?; ln -s d/ ds; realpath ds/x | rel; realpath / /.. //; realpath; echo $?
realpath -q nope/x; echo $?; ln -s "$b/f" abs; realpath abs | rel; readlink -f -- ./d/./f | rel; realpath '' ; echo $?
