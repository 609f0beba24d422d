"""The record of what a job did: capped for each kind, so that noise cannot hide signal."""

from __future__ import annotations

import time
from collections import Counter

from magicrune.observation import Event, EventKind

KEPT: dict[EventKind, int] = {
    EventKind.EXEC: 300,
    EventKind.OPEN_WRITE: 300,
    EventKind.SENSITIVE: 100,
    EventKind.CONNECT: 200,
    EventKind.DENIED: 200,
    EventKind.REMOVE: 100,
    EventKind.LIMIT: 50,
    EventKind.SIGNAL: 50,
    EventKind.TRAP: 50,
}
"""How many different events of a kind are kept; all are counted. Enough to show a pattern,
few enough (1350 in all, each text at most _ARGV_MAX) to bound what a job can make us hold."""

_GRANTED = frozenset({EventKind.OPEN_WRITE, EventKind.REMOVE})
"""Recorded here only of changes that were made, so within the grant: not to list the last ones
hides nothing. (What was refused is of kind `DENIED`.)"""
_TEXT_MAX = 1024
_ARGV_MAX = 4096


class Recorder:
    """Keeps the first occurrence of each different event, and counts them all."""

    def __init__(self) -> None:
        self._started = time.monotonic_ns()
        self._seen: set[tuple[EventKind, tuple[tuple[str, str | int], ...]]] = set()
        self._kept: Counter[EventKind] = Counter()
        self.events: list[Event] = []
        self.counts: Counter[EventKind] = Counter()
        self._dropped = False

    def flooded(self) -> bool:
        """Whether different events of some kind were more than are kept, but for changes within
        the grant."""
        return self._dropped

    def record(self, kind: EventKind, detail: dict[str, str | int]) -> None:
        """Notes one act. Text is cut at 1024 characters; ``argv`` at 4096, and then it says
        ``cut``, because what an argument vector does not show may be a destination."""
        self.counts[kind] += 1
        cut = {k: _shorten(k, v) for k, v in detail.items()}
        if len(str(detail.get("argv", ""))) > _ARGV_MAX:
            cut["cut"] = 1
        key = (kind, tuple(cut.items()))
        if key in self._seen:
            return
        if self._kept[kind] >= KEPT[kind]:
            self._dropped |= kind not in _GRANTED
            return
        self._seen.add(key)
        self._kept[kind] += 1
        at_ms = (time.monotonic_ns() - self._started) // 1_000_000
        self.events.append(Event(at_ms, kind, cut))


def _shorten(name: str, value: str | int) -> str | int:
    if not isinstance(value, str):
        return value
    return value[: _ARGV_MAX if name == "argv" else _TEXT_MAX]
