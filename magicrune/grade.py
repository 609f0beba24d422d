"""From what was seen to a colour: points are added once, the policy says what they mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol, get_args

from magicrune.errors import ControlNotHeld, RuleFailed
from magicrune.observation import Ending, Observation
from magicrune.rules import Finding, apply_rules
from magicrune.spec import ContainerSpec

Colour = Literal["green", "yellow", "red"]

EXIT_CODES: dict[Colour, int] = {"green": 0, "yellow": 10, "red": 20}
"""docs/architecture.md, "Exit codes"."""
SCORE_MAX = 100


class Thresholds(Protocol):
    """The policy's reading of a score (magicrune.policy)."""

    def colour(self, score: int) -> str:
        """``green``, ``yellow`` or ``red`` for a score from 0 to 100."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The grade of a run: `score` is 0 (nothing seen) to 100."""

    colour: Colour
    score: int
    findings: tuple[Finding, ...]

    @property
    def exit_code(self) -> int:
        """What the process ends with: 0 green, 10 yellow, 20 red."""
        return EXIT_CODES[self.colour]


def grade(spec: ContainerSpec, observation: Observation, thresholds: Thresholds) -> Verdict:
    """Applies all rules and adds up their points, at most 100.

    Hints count only up to where they would make the run red. A run whose telemetry or
    sandbox was lost is never green, whatever the thresholds.

    Raises ControlNotHeld where a control is told not to be in force (such a job must not
    have been started), RuleFailed where a rule or the observation makes no sense.
    """
    _check_observation(observation)
    findings = apply_rules(spec, observation)
    observed = min(SCORE_MAX, sum(finding.points for finding in findings if not finding.hint))
    score, colour = observed, _colour(thresholds, observed)
    for _ in range(sum(finding.points for finding in findings if finding.hint)):
        above = min(SCORE_MAX, score + 1)
        if colour == "red" or _colour(thresholds, above) == "red":
            break
        score, colour = above, _colour(thresholds, above)
    lost = not observation.telemetry_complete or observation.ending is Ending.INFRA_ERROR
    if lost and colour == "green":
        colour = "yellow"
    return Verdict(colour, score, findings)


def _colour(thresholds: Thresholds, score: int) -> Colour:
    answer = thresholds.colour(score)
    for colour in get_args(Colour):
        if answer == colour:
            return colour  # type: ignore[no-any-return]
    raise RuleFailed(f"the policy's thresholds call {score} points {answer!r}")


def _check_observation(observation: Observation) -> None:
    for control in observation.enforcement:
        if not control.held:
            raise ControlNotHeld(
                f"{control.control} is {control.measured}, wanted {control.wanted}",
                where=control.mechanism,
            )
    if observation.ending is Ending.EXITED and observation.exit_code is None:
        raise RuleFailed(f"{observation.backend}: the job exited, but no exit code is told")
