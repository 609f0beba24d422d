"""A run's way to be ended from another thread, and whether its job was let go by then."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from magicrune.errors import RunInterrupted


class Cancellation:
    """Of one run. Whoever started it may `cancel`; the backend says how the job is ended."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requested = False
        self._begun = False
        self._end: Callable[[], None] | None = None

    @property
    def begun(self) -> bool:
        """Whether the job may have done something: False is certain."""
        return self._begun

    def cancel(self) -> None:
        """Ends the job, and keeps one that is not begun from beginning. Any thread; again is
        no harm. The run ends soon after, with RunInterrupted or, where the job was done
        already, with what it did."""
        with self._lock:
            self._requested = True
            if self._end is not None:
                self._end()

    def begin(self) -> None:
        """For backends, the moment before the job is let go. Raises RunInterrupted."""
        with self._lock:
            if not self._requested:
                self._begun = True
                return
        self.check()

    def check(self) -> None:
        """Raises RunInterrupted where the run was cancelled."""
        if self._requested:
            raise RunInterrupted("was cancelled by whoever started it")

    @contextmanager
    def ending_by(self, end: Callable[[], None]) -> Iterator[None]:
        """While inside, `cancel` calls `end` (quick, any thread, never raises), at once where
        it was called before. It is not called any more once outside."""
        with self._lock:
            self._end = end
            if self._requested:
                end()
        try:
            yield
        finally:
            with self._lock:
                self._end = None
