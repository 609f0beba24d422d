# chmod: octal, symbolic, recursive, messages.
exec 2>&1
touch f; m() { stat -c '%a %A' "$@"; }
for x in 644 755 0 777 600 u+x g+w o-r a+x u=rw,go=r +x -x a=rwx go= u=g g=u o=u u+rwx,g-x,o+t ug+s a-s +X u=rwX =r u-w+x 4755 01777 =; do chmod 640 f; chmod -- $x f; echo $x $(m f); done
mkdir d; chmod 600 d; chmod a+X d; m d; chmod 755 d; chmod g+s d; chmod 755 d; chmod u-s,g-s d; m d
chmod -v 600 f; chmod -c 600 f; chmod -c 644 f; chmod zz f; echo $?; chmod 9 f; echo $?; chmod 644 nope; echo $?; chmod; echo $?; chmod 644; echo $?
mkdir -p t/u; touch t/u/x t/y; chmod -R u=rwX,go= t; stat -c '%a %n' t t/u t/u/x t/y; chmod -R 755 t; m t/y
chmod --reference=f t/y; m t/y; chmod -x t/y; m t/y; chmod -rw,a+w t/y; m t/y; ln -s f l; chmod 600 l; m f
chmod -f 600 nope; echo $?; ln -s nowhere dead; chmod 600 dead; echo $?; chmod u+ f; echo $?; chmod 77777 f; echo $?; chmod u+q f; echo $?
