"""What a rule finds, and how it words its evidence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from magicrune.display import escape
from magicrune.observation import Event

_EVIDENCE_MAX = 240
_SHOWN_EACH = 20
"""Most findings of one rule that a result carries; the rest are told as a number."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something observed that a person should weigh.

    `points` are risk points (0 to 100), `evidence` cites what was observed, fit for a
    terminal. `hint` marks what was only seen in the text of the request: it can never
    make a run red.
    """

    rule: str
    points: int
    evidence: str
    hint: bool = False


def cite(event: Event, text: str) -> str:
    """Evidence for one event: its kind, when it happened, and `text` made safe to show."""
    return escape(f"{event.kind.value} at {event.at_ms} ms: {text}", limit=_EVIDENCE_MAX)


def count_points(
    rule: str, evidence: Iterable[str], *, first: int, further: int, cap: int
) -> tuple[Finding, ...]:
    """A finding for each piece of evidence: `first` points, then `further` for each more,
    `cap` for all together. From the 21st on they are only counted."""
    texts: Sequence[str] = list(evidence)
    found = []
    left = cap
    for number, text in enumerate(texts[:_SHOWN_EACH]):
        points = min(left, further if number else first)
        left -= points
        found.append(Finding(rule, points, escape(text, limit=_EVIDENCE_MAX)))
    if len(texts) > _SHOWN_EACH:
        rest = len(texts) - _SHOWN_EACH
        found.append(Finding(rule, min(left, further * rest), f"and {rest} more of the kind"))
    return tuple(found)
