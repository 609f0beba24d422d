"""Init's event lines as events of the observation. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from magicrune.backends.rune.frames import FrameInvalid
from magicrune.backends.rune.record import home_of
from magicrune.observation import Event, EventKind
from magicrune.spec import Mount

_OWN = frozenset({"t", "k", "pid"})
_UNCAPPED = "fork"
"""Bursts beyond the cap are no loss: `processes` counts them all."""


def read_events(lines: Iterable[Mapping[str, Any]], mounts: tuple[Mount, ...]) -> Iterator[Event]:
    """The events, in init's order. Raises FrameInvalid for a line that init never writes."""
    for line in lines:
        try:
            kind, at_ms = EventKind(line["k"]), int(line["t"])
            detail = {key: _value(key, value) for key, value in line.items() if key not in _OWN}
        except (KeyError, ValueError, TypeError) as error:
            raise FrameInvalid(f"no event: {str(line)[:200]}") from error
        yield _judged(Event(at_ms, kind, detail), mounts)


def count_events(counts: Mapping[str, Any], events: Iterable[Event]) -> dict[EventKind, int]:
    """Counts of all events by kind; never fewer than are shown (an `open_write` that the
    sandbox refused is shown as denied)."""
    total = {EventKind(name): int(count) for name, count in counts.items() if count}
    shown: dict[EventKind, int] = {}
    for event in events:
        shown[event.kind] = shown.get(event.kind, 0) + 1
    return {kind: max(total.get(kind, 0), shown.get(kind, 0)) for kind in {*total, *shown}}


def is_complete(report: Mapping[str, Any]) -> bool:
    """Whether all that was watched for is in the record."""
    dropped = {kind: count for kind, count in report["dropped"].items() if kind != _UNCAPPED}
    return bool(report["watched"]) and not report["watch_lost"] and not any(dropped.values())


def _value(key: str, value: object) -> str | int:
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int):
        return value
    if isinstance(value, str):
        return _text(value)
    if key == "argv" and isinstance(value, list):
        return shlex.join(_text(word) for word in value)
    raise TypeError(key)


def _text(value: str) -> str:
    """Init writes each byte that is not ASCII as the character of its number."""
    return value.encode("latin-1").decode("utf-8", "replace")


def _judged(event: Event, mounts: tuple[Mount, ...]) -> Event:
    """A write below a read-only directory of the grant is refused by its owner (root), not
    by the mount, so init cannot tell; the spec does."""
    if event.kind is not EventKind.OPEN_WRITE:
        return event
    home = home_of(str(event.detail.get("path", "")), mounts)
    if home is None or home.writable:
        return event
    return Event(event.at_ms, EventKind.DENIED, {"op": "open_write", **event.detail})
