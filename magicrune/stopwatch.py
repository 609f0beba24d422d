"""Milliseconds by phase: what a result tells under `timings`."""

from __future__ import annotations

import time


class Stopwatch:
    """Started when made. By the monotonic clock: a jump of the wall clock is no phase."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, phase: str) -> None:
        """Ends a phase and begins the next."""
        now = time.perf_counter()
        self.laps[phase] = (now - self._last) * 1000
        self._last = now
