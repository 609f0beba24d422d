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

lane() { # TASK: the lanes of a suite
    [ "$1" = root ] && echo oci || echo "$1"
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

engines() { # Docker and Podman as Debian sets them up
    systemctl start docker.service podman.socket || return
    docker info --format '{{.ServerVersion}}: groups v{{.CgroupVersion}} by {{.CgroupDriver}}, {{.DefaultRuntime}}'
    podman info --format '{{.Version.Version}}: groups {{.Host.CgroupsVersion}} by {{.Host.CgroupManager}}, {{.Host.OCIRuntime.Name}}'
}

swap_on() { # memory that jobs must not reach: 512 MiB on the first disk
    dd if=/dev/zero of=/swap bs=1M count=512 status=none
    chmod 600 /swap
    mkswap /swap
    swapon /swap
    cat /proc/swaps
}

doctor() { # as root: all that was measured, then how many controls of each backend were held
    python3 -m magicrune doctor --json >"$out/doctor.json" || return
    python3 - "$out/doctor.json" <<'END'
import json, sys
told = json.load(open(sys.argv[1]))
for each in told["machine"]:
    print(each)
for each in told["backends"]:
    held = [one["held"] for one in each["controls"]]
    print(each["backend"], each["version"], f"{sum(held)} of {len(held)} held", each["problem"], each["fix"])
    for one in each["controls"]:
        print("   ", one)
sys.exit(not all(each["usable"] for each in told["backends"]))
END
}

make_user() {
    id "$user" >/dev/null 2>&1 && return
    useradd --create-home --shell /bin/bash "$user"
    usermod --add-subuids 2000000000-2000065535 --add-subgids 2000000000-2000065535 "$user"
    cp -a "$top/images" "/home/$user/images"
    rm -f "/home/$user"/images/cache/images/*/verified.json
    chown -R "$user:" "/home/$user"
    chmod 700 "/home/$user/images" "/home/$user/images/cache"
    loginctl enable-linger "$user"
    await_manager
}

await_manager() {
    left=120
    until [ -S "/run/user/$(id -u "$user")/bus" ] || [ "$left" = 0 ]; do
        sleep 1
        left=$((left - 1))
    done
}

groups_of() { # what systemd has given the user
    group=/sys/fs/cgroup/user.slice/user-$(id -u "$user").slice/user@$(id -u "$user").service
    echo "given to $user: $(cat "$group/cgroup.controllers"), on: $(cat "$group/cgroup.subtree_control")"
}

delegate() {
    mkdir -p /etc/systemd/system/user@.service.d
    printf '[Service]\nDelegate=cpu memory pids\n' >/etc/systemd/system/user@.service.d/delegate.conf
    systemctl daemon-reload
    systemctl restart "user@$(id -u "$user").service"
    await_manager
    groups_of
}

in_session() { # COMMAND: as the user, in a login session
    su - "$user" -c ". /home/$user/env; cd $top/src; $1"
}

trial() { # BACKEND: words for a shell that try it, and say what is held, or what mends it
    cat >"$top/trial.py" <<'END'
import sys
from magicrune.doctor import examine

(each,) = examine([sys.argv[1]])
held = [one.held for one in each.controls]
print(open("/proc/self/cgroup").read().strip())
print(f"{each.backend} {each.version}: {sum(held)} of {len(held)} held {each.problem}")
if len(sys.argv) > 2:
    open(sys.argv[2], "w").write(each.fix)
print(f"mends it: {each.fix}")
sys.exit(not each.usable)
END
    echo "python3 $top/trial.py $1"
}

stock() { # a user as Debian makes it
    make_user
    {
        echo "export PYTHONPATH=$PYTHONPATH PYTHONDONTWRITEBYTECODE=1"
        echo "export MAGICRUNE_HOME=/home/$user/images"
    } >"/home/$user/env"
    oci=$(trial oci)
    keep stock-groups groups_of
    # Each of the first two ends with what mends it; then that is done, word by word.
    keep stock-session-refused refused in_session "$oci /tmp/fix-session"
    keep stock-session-mended mended_session
    keep stock-service-refused refused in_service "$oci /tmp/fix-service"
    keep stock-service-mended in_service "$(cat /tmp/fix-service); $oci"
    keep stock-podman in_session "systemctl --user start podman.socket; $(trial podman)"
}

refused() {
    if "$@"; then return 1; fi
}

in_service() { # COMMAND: as the user, in a service of the system that may divide its group
    echo ". /home/$user/env; cd $top/src; $1" >"$top/service.sh"
    systemd-run --pipe --wait -p User="$user" -p Delegate="cpu memory pids" sh "$top/service.sh"
}

mended_session() { # the steps for root as root, the last one around the trial
    root_steps=$(sed 's/^sudo //; s/| sudo /| /; /systemd-run/d' /tmp/fix-session)
    echo "as root: $root_steps"
    eval "$root_steps" || return
    await_manager
    groups_of
    around=$(grep -o 'systemd-run .* magicrune' /tmp/fix-session | sed 's/ magicrune$//')
    in_session "$around $oci"
}

chown -R root: "$top"
chmod 700 "$top/images" "$top/images/cache"
export MAGICRUNE_TEST_IMAGES="$top/images" MAGICRUNE_HOME="$top/images"
keep machine machine
for task in $tasks; do
    case $task in
    engines) keep root-engines engines ;;
    swap)
        keep root-swap-on swap_on
        keep root-swap-doctor doctor
        suite swap tests/conformance/test_backends.py tests/attacks/test_container_mutations.py \
            -k "memory_is_bounded or controls_are_read_back or swap"
        ;;
    doctor) keep root-doctor doctor ;;
    root | docker | podman)
        suite "conformance-$task" tests/conformance/test_backends.py -k "$(lane "$task") and ($select)"
        ;;
    network) suite network tests/conformance/test_network.py -k "not wasi and ($select)" ;;
    mutations) suite mutations tests/attacks/test_container_mutations.py -k "oci-crun and ($select)" ;;
    attacks)
        suite attacks tests/attacks/test_container_attacks.py -k "oci-crun and ($select)"
        ;;
    stock) stock ;;
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
