"""Init's exit report as the ending and the usage of the run. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from magicrune.backends.rune.frames import FrameInvalid
from magicrune.observation import Ending, Event, EventKind, Usage

_REASONS = {
    "wall": (Ending.TIMEOUT, "wall"),
    "cpu": (Ending.CPU_LIMIT, "cpu"),
    "output": (Ending.OUTPUT_LIMIT, "output"),
}
_NET = "net"
"""The reason where the broker had init end the job: which limit it was, the broker tells."""
_DENIED = "denied"
"""The reason where init ended the job for what it did: a `denied` event says what."""
_KILLED = "killed"
"""The reason where init was told from outside to end all."""
_REFUSALS = {
    "memory": Ending.OOM,
    "pids": Ending.PIDS_LIMIT,
    "disk": Ending.DISK_LIMIT,
    "files": Ending.FILE_LIMIT,
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended, and what it used."""

    ending: Ending
    exit_code: int | None
    signal: int | None
    usage: Usage
    limit_events: tuple[Event, ...]
    limit_count: int
    """How often a limit was met, as far as the kernel counts it."""
    ended_ms: float
    """When init ordered the end, since the start of the job; where the job ended by itself, when
    it had. What dies on a loaded machine may be dead only later (`usage.wall_ms`)."""
    ended_cpu_ms: float
    """Processor time that had been used by then."""


def read_outcome(report: Mapping[str, Any], output_bytes: int) -> Outcome:
    """Raises FrameInvalid where the report lacks something or makes no sense.

    What ended the job is what init told: what it saw when it ordered the end.
    """
    try:
        return _read(report, output_bytes)
    except (KeyError, TypeError, ValueError) as error:
        raise FrameInvalid(f"exit report: {error!r}") from error


def _read(report: Mapping[str, Any], output_bytes: int) -> Outcome:
    hits = dict(_hits(report))
    exit_code, signal = _number(report["exit"]), _number(report["signal"])
    reason = report["reason"]
    if reason in _REASONS:
        ending, limit = _REASONS[reason]
        hits.setdefault(limit, 1)
        exit_code = None
    elif reason == _NET:
        ending, exit_code = Ending.NET_LIMIT, None
    elif reason == _DENIED:
        ending, exit_code = Ending.POLICY_DENIED, None
    elif reason == "exited":
        ending = _natural_ending(exit_code, signal, hits)
    elif reason == _KILLED:
        ending, exit_code = Ending.INFRA_ERROR, None
    else:
        raise ValueError(f"reason {reason!r}")
    at_ms = int(report["wall_us"]) // 1000
    return Outcome(
        ending,
        exit_code,
        signal,
        _usage(report, output_bytes),
        tuple(Event(at_ms, EventKind.LIMIT, {"limit": limit}) for limit in hits),
        sum(hits.values()),
        ended_ms=_ended(report, "wall_us", "ordered_us"),
        ended_cpu_ms=_ended(report, "cpu_us", "ordered_cpu_us"),
    )


def _ended(report: Mapping[str, Any], used: str, ordered: str) -> float:
    value = _number(report[ordered])
    return int(report[used] if value is None else value) / 1000


def _natural_ending(exit_code: int | None, signal: int | None, hits: Mapping[str, int]) -> Ending:
    """A refusal is the ending only of a job that then failed (observation.Ending)."""
    if exit_code is None and signal is None:
        raise ValueError("neither exit nor signal")
    if exit_code != 0:
        for limit in hits:
            return _REFUSALS[limit]
    return Ending.SIGNALLED if signal is not None else Ending.EXITED


def _hits(report: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    for limit, key in (("memory", "oom_kills"), ("pids", "pids_hits")):
        count = _number(report[key])
        if count:
            yield limit, count
    fills = report["tmp"]
    for limit, key in (("disk", "full"), ("files", "no_files")):
        count = sum(bool(fill[key]) for fill in fills)
        if count:
            yield limit, count


def _usage(report: Mapping[str, Any], output_bytes: int) -> Usage:
    fills = report["tmp"]
    return Usage(
        wall_ms=int(report["wall_us"]) / 1000,
        cpu_ms=int(report["cpu_us"]) / 1000,
        memory_peak_bytes=_number(report["memory_peak_bytes"]),
        processes=_number(report["processes"]),
        tmp_peak_bytes=sum(int(fill["bytes"]) for fill in fills),
        # An empty file system counts its own root.
        files_peak=sum(max(int(fill["files"]) - 1, 0) for fill in fills),
        output_bytes=output_bytes,
    )


def _number(value: object) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{value!r} is no number")
    return value
