"""Controls that can only be judged when the job has ended: its time, its output."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from magicrune.observation import ControlReading

if TYPE_CHECKING:
    from magicrune.backends.rune.outcome import Outcome
    from magicrune.spec import Limits

OVERRUN_MS = 1500
"""How late init may end a job and the limit still be called held, as in the WASI lane: init
looks every 50 ms, and a machine that is out of memory makes it late."""


def read_spent(limits: Limits, outcome: Outcome) -> Iterator[ControlReading]:
    """Readings of a finished run: of time, when the job ended or init ordered its end."""
    usage = outcome.usage
    yield _reading(
        "wall_time", "init's clock, kill of the namespace", limits.wall_ms, outcome.ended_ms
    )
    yield _reading(
        "cpu_time", "cgroup CPU clock, read by init", limits.cpu_ms, outcome.ended_cpu_ms
    )
    yield ControlReading(
        "output",
        "init reads it and ends the job",
        f"<= {limits.output_bytes}",
        f"{usage.output_bytes}",
        usage.output_bytes <= limits.output_bytes,
    )


def _reading(control: str, mechanism: str, limit: int, spent: float) -> ControlReading:
    held = spent <= limit + OVERRUN_MS
    return ControlReading(control, mechanism, f"<= {limit} ms", f"{spent:.0f} ms", held)
