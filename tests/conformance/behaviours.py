"""What every backend must do, as checks over a `run(cmd, **spec)`; none knows the backend.

A name in GAPS is what a backend declares that it cannot do, and why.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from magicrune.observation import Ending, EventKind, Observation
from magicrune.spec import Mount

Run = Callable[..., Observation]
BEHAVIOURS: dict[str, Callable[[Run], None]] = {}
GAPS: dict[str, dict[str, str]] = {
    "wasi": {
        "sparse_file_is_bounded": "no tool of the lane makes sparse files",
        "shared_memory_is_private": "there is no /dev/shm",
        "daemon_dies_with_the_job": "there are no sessions",
        "stubborn_daemon_is_ended": "there are no sessions",
        "zombies_are_bounded": "there is no fork",
        "own_loopback_works": "there are no sockets",
        "connecting_away_is_refused_at_once": "there are no sockets",
    },
    "oci": {},
    "docker": {},
    "podman": {},
}


def behaviour(check: Callable[[Run], None]) -> Callable[[Run], None]:
    BEHAVIOURS[check.__name__] = check
    return check


def kinds(seen: Observation) -> set[EventKind]:
    return {event.kind for event in seen.events}


def limits(seen: Observation) -> set[str]:
    return {str(e.detail["limit"]) for e in seen.events if e.kind is EventKind.LIMIT}


def loop(times: int, act: str) -> str:
    return f"i=0; while [ $i -lt {times} ]; do {act}; i=$((i+1)); done"


# -- endings ------------------------------------------------------------------------------


@behaviour
def exit_zero(run: Run) -> None:
    seen = run("echo hi")
    assert (seen.ending, seen.exit_code, seen.signal) == (Ending.EXITED, 0, None)
    assert (seen.stdout, seen.stderr) == (b"hi\n", b"")
    assert seen.telemetry_complete


@behaviour
def exit_codes_are_the_jobs(run: Run) -> None:
    for code in (1, 42, 255):
        seen = run(f"exit {code}")
        assert (seen.ending, seen.exit_code) == (Ending.EXITED, code)


@behaviour
def missing_program_is_127(run: Run) -> None:
    seen = run("no-such-program")
    assert (seen.ending, seen.exit_code) == (Ending.EXITED, 127)


@behaviour
def directory_is_not_a_program(run: Run) -> None:
    assert run("/tmp").exit_code == 126


@behaviour
def signal_is_told(run: Run) -> None:
    seen = run("kill -TERM $$; sleep 5")
    assert (seen.ending, seen.signal, seen.exit_code) == (Ending.SIGNALLED, 15, None)


@behaviour
def kill_is_told(run: Run) -> None:
    seen = run("kill -9 $$; sleep 5")
    assert (seen.ending, seen.signal) == (Ending.SIGNALLED, 9)


@behaviour
def signal_of_a_child_is_an_exit_code(run: Run) -> None:
    assert run("sh -c 'kill -9 $$'; echo $?").stdout == b"137\n"


@behaviour
def trap_runs(run: Run) -> None:
    assert run("trap 'echo bye' EXIT; exit 3").stdout == b"bye\n"


# -- streams ------------------------------------------------------------------------------


@behaviour
def stdin_arrives(run: Run) -> None:
    assert run("cat", stdin=b"one\ntwo\n").stdout == b"one\ntwo\n"


@behaviour
def stdin_is_binary(run: Run) -> None:
    every = bytes(range(256)) * 16
    assert run("cat", stdin=every).stdout == every


@behaviour
def stdin_is_large(run: Run) -> None:
    assert run("wc -c", stdin=b"x" * (3 << 20)).stdout.strip() == str(3 << 20).encode()


@behaviour
def stdin_may_stay_unread(run: Run) -> None:
    assert run("echo done", stdin=b"x" * (3 << 20)).stdout == b"done\n"


@behaviour
def empty_stdin_ends(run: Run) -> None:
    assert run("cat; echo end").stdout == b"end\n"


@behaviour
def large_input_and_output_do_not_lock(run: Run) -> None:
    data = bytes(range(256)) * (4 << 10)
    assert run(
        "cat; cat /workspace/again", stdin=data, files={"/workspace/again": data}
    ).stdout == (data + data)


@behaviour
def stderr_is_apart(run: Run) -> None:
    seen = run("echo out; echo err >&2")
    assert (seen.stdout, seen.stderr) == (b"out\n", b"err\n")


@behaviour
def closed_streams_are_borne(run: Run) -> None:
    seen = run("exec >&- 2>&- <&-; true; exit 5")
    assert (seen.ending, seen.exit_code, seen.stdout) == (Ending.EXITED, 5, b"")


@behaviour
def closed_stdin_cannot_be_read(run: Run) -> None:
    seen = run("cat <&- 2>/dev/null; echo $?; cat", stdin=b"rest")
    code, _, rest = seen.stdout.partition(b"\n")
    assert (code != b"0", rest) == (True, b"rest")


@behaviour
def output_is_binary(run: Run) -> None:
    every = bytes(range(256)) * 16
    seen = run("cat a; cat a >&2", files={"/workspace/a": every})
    assert (seen.stdout, seen.stderr) == (every, every)


@behaviour
def flood_is_cut_at_the_limit(run: Run) -> None:
    seen = run("cat /dev/zero", output_bytes=1 << 20)
    assert seen.ending is Ending.OUTPUT_LIMIT
    assert len(seen.stdout) == 1 << 20
    assert seen.stdout_truncated
    assert "output" in limits(seen)


@behaviour
def flood_of_a_gigabyte_is_cut(run: Run) -> None:
    seen = run("head -c 1073741824 /dev/zero; echo after >&2", output_bytes=1 << 20)
    assert (seen.ending, seen.stderr) == (Ending.OUTPUT_LIMIT, b"")
    assert seen.stdout == bytes(1 << 20)


@behaviour
def flood_from_the_background_is_cut(run: Run) -> None:
    seen = run("cat /dev/zero & sleep 10", output_bytes=1 << 20)
    assert (seen.ending, len(seen.stdout)) == (Ending.OUTPUT_LIMIT, 1 << 20)
    assert seen.usage.wall_ms < 10_000


@behaviour
def flood_to_both_streams_shares_the_limit(run: Run) -> None:
    seen = run("cat /dev/zero >&2 & cat /dev/zero", output_bytes=1 << 20)
    assert seen.ending is Ending.OUTPUT_LIMIT
    assert len(seen.stdout) + len(seen.stderr) == 1 << 20


@behaviour
def output_just_within_is_whole(run: Run) -> None:
    seen = run("head -c 65536 /dev/zero", output_bytes=65536)
    assert (seen.ending, len(seen.stdout), seen.stdout_truncated) == (Ending.EXITED, 65536, False)


# -- files --------------------------------------------------------------------------------


@behaviour
def files_are_put_in(run: Run) -> None:
    seen = run("cat a; cat sub/dir/b", files={"/workspace/a": b"A", "/workspace/sub/dir/b": b"B"})
    assert seen.stdout == b"AB"


@behaviour
def scripts_put_in_can_run(run: Run) -> None:
    seen = run("./s x", files={"/workspace/s": b"#!/bin/sh\necho script $1\n"})
    assert seen.stdout == b"script x\n"


@behaviour
def files_put_in_can_be_changed(run: Run) -> None:
    seen = run("echo more >> a; cat a", files={"/workspace/a": b"A\n"})
    assert seen.stdout == b"A\nmore\n"


@behaviour
def large_files_are_put_in(run: Run) -> None:
    data = bytes(range(256)) * (10 << 10)
    assert run("cat big", files={"/workspace/big": data}).stdout == data


@behaviour
def read_only_directory_is(run: Run) -> None:
    mounts = (Mount("/tmp"), Mount("/workspace"), Mount("/data", writable=False))
    seen = run(
        "cat /data/in/x; echo y > /data/in/x; echo y > /data/new; rm -f /data/in/x; cat /data/in/x",
        files={"/data/in/x": b"fixed\n"},
        mounts=mounts,
    )
    assert seen.stdout == b"fixed\nfixed\n"
    assert EventKind.DENIED in kinds(seen)


@behaviour
def root_is_read_only(run: Run) -> None:
    seen = run("echo x > /new || echo refused; echo x > /etc/new || echo refused")
    assert seen.stdout == b"refused\nrefused\n"
    assert EventKind.DENIED in kinds(seen)


@behaviour
def working_directory_is_workspace(run: Run) -> None:
    assert run("pwd").stdout == b"/workspace\n"


@behaviour
def nothing_is_left_for_the_next(run: Run) -> None:
    look = "ls -A /tmp /workspace"
    first = run(f"{look}; touch /tmp/left /workspace/left")
    assert run(look).stdout == first.stdout


@behaviour
def disk_is_bounded(run: Run) -> None:
    seen = run("head -c 9000000 /dev/zero > /tmp/x", tmp_bytes=4 << 20)
    assert seen.ending is Ending.DISK_LIMIT
    assert "disk" in limits(seen)


@behaviour
def disk_below_the_limit_is_free(run: Run) -> None:
    seen = run("head -c 3000000 /dev/zero > /tmp/x && wc -c < /tmp/x", tmp_bytes=4 << 20)
    assert seen.stdout.strip() == b"3000000"
    assert not limits(seen)


@behaviour
def number_of_files_is_bounded(run: Run) -> None:
    seen = run(f"set -e; {loop(200, ': > /tmp/f$i')}", file_count=50)
    assert seen.ending is Ending.FILE_LIMIT
    assert "files" in limits(seen)


@behaviour
def sparse_file_is_bounded(run: Run) -> None:
    seen = run("truncate -s 1T /tmp/x; stat -c %s /tmp/x", tmp_bytes=4 << 20)
    assert seen.stdout.strip() in (b"", b"0")


# -- artifacts ----------------------------------------------------------------------------


@behaviour
def artifacts_come_out(run: Run) -> None:
    seen = run("mkdir -p out/sub; printf A > out/a; printf B > out/sub/b")
    assert [(a.path, a.content) for a in seen.artifacts] == [("a", b"A"), ("sub/b", b"B")]


@behaviour
def artifact_links_are_not_followed(run: Run) -> None:
    seen = run("mkdir out; ln -s /etc/passwd out/link; ln -s / out/root; printf A > out/a")
    assert [a.path for a in seen.artifacts] == ["a"]
    assert sorted(path for path, _ in seen.artifacts_skipped) == ["link", "root"]


@behaviour
def artifact_content_is_bounded(run: Run) -> None:
    seen = run("mkdir out; head -c 5000 /dev/zero > out/big", artifact_bytes=1000)
    assert [(a.path, a.size, a.content) for a in seen.artifacts] == [("big", 5000, None)]


@behaviour
def artifacts_of_a_killed_job_come_out(run: Run) -> None:
    seen = run("mkdir out; printf A > out/a; sleep 30", wall_ms=700)
    assert seen.ending is Ending.TIMEOUT
    assert [a.content for a in seen.artifacts] == [b"A"]


@behaviour
def no_artifacts_is_fine(run: Run) -> None:
    assert run("true").artifacts == ()


# -- time ---------------------------------------------------------------------------------


@behaviour
def sleeping_too_long_is_ended(run: Run) -> None:
    seen = run("echo before; sleep 30; echo after", wall_ms=500)
    assert (seen.ending, seen.stdout, seen.exit_code) == (Ending.TIMEOUT, b"before\n", None)
    assert "wall" in limits(seen)


@behaviour
def stubborn_tree_is_ended(run: Run) -> None:
    stubborn = "trap '' TERM HUP INT; while :; do sleep 1; done"
    seen = run(f'sh -c "{stubborn}" & sh -c "{stubborn}" & {stubborn}', wall_ms=800)
    assert seen.ending is Ending.TIMEOUT


@behaviour
def daemon_dies_with_the_job(run: Run) -> None:
    seen = run("setsid sh -c 'sleep 30; echo late' & echo gone")
    assert (seen.ending, seen.stdout) == (Ending.EXITED, b"gone\n")
    assert seen.usage.wall_ms < 15_000


@behaviour
def stubborn_daemon_is_ended(run: Run) -> None:
    stubborn = "trap '' TERM HUP INT; while :; do sleep 1; done"
    seen = run(f'setsid sh -c "{stubborn}" & setsid sh -c "{stubborn}" & sleep 30', wall_ms=800)
    assert seen.ending is Ending.TIMEOUT
    assert seen.usage.wall_ms < 15_000


@behaviour
def background_dies_with_the_job(run: Run) -> None:
    seen = run("sleep 30 & echo gone")
    assert (seen.ending, seen.stdout) == (Ending.EXITED, b"gone\n")
    assert seen.usage.wall_ms < 15_000


@behaviour
def cpu_time_is_bounded(run: Run) -> None:
    seen = run("while :; do :; done", cpu_ms=400)
    assert seen.ending is Ending.CPU_LIMIT
    assert "cpu" in limits(seen)


@behaviour
def cpu_time_of_children_counts(run: Run) -> None:
    seen = run("sh -c 'while :; do :; done'; echo after", cpu_ms=400)
    assert seen.ending is Ending.CPU_LIMIT


@behaviour
def processors_are_bounded(run: Run) -> None:
    spin = "while :; do :; done"
    over = []
    # One try was over once, in an emulated machine, for a reason that is not known; without a
    # quota all three are, by a whole processor.
    while len(over) < 3 and (not over or over[-1] > 0):
        seen = run(f"for i in 1 2 3; do sh -c '{spin}' & done; sleep 1.2", cpus=1, wall_ms=5000)
        assert any(r.control == "cpu_rate" and r.held for r in seen.enforcement)
        assert seen.usage.cpu_ms is not None
        # A quota is given anew each 100 ms: a part of a period may be used ahead.
        over.append(seen.usage.cpu_ms - seen.usage.wall_ms - 200)
    assert min(over) <= 0, over


# -- memory and processes -------------------------------------------------------------------

_EAT = "x=0123456789abcdef; while :; do x=$x$x; done"


@behaviour
def memory_is_bounded(run: Run) -> None:
    seen = run(_EAT, memory_bytes=64 << 20)
    assert seen.ending is Ending.OOM
    assert "memory" in limits(seen)


@behaviour
def memory_of_a_child_is_bounded(run: Run) -> None:
    seen = run(f"sh -c '{_EAT}'; echo after", memory_bytes=64 << 20)
    assert (seen.ending, seen.stdout) == (Ending.EXITED, b"after\n")
    assert "memory" in limits(seen)


@behaviour
def memory_of_the_parent_is_bounded(run: Run) -> None:
    """Its children live, and take nothing."""
    seen = run(f"sleep 15 & sleep 15 & {_EAT}", memory_bytes=64 << 20)
    assert seen.ending is Ending.OOM
    assert seen.usage.wall_ms < 15_000


@behaviour
def fork_bomb_is_bounded(run: Run) -> None:
    seen = run("f() { f | f & }; f; sleep 1; echo alive", pids=16, wall_ms=5000)
    assert "pids" in limits(seen)
    assert seen.usage.wall_ms < 15_000


@behaviour
def processes_below_the_limit_are_free(run: Run) -> None:
    seen = run(f"{loop(6, '{ sleep 0.2 & }')}; wait; echo all", pids=16)
    assert seen.stdout == b"all\n"
    assert not limits(seen)


@behaviour
def many_short_processes_leave_no_zombies(run: Run) -> None:
    seen = run(f"{loop(100, 'sh -c : ')}; echo all", pids=8)
    assert seen.stdout == b"all\n"
    assert not limits(seen)


_LEAVE = """
import os, sys
made = 0
try:
    for made in range(200):
        if os.fork() == 0: os._exit(0)
except OSError as error: print(error.errno, made < 16)
"""


@behaviour
def zombies_are_bounded(run: Run) -> None:
    """Who does not look after its dead has no room for others."""
    seen = run('python3 -c "$LEAVE"', env={"LEAVE": _LEAVE}, pids=16)
    assert seen.stdout == b"11 True\n", seen.stderr  # EAGAIN
    assert "pids" in limits(seen)


@behaviour
def orphans_are_reaped(run: Run) -> None:
    seen = run(f"{loop(40, '(sh -c : &)')}; sleep 0.3; echo all", pids=24)
    assert seen.stdout == b"all\n"


@behaviour
def huge_argument_arrives(run: Run) -> None:
    word = "a" * 100_000
    assert run(f"printf %s {word} | wc -c").stdout.strip() == b"100000"


@behaviour
def many_arguments_arrive(run: Run) -> None:
    words = " ".join(map(str, range(20_000)))
    assert run(f"sh -c 'echo $# $1 ${{20000}}' x {words}").stdout == b"20000 0 19999\n"


@behaviour
def many_variables_arrive(run: Run) -> None:
    given = {f"V{number}": "v" * 100 for number in range(900)}
    assert run("env | grep -c '^V[0-9]*=v'", env=given).stdout == b"900\n"


# -- identity and environment -----------------------------------------------------------------


@behaviour
def user_is_nobody(run: Run) -> None:
    assert run("id -u; id -g").stdout == b"65534\n65534\n"


@behaviour
def environment_is_the_specs(run: Run) -> None:
    seen = run("env", env={"GIVEN": "värde 値"})
    names = {line.partition("=")[0] for line in seen.stdout.decode().splitlines()}
    assert "GIVEN=värde 値" in seen.stdout.decode().splitlines()
    assert names - {"PWD", "OLDPWD", "SHLVL", "_"} == {
        *("GIVEN", "HOME", "HOSTNAME", "LANG", "LC_ALL", "LOGNAME", "PATH", "SHELL"),
        *("SOURCE_DATE_EPOCH", "TMPDIR", "TZ", "USER"),
    }


@behaviour
def huge_environment_arrives(run: Run) -> None:
    seen = run('printf %s "$BIG" | wc -c', env={"BIG": "b" * 100_000})
    assert seen.stdout.strip() == b"100000"


@behaviour
def unicode_is_kept(run: Run) -> None:
    seen = run(
        "cat 'å/名'; ls å; mkdir out; cp 'å/名' out/名",
        files={"/workspace/å/名": "ünï\n".encode()},
    )
    assert seen.stdout.decode() == "ünï\n名\n"
    assert [a.path for a in seen.artifacts] == ["名"]


@behaviour
def time_zone_is_utc(run: Run) -> None:
    assert run("date +%Z").stdout == b"UTC\n"


@behaviour
def same_job_gives_same_output(run: Run) -> None:
    job = "id -u; pwd; env | sort; ls /; ls /dev; cat a; mkdir out; env | sort > out/env"
    first, second = (run(job, files={"/workspace/a": b"A"}) for _ in range(2))
    assert (first.stdout, first.artifacts) == (second.stdout, second.artifacts)
    assert first.stdout


@behaviour
def the_same_seed_gives_the_same_output(run: Run) -> None:
    """As plan() hands it on (spec.py); what the job makes of it is its own."""
    job = "echo $MAGICRUNE_SEED; awk 'BEGIN { srand(ENVIRON[\"MAGICRUNE_SEED\"]); print rand() }'"
    first, second, other = (
        run(job, env={"MAGICRUNE_SEED": str(seed)}, seed=seed).stdout for seed in (7, 7, 8)
    )
    assert first == second != other


@behaviour
def eight_at_once_stay_apart(run: Run) -> None:
    def one(number: int) -> bytes:
        return run(f"echo {number} > /tmp/n; sleep 0.2; cat /tmp/n").stdout

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(one, range(8))) == [b"%d\n" % n for n in range(8)]


# -- evidence -------------------------------------------------------------------------------


@behaviour
def programs_are_told(run: Run) -> None:
    seen = run("sh -c 'exit 0' one two")
    told = [str(e.detail["argv"]) for e in seen.events if e.kind is EventKind.EXEC]
    assert "sh -c 'exit 0' one two" in told


@behaviour
def secret_reads_are_told(run: Run) -> None:
    seen = run("cat /etc/shadow; cat /workspace/.ssh/id_rsa")
    told = {str(e.detail["path"]) for e in seen.events if e.kind is EventKind.SENSITIVE}
    assert {"/etc/shadow", "/workspace/.ssh/id_rsa"} <= told


@behaviour
def removals_are_told(run: Run) -> None:
    seen = run("touch /tmp/x; rm /tmp/x")
    assert EventKind.REMOVE in kinds(seen)


@behaviour
def harmless_job_has_no_alarming_event(run: Run) -> None:
    seen = run("echo a | cat | sort | wc -l; ls / >/dev/null; x=$(id -u)")
    assert kinds(seen) <= {EventKind.EXEC, EventKind.OPEN_WRITE, EventKind.MISC}


@behaviour
def flooded_record_is_admitted(run: Run) -> None:
    seen = run(loop(230, "echo x > /etc/f$i"))
    assert not seen.telemetry_complete
    assert seen.event_counts[EventKind.DENIED] >= 230


@behaviour
def many_granted_changes_are_no_loss(run: Run) -> None:
    seen = run(f"mkdir d; {loop(1000, ': > /workspace/d/f$i')}; rm -r /workspace/d")
    assert seen.telemetry_complete
    assert seen.event_counts[EventKind.OPEN_WRITE] >= 1000
    assert seen.event_counts[EventKind.REMOVE] >= 1000


@behaviour
def noise_does_not_hide_signal(run: Run) -> None:
    seen = run(f"{loop(330, ': > /tmp/f$i')}; cat /etc/shadow")
    assert EventKind.SENSITIVE in kinds(seen)


@behaviour
def usage_is_measured(run: Run) -> None:
    seen = run("head -c 2000000 /dev/zero > /tmp/x; sh -c :; sleep 0.2")
    usage = seen.usage
    assert usage.wall_ms >= 200
    assert (usage.cpu_ms or 0) > 0
    assert (usage.memory_peak_bytes or 0) > 100_000
    assert (usage.processes or 0) >= 2
    assert (usage.tmp_peak_bytes or 0) >= 2_000_000


@behaviour
def controls_are_read_back(run: Run) -> None:
    seen = run("true")
    named = {reading.control for reading in seen.enforcement}
    assert {"filesystem", "network", "memory", "processes", "open_files", "wall_time"} <= named
    assert {"cpu_time", "output", "host_identity"} <= named
    assert all(reading.held for reading in seen.enforcement)


@behaviour
def shared_memory_is_private(run: Run) -> None:
    assert run("echo x > /dev/shm/a; cat /dev/shm/a").stdout == b"x\n"
    assert run("ls -A /dev/shm").stdout == b""


_TALK = """
import socket
server = socket.socket()
server.bind(("127.0.0.1", 0))
server.listen()
client = socket.create_connection(server.getsockname())
peer, _ = server.accept()
peer.sendall(b"tcp")
print(client.recv(3).decode())
for family, own in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
    try:
        one = socket.socket(family, socket.SOCK_DGRAM)
        one.bind((own, 0))
    except OSError:
        continue  # Docker turns IPv6 off
    other = socket.socket(family, socket.SOCK_DGRAM)
    other.sendto(b"udp", one.getsockname())
    print(one.recv(3).decode())
    break
"""


@behaviour
def own_loopback_works(run: Run) -> None:
    seen = run("python3 /tmp/talk.py", files={"/tmp/talk.py": _TALK.encode()})
    assert seen.stdout == b"tcp\nudp\n", seen.stderr
    assert EventKind.CONNECT not in kinds(seen)


@behaviour
def connecting_away_is_refused_at_once(run: Run) -> None:
    away = "import socket\nprint(socket.socket().connect_ex(('192.0.2.1', 80)))"
    seen = run('python3 -c "$AWAY"', env={"AWAY": away})
    assert seen.stdout == b"111\n", seen.stderr
    assert seen.usage.wall_ms < 5000
    assert EventKind.CONNECT in kinds(seen)
