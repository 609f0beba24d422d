"""The fake backend plays what it is told, is never chosen by accident, and hides no error."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from magicrune.backends import select
from magicrune.backends.base import Probe
from magicrune.backends.fake import FakeBackend
from magicrune.cancellation import Cancellation
from magicrune.errors import BackendFailed, BackendUnavailable
from magicrune.observation import Ending, EventKind, Observation
from magicrune.pipeline import needs_network
from magicrune.policy import parse_policy
from magicrune.request import parse_request
from magicrune.spec import ContainerSpec, Limits

SPEC = ContainerSpec(
    run_id="r_0",
    argv=("sh", "-c", "true"),
    env=(),
    stdin=b"",
    files=(),
    cwd="/workspace",
    mounts=(),
    limits=Limits(1000, 1000, 1 << 20, 8, 1000, 1000, 10, 10, 1000),
)


def play(tmp_path: Path, script: object) -> Observation:
    path = tmp_path / "script.json"
    path.write_text(json.dumps(script))
    return FakeBackend(path).run(SPEC)


def test_without_a_script_it_plays_a_job_that_did_nothing() -> None:
    seen = FakeBackend().run(SPEC)
    assert (seen.backend, seen.ending, seen.exit_code, seen.stdout) == ("fake", "exited", 0, b"")
    assert seen.telemetry_complete
    assert seen.events == ()


def test_it_plays_every_part_of_its_script(tmp_path: Path) -> None:
    seen = play(
        tmp_path,
        {
            "ending": "timeout",
            "stdout": "héllo",
            "stderr": "oh",
            "stdout_truncated": True,
            "telemetry_complete": False,
            "events": [{"at_ms": 3, "kind": "exec", "detail": {"path": "curl"}}],
            "artifacts": [{"path": "/workspace/out/a", "content": "x"}],
            "artifacts_skipped": [["/workspace/out/b", "symlink"]],
            "usage": {"wall_ms": 7.5},
        },
    )
    assert seen.ending is Ending.TIMEOUT
    assert seen.exit_code is None
    assert seen.stdout == "héllo".encode()
    assert seen.stdout_truncated
    assert not seen.telemetry_complete
    assert seen.event_counts[EventKind.EXEC] == 1
    assert seen.artifacts[0].content == b"x"
    assert seen.artifacts_skipped == (("/workspace/out/b", "symlink"),)
    assert (seen.usage.wall_ms, seen.usage.output_bytes) == (7.5, 8)


@pytest.mark.parametrize(
    "script",
    [
        {"endnig": "timeout"},
        {"ending": "nonsense"},
        {"events": [{"kind": "exec"}]},
        {"events": [{"at_ms": 0, "kind": "dance"}]},
        {"usage": {"wall": 1}},
        [],
        "text",
        {"raises": "boom"},
    ],
)
def test_a_bad_script_is_our_failure(tmp_path: Path, script: object) -> None:
    with pytest.raises(BackendFailed):
        play(tmp_path, script)


def test_a_missing_script_is_our_failure(tmp_path: Path) -> None:
    with pytest.raises(BackendFailed):
        FakeBackend(tmp_path / "none.json").run(SPEC)


def test_it_is_usable_only_where_its_switch_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MAGICRUNE_UNSAFE_FAKE", raising=False)
    with pytest.raises(BackendUnavailable, match="MAGICRUNE_UNSAFE_FAKE"):
        select.choose("fake", ["wasi"])
    monkeypatch.setenv("MAGICRUNE_UNSAFE_FAKE", "1")
    assert select.choose("fake", ["wasi"]).backend.name == "fake"


def test_auto_never_takes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAGICRUNE_UNSAFE_FAKE", "1")
    with pytest.raises(BackendUnavailable):
        select.choose("auto", ["fake"])


class _Lane:
    def __init__(self, name: str, usable: bool) -> None:
        self.name = name
        self._usable = usable

    def probe(self) -> Probe:
        return Probe(self.name, self._usable, "1", "" if self._usable else "is broken", "mend it")

    def run(self, spec: ContainerSpec, cancellation: Cancellation | None = None) -> Observation:
        raise AssertionError


def _lanes(monkeypatch: pytest.MonkeyPatch, **usable: bool) -> None:
    makers: dict[str, Any] = {
        name: (lambda name=name, can=can: _Lane(name, can)) for name, can in usable.items()
    }
    monkeypatch.setattr(select, "_MAKERS", makers)


def test_auto_takes_the_first_usable_in_the_order_of_the_policy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _lanes(monkeypatch, one=False, two=True, three=True)
    assert select.choose("auto", ["one", "two", "three"]).backend.name == "two"
    assert select.choose("auto", ["one", "two"]).passed_over
    assert select.choose("auto", ["three", "two"]).backend.name == "three"


def test_a_named_lane_is_never_replaced_by_another(monkeypatch: pytest.MonkeyPatch) -> None:
    _lanes(monkeypatch, one=False, two=True)
    with pytest.raises(BackendUnavailable, match="one: is broken; mend it"):
        select.choose("one", ["one", "two"])


def test_a_lane_that_the_policy_does_not_list_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    _lanes(monkeypatch, one=True, two=True)
    assert select.choose("two", ["one", "two"]).backend.name == "two"
    with pytest.raises(BackendUnavailable, match="not one that the policy allows"):
        select.choose("two", ["one"])


def test_no_lane_at_all_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    _lanes(monkeypatch, one=False)
    with pytest.raises(BackendUnavailable, match=r"one: is broken.*docker: no such backend"):
        select.choose("auto", ["one", "docker"])


def test_who_is_granted_a_network_is_not_run_without() -> None:
    """The shell lane works everywhere, so only `network` can be why it is passed over."""
    assert select.choose("auto", ["wasi"]).backend.name == "wasi"
    with pytest.raises(BackendUnavailable, match="has no network"):
        select.choose("auto", ["wasi"], network=True)
    with pytest.raises(BackendUnavailable, match="has no network"):
        select.choose("wasi", ["wasi", "docker"], network=True)


def test_another_backend_is_taken_for_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAGICRUNE_UNSAFE_FAKE", "1")
    monkeypatch.setitem(select._MAKERS, "docker", FakeBackend.from_environment)
    choice = select.choose("auto", ["wasi", "docker"], network=True)
    assert choice.backend.name == "fake"
    assert choice.passed_over[0].startswith("wasi: has no network")
    with pytest.raises(BackendUnavailable):
        select.choose("auto", ["wasi", "docker"], network=True, strict=True)


@pytest.mark.parametrize("key", ["net", "host_loopback"])
def test_the_shell_lane_itself_runs_nothing_that_is_granted_a_network(key: str) -> None:
    from magicrune.backends.wasi.backend import WasiBackend
    from magicrune.netrule import NetRule

    spec = replace(SPEC, **{key: (NetRule.parse("127.0.0.1:80"),)})
    with pytest.raises(BackendUnavailable, match=r"127\.0\.0\.1:80: the WASI lane has no network"):
        WasiBackend().run(spec)


def test_only_a_grant_asks_for_a_network() -> None:
    text = b"""
version: 1
capabilities: {net: {allow: ["a.example"], unsafe_host_loopback: ["127.0.0.1:80"]}}
limits: {cpu_ms: 9, memory_mb: 9, wall_sec: 9, pids: 9, output_bytes: 9, tmp_mb: 9}
"""
    policy = parse_policy(text, policy_id="p", source="p.yml")

    def needs(*entries: str) -> bool:
        document = {"cmd": "true", "allow_net": entries}
        return needs_network(parse_request(json.dumps(document).encode()), policy)

    assert needs("a.example")
    assert needs("127.0.0.1:80")
    assert not needs()
    assert not needs("b.example")  # refused, which is a result whatever could run it
