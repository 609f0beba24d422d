"""The story holds whatever breaks in it: one ledger row, red output put away, no lost failure."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from magicrune import pipeline
from magicrune.backends.base import Probe
from magicrune.backends.fake import FakeBackend
from magicrune.cancellation import Cancellation
from magicrune.errors import (
    BackendFailed,
    ControlNotHeld,
    LedgerFailed,
    MagicRuneError,
    PolicyViolation,
    QuarantineFailed,
    RuleFailed,
    RunInterrupted,
)
from magicrune.ledger import Ledger
from magicrune.observation import Observation
from magicrune.pipeline import execute, exit_code, prepare, rehearse
from magicrune.policy import find_policy, load_policy
from magicrune.quarantine import Quarantine
from magicrune.request import parse_request, run_id
from magicrune.result import SpellResult
from magicrune.spec import ContainerSpec

POLICY = load_policy(find_policy(None))
RED = {
    "stdout": "secret",
    "events": [
        {"at_ms": 1, "kind": "sensitive", "detail": {"path": "/workspace/.ssh/id", "op": "open"}},
        {"at_ms": 2, "kind": "connect", "detail": {"host": "evil.example.net", "port": 443}},
    ],
}


class Bench:
    """A ledger, a quarantine, and a fake backend that plays what it is given."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.ledger = Ledger(path / "ledger.sqlite3")
        self.quarantine = Quarantine(path / "quarantine")

    def play(self, script: dict[str, Any], **request: Any) -> SpellResult:
        file = self.path / "script.json"
        file.write_text(json.dumps(script))
        return self.run(FakeBackend(file), **request)

    def run(
        self, backend: Any, cancellation: Cancellation | None = None, **request: Any
    ) -> SpellResult:
        body = json.dumps({"cmd": "true"} | request).encode()
        return execute(
            parse_request(body),
            POLICY,
            backend,
            ledger=self.ledger,
            quarantine=self.quarantine,
            cancellation=cancellation,
        )

    def states(self) -> list[str]:
        return [record.state for record in self.ledger.runs()]


@pytest.fixture
def bench(tmp_path: Path) -> Any:
    made = Bench(tmp_path)
    yield made
    made.ledger.close()


class Raising:
    """A backend whose run() raises."""

    name = "raising"

    def __init__(self, failure: BaseException) -> None:
        self._failure = failure

    def probe(self) -> Probe:
        return Probe(self.name, True, "1")

    def run(self, spec: ContainerSpec, cancellation: Cancellation | None = None) -> Observation:
        raise self._failure


def test_a_green_run_is_told_and_recorded_alike(bench: Bench) -> None:
    result = bench.play({"stdout": "hi"})
    assert (result.verdict, result.stdout, exit_code(result)) == ("green", "hi", 0)
    (record,) = bench.ledger.run(result.run_id)
    assert (record.state, record.verdict, record.attempt) == ("finished", "green", 1)
    assert record.result is not None
    assert json.loads(record.result)["output_sha256"] == result.output_sha256
    assert {"admit_ms", "sandbox_ms", "grade_ms"} <= set(result.timings)


def test_a_cancelled_run_is_told_and_recorded(bench: Bench) -> None:
    cancellation = Cancellation()
    cancellation.cancel()
    with pytest.raises(RunInterrupted):
        bench.run(FakeBackend(), cancellation=cancellation)
    (record,) = bench.ledger.runs()
    assert (record.state, record.error_code) == ("failed", "MR-4105")


def test_the_row_is_there_before_the_job_runs(bench: Bench) -> None:
    class Looking(FakeBackend):
        seen: list[str]

        def run(self, spec: ContainerSpec, cancellation: Cancellation | None = None) -> Observation:
            self.seen = bench.states()
            return super().run(spec, cancellation)

    backend = Looking()
    bench.run(backend)
    assert backend.seen == ["running"]
    assert bench.states() == ["finished"]


def test_red_output_is_in_quarantine_and_nowhere_else(bench: Bench) -> None:
    result = bench.play(RED)
    assert (result.verdict, result.stdout, exit_code(result)) == ("red", None, 20)
    assert result.quarantine is not None
    assert (Path(result.quarantine) / "stdout").read_text() == "secret"
    (record,) = bench.ledger.run(result.run_id)
    assert record.result is not None
    assert b"secret" not in record.result.replace(b"secret-read", b"")


def test_a_violation_runs_nothing_and_is_recorded(bench: Bench) -> None:
    result = bench.run(Raising(AssertionError("it ran")), allow_net=["example.com"])
    assert (result.executed, result.verdict, exit_code(result)) == (False, "red", 3)
    assert result.error is not None
    assert "example.com" in result.error.message
    (record,) = bench.ledger.run(result.run_id)
    assert (record.state, record.error_code, record.attempt) == ("refused", "MR-3001", 0)


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (BackendFailed("broke"), "MR-4102"),
        (ControlNotHeld("memory"), "MR-4103"),
        (ZeroDivisionError("x"), "MR-4999"),
        (KeyboardInterrupt(), "MR-4105"),
    ],
)
def test_what_leaves_the_sandbox_as_an_exception_is_recorded_and_raised(
    bench: Bench, failure: BaseException, code: str
) -> None:
    with pytest.raises(type(failure)):
        bench.run(Raising(failure))
    (record,) = bench.ledger.runs()
    assert (record.state, record.error_code) == ("failed", code)
    assert record.error_message is not None
    assert type(failure).__name__ in record.error_message


def test_a_control_that_did_not_hold_is_never_graded(bench: Bench) -> None:
    reading = {"control": "memory", "mechanism": "x", "wanted": "1", "measured": "2"}
    with pytest.raises(ControlNotHeld):
        bench.play({"enforcement": [reading | {"held": False}]})
    assert bench.states() == ["failed"]
    bench.play({"enforcement": [reading | {"held": True}]})
    assert bench.states() == ["finished", "failed"]


def _break(name: str, failure: Exception) -> Callable[..., Any]:
    def broken(*_: Any, **__: Any) -> Any:
        raise failure

    broken.__name__ = name
    return broken


@pytest.mark.parametrize(
    ("name", "failure"), [("grade", RuleFailed("x")), ("build_result", ValueError("x"))]
)
def test_a_failure_after_the_run_is_recorded(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, name: str, failure: Exception
) -> None:
    monkeypatch.setattr(pipeline, name, _break(name, failure))
    with pytest.raises(type(failure)):
        bench.play({})
    assert bench.states() == ["failed"]


def test_red_output_that_cannot_be_put_away_is_not_told(bench: Bench) -> None:
    bench.quarantine.root.symlink_to(bench.path)
    with pytest.raises(QuarantineFailed):
        bench.play(RED)
    assert bench.states() == ["failed"]


def test_a_ledger_that_cannot_be_written_stops_the_run_before_it_begins(bench: Bench) -> None:
    bench.ledger.close()
    with pytest.raises(MagicRuneError):
        bench.run(Raising(AssertionError("it ran")))


def test_a_failure_that_the_ledger_cannot_take_is_raised_with_a_note(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unwritable(*_: Any) -> None:
        raise LedgerFailed("disk full")

    monkeypatch.setattr(bench.ledger, "fail", unwritable)
    with pytest.raises(BackendFailed) as caught:
        bench.run(Raising(BackendFailed("broke")))
    assert any("disk full" in note for note in caught.value.__notes__)
    assert bench.states() == ["running"]


def test_seed_and_timeout_of_the_operator_stand_in_for_the_requests() -> None:
    request = parse_request(b'{"cmd": "true", "seed": 1, "timeout_sec": 9}')
    spec = prepare(request, POLICY, seed=None, timeout_sec=None)
    assert (spec.seed, spec.limits.wall_ms, spec.run_id) == (1, 9000, run_id(request))
    spec = prepare(request, POLICY, seed=2, timeout_sec=3)
    assert (spec.seed, spec.limits.wall_ms) == (2, 3000)
    assert spec.run_id == run_id(request, 2)


def test_a_rehearsal_runs_nothing_and_refuses_alike() -> None:
    backend = Raising(AssertionError("it ran"))
    request = parse_request(b'{"cmd": "true", "stdin": "secret", "env": {"A": "secret"}}')
    would = rehearse(request, POLICY, backend)
    assert would["dry_run"] is True
    assert would["executed"] is False
    assert would["run_id"] == run_id(request)
    assert "A" in would["env"]
    assert "secret" not in json.dumps(would)
    with pytest.raises(PolicyViolation):
        rehearse(parse_request(b'{"cmd": "true", "allow_net": ["a.example"]}'), POLICY, backend)
