# set -e: where a failure ends the shell and where it does not.
t() { sh -ec "$1"; echo "= $?"; }
t 'false; echo no'; t 'true; echo yes'; t '(exit 3); echo no'; t 'false || true; echo yes'; t 'false && true; echo yes'; t 'true && false; echo no'
t '! true; echo yes'; t '! false; echo yes'; t 'if false; then :; fi; echo yes'; t 'while false; do :; done; echo yes'; t 'until true; do :; done; echo yes'
t 'if true; then false; fi; echo no'; t '{ false; echo no; }'; t '{ false; } || echo yes'; t '(false; echo no); echo no'; t '(false; echo yes) || echo no'
t 'f() { false; echo in; }; f; echo no'; t 'f() { false; echo in; }; f || echo no'; t 'f() { false; echo in; }; if f; then echo yes; fi'; t 'f() { return 2; }; f; echo no'
t 'x=$(false); echo no'; t 'x=$(false; echo a); echo "[$x]"'; t 'echo $(false) yes'; t 'x=$(false) true; echo yes'; t 'true | false; echo no'; t 'false | true; echo yes'
t 'eval false; echo no'; t 'eval "false || true"; echo yes'; t 'false & wait; echo yes'; t 'false & wait $!; echo no'; t 'case a in a) false;; esac; echo no'; t 'for i in 1; do false; done; echo no'
t 'set +e; false; echo yes'; t 'false; set +e; echo no'; t 'nosuchcommand 2>/dev/null; echo no'; t 'cat </nofile 2>/dev/null; echo no'; t '{ :; } </nofile; echo no' 2>/dev/null; t 'trap "echo bye \$?" EXIT; false; echo no'
t 'f() { set +e; false; echo in; }; f; echo yes'; t 'true && { false; echo no; }'; t '(set +e; false; echo in); echo yes'; t 'x=1 false; echo no'; t ': $(false); echo yes'; t '[ a = b ]; echo no'; t 'test 1 -eq 2 || echo yes'
t 'while true; do false; done; echo no'; t 'f() { false; }; f && echo no; echo yes'; t 'if (false; echo sub); then echo yes; fi'; t '! { false; echo in; }; echo yes'; t 'command false; echo no'; t 'exec 3</nofile; echo no' 2>/dev/null; t '. /dev/null; echo yes'
t 'false || false; echo no'; t 'false && false; echo yes'; t '(true && false); echo no'; t 'sh -c "exit 4"; echo no'; t 'readonly r; r=1 2>/dev/null; echo no' 2>/dev/null
set -e; false || echo continues; if false; then :; fi; ! true; (false) || true; echo last; false; echo never
