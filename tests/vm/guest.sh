#!/bin/sh
# What the guest of scripts/vm.sh runs, as root, once, after boot. Results go to the third disk.
set -u
top=/opt/work
out=/opt/results
mkdir -p "$out"
chmod 755 "$top"
cd "$top/src" || exit 1
export PYTHONPATH="$top/src:$top/packages" PYTHONDONTWRITEBYTECODE=1 LANG=C.UTF-8
tasks=$(cat "$top/tasks")
select=$(cat "$top/select")
status=0
user=magicrune-ci

say() { echo "vm: $(cut -d. -f1 /proc/uptime) s: $*"; }

keep() { # NAME COMMAND...: runs it, keeps what it says, counts its failure
    name=$1
    shift
    say "$name"
    code=0
    "$@" >"$out/$name.txt" 2>&1 || code=$?
    [ "$code" = 0 ] || status=1
    cp /tmp/user-*.xml "$out/" 2>/dev/null
    echo "$name: exit $code; $(tail -n 1 "$out/$name.txt" | cut -c 1-200)" | tee -a "$out/summary.txt"
    save
}

save() {
    echo "$status" >"$out/status"
    tar -C "$out" -cf /dev/vdc .
    sync
}

suite() { # NAME ARGUMENTS...: as root
    what=$1
    shift
    CI=1 keep "root-$what" python3 -m pytest -p no:cacheprovider --timeout 600 \
        --junitxml "$out/root-$what.xml" "$@"
}

as_user() { # as the user, in a scope of its systemd manager
    uid=$(id -u "$user")
    setpriv --reuid "$user" --regid "$user" --init-groups env -i HOME="/home/$user" USER="$user" \
        PATH="$PATH" LANG=C.UTF-8 XDG_RUNTIME_DIR="/run/user/$uid" PYTHONPATH="$PYTHONPATH" \
        PYTHONDONTWRITEBYTECODE=1 CI=1 MAGICRUNE_TEST_IMAGES="/home/$user/images" \
        MAGICRUNE_HOME="/home/$user/images" TMPDIR=/tmp \
        systemd-run --user --scope --quiet "$@"
}

user_suite() {
    what=$1
    shift
    keep "user-$what" as_user python3 -m pytest -p no:cacheprovider --timeout 600 \
        --junitxml "/tmp/user-$what.xml" "$@"
}

machine() {
    uname -rvm
    grep PRETTY_NAME /etc/os-release
    systemctl --version | head -n 1
    crun --version | head -n 1
    runc --version | head -n 1
    python3 --version
    stat -fc 'type of /sys/fs/cgroup: %T' /sys/fs/cgroup
    grep cgroup /proc/self/mountinfo
    echo "controllers: $(cat /sys/fs/cgroup/cgroup.controllers)"
}

make_user() {
    id "$user" >/dev/null 2>&1 && return
    useradd --create-home --shell /bin/bash "$user"
    usermod --add-subuids 2000000000-2000065535 --add-subgids 2000000000-2000065535 "$user"
    cp -a "$top/images" "/home/$user/images"
    rm -f "/home/$user"/images/cache/images/*/verified.json
    chown -R "$user:" "/home/$user"
    chmod 700 "/home/$user/images" "/home/$user/images/cache"
}

delegate() {
    mkdir -p /etc/systemd/system/user@.service.d
    printf '[Service]\nDelegate=cpu memory pids\n' >/etc/systemd/system/user@.service.d/delegate.conf
    systemctl daemon-reload
    loginctl enable-linger "$user"
    uid=$(id -u "$user")
    left=60
    until [ -S "/run/user/$uid/bus" ] || [ "$left" = 0 ]; do
        sleep 1
        left=$((left - 1))
    done
    group=/sys/fs/cgroup/user.slice/user-$uid.slice/user@$uid.service
    echo "delegated to $user: $(cat "$group/cgroup.controllers"), on: $(cat "$group/cgroup.subtree_control")"
}

chown -R root: "$top"
chmod 700 "$top/images" "$top/images/cache"
export MAGICRUNE_TEST_IMAGES="$top/images" MAGICRUNE_HOME="$top/images"
keep machine machine
for task in $tasks; do
    case $task in
    doctor) keep root-doctor python3 -m magicrune doctor --json ;;
    root) suite conformance tests/conformance/test_backends.py -k "oci and ($select)" ;;
    network) suite network tests/conformance/test_network.py -k "oci and ($select)" ;;
    attacks)
        suite attacks tests/attacks/test_container_mutations.py \
            tests/attacks/test_container_attacks.py -k "oci and ($select)"
        ;;
    user)
        make_user
        keep user-delegation delegate
        keep user-doctor as_user python3 -m magicrune doctor --json
        user_suite conformance tests/conformance/test_backends.py -k "oci-rootless and ($select)"
        ;;
    user-more)
        user_suite more tests/conformance/test_network.py tests/e2e/test_rootless.py \
            tests/attacks/test_container_mutations.py tests/attacks/test_container_attacks.py \
            -k "oci-rootless and ($select)"
        ;;
    *)
        say "there is no task '$task'"
        status=1
        ;;
    esac
done
save
say "done, status $status"
