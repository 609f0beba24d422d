"""grade(): points once, hints never red, a lost watch never green."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magicrune import rules
from magicrune.errors import ControlNotHeld, RuleFailed
from magicrune.grade import Verdict, grade
from magicrune.observation import ControlReading, Ending, Observation, Usage
from magicrune.rules import Finding, Rule
from magicrune.spec import ContainerSpec, Limits

SPEC = ContainerSpec(
    run_id="r_" + "0" * 32,
    argv=("sh", "-c", "true"),
    env=(),
    stdin=b"",
    files=(),
    cwd="/workspace",
    mounts=(),
    limits=Limits(1000, 1000, 1 << 26, 16, 1 << 16, 1 << 20, 100, 64, 1 << 16),
)
QUIET = Observation(
    backend="fake",
    ending=Ending.EXITED,
    exit_code=0,
    signal=None,
    stdout=b"",
    stderr=b"",
    stdout_truncated=False,
    stderr_truncated=False,
    events=(),
    event_counts={},
    telemetry_complete=True,
    artifacts=(),
    artifacts_skipped=(),
    usage=Usage(5.0, 4.0, None, 1, None, None, 0),
    enforcement=(),
    image_digest=None,
)


@dataclass(frozen=True)
class Bounds:
    """Thresholds as a policy has them: up to `green`, up to `yellow`, the rest."""

    green: int = 20
    yellow: int = 60

    def colour(self, score: int) -> str:
        assert 0 <= score <= 100
        return "green" if score <= self.green else "yellow" if score <= self.yellow else "red"


@pytest.fixture
def finding_rules(monkeypatch: pytest.MonkeyPatch) -> object:
    """Makes the only rule one that finds exactly the given findings."""

    def use(*findings: Finding) -> None:
        def check(_spec: ContainerSpec, _observation: Observation) -> Iterable[Finding]:
            return findings

        monkeypatch.setattr(rules, "RULES", (Rule("given", check),))

    return use


def points(number: int, *, hint: bool = False) -> Finding:
    return Finding("given", number, "seen", hint)


def test_grade_of_nothing_is_green() -> None:
    verdict = grade(SPEC, QUIET, Bounds())
    assert verdict == Verdict("green", 0, ())
    assert verdict.exit_code == 0


@pytest.mark.parametrize(
    ("numbers", "colour", "score", "exit_code"),
    [
        ((20,), "green", 20, 0),
        ((15, 6), "yellow", 21, 10),
        ((60,), "yellow", 60, 10),
        ((31, 30), "red", 61, 20),
        ((90, 90), "red", 100, 20),
    ],
)
def test_grade_adds_up_once_and_caps(
    finding_rules, numbers: tuple[int, ...], colour: str, score: int, exit_code: int
) -> None:
    finding_rules(*map(points, numbers))
    verdict = grade(SPEC, QUIET, Bounds())
    assert (verdict.colour, verdict.score, verdict.exit_code) == (colour, score, exit_code)
    assert [finding.points for finding in verdict.findings] == list(numbers)


def test_hints_add_up_but_stop_before_red(finding_rules) -> None:
    finding_rules(points(15), points(10, hint=True))
    assert (grade(SPEC, QUIET, Bounds()).colour, grade(SPEC, QUIET, Bounds()).score) == (
        "yellow",
        25,
    )
    finding_rules(points(55), points(10, hint=True))
    assert (grade(SPEC, QUIET, Bounds()).colour, grade(SPEC, QUIET, Bounds()).score) == (
        "yellow",
        60,
    )
    finding_rules(points(55), points(10))
    assert grade(SPEC, QUIET, Bounds()).colour == "red"


def test_hints_alone_are_not_red_under_the_strictest_policy(finding_rules) -> None:
    finding_rules(points(10, hint=True))
    assert grade(SPEC, QUIET, Bounds(green=0, yellow=3)).colour == "yellow"
    assert grade(SPEC, QUIET, Bounds(green=3, yellow=3)).colour == "green"


@given(
    st.lists(st.tuples(st.integers(0, 100), st.booleans()), max_size=8),
    st.integers(0, 98),
    st.integers(0, 98),
)
def test_grade_holds_its_promises(numbers: list[tuple[int, bool]], one: int, two: int) -> None:
    bounds = Bounds(min(one, two), max(one, two) + 1)
    findings = tuple(points(number, hint=hint) for number, hint in numbers)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rules, "RULES", (Rule("given", lambda *_: findings),))
        verdict = grade(SPEC, QUIET, bounds)
    observed = min(100, sum(f.points for f in findings if not f.hint))
    assert verdict.colour == bounds.colour(verdict.score)
    assert observed <= verdict.score <= 100
    assert (verdict.colour == "red") == (bounds.colour(observed) == "red")


def test_lost_telemetry_is_never_green() -> None:
    lenient = Bounds(green=90, yellow=95)
    assert grade(SPEC, QUIET, lenient).colour == "green"
    assert grade(SPEC, replace(QUIET, telemetry_complete=False), lenient).colour == "yellow"
    lost = replace(QUIET, ending=Ending.INFRA_ERROR, exit_code=None)
    assert grade(SPEC, lost, lenient).colour == "yellow"


def test_a_control_that_is_not_held_has_no_grade() -> None:
    reading = ControlReading("net", "namespace", "none", "eth0", held=False)
    with pytest.raises(ControlNotHeld, match="eth0"):
        grade(SPEC, replace(QUIET, enforcement=(reading,)), Bounds())
    held = replace(reading, held=True)
    assert grade(SPEC, replace(QUIET, enforcement=(held,)), Bounds()).colour == "green"


def test_nonsense_has_no_grade() -> None:
    class Strange:
        def colour(self, score: int) -> str:
            return "blue"

    with pytest.raises(RuleFailed, match="blue"):
        grade(SPEC, QUIET, Strange())
    with pytest.raises(RuleFailed, match="exit code"):
        grade(SPEC, replace(QUIET, exit_code=None), Bounds())
