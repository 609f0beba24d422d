"""What a worker counts, and where it writes it."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from pathlib import Path

from magicrune.errors import OutputFailed
from magicrune.newfile import put

_NAMES = ("green", "yellow", "red", "errors", "duplicates", "postponed", "abandoned", "refused")
_HELP = {
    "green": "Runs graded green",
    "yellow": "Runs graded yellow",
    "red": "Runs graded red",
    "errors": "Requests answered with an error of ours",
    "duplicates": "Deliveries whose answer was known",
    "postponed": "Deliveries handed back for later",
    "abandoned": "Runs whose claim another worker took",
    "refused": "Messages that are no request",
}
_COUNTED = {
    "known": "duplicates",
    "postponed": "postponed",
    "later": "postponed",
    "release": "postponed",
    "abandon": "abandoned",
    "refused": "refused",
    "dead": "errors",
    "unknown": "errors",
}


class Metrics:
    """Counts by what is noted; writes a line on stderr and the files now and then."""

    def __init__(self, every: int, file: str, textfile: str) -> None:
        self._every = every
        self._files = [
            (Path(path), shape)
            for path, shape in ((file, self.as_json), (textfile, self.as_text))
            if path
        ]
        self._counts: Counter[str] = Counter()
        self._told = 0
        self._started = time.time()

    @property
    def processed(self) -> int:
        return sum(self._counts[name] for name in ("green", "yellow", "red", "errors"))

    def count(self, event: str, verdict: str | None) -> None:
        """One event of a delivery (the names of delivery.py)."""
        name = verdict if event == "done" else _COUNTED.get(event)
        if name:
            self._counts[name] += 1
        if self._every and self.processed >= self._told + self._every:
            self._told = self.processed
            self._say()
            self.write()

    def write(self) -> None:
        """The files, each atomically. Raises OutputFailed."""
        for path, shape in self._files:
            try:
                put(path, shape().encode(), 0o644)
            except OSError as error:
                reason = error.strerror or str(error)
                raise OutputFailed(f"cannot write: {reason}", where=str(path)) from error

    def as_json(self) -> str:
        """One object."""
        counts = {name: self._counts[name] for name in _NAMES}
        return json.dumps({"processed": self.processed, **counts, "started": self._started}) + "\n"

    def as_text(self) -> str:
        """Prometheus' text format."""
        lines = []
        for name in _NAMES:
            full = f"magicrune_worker_{name}_total"
            lines += [f"# HELP {full} {_HELP[name]}.", f"# TYPE {full} counter"]
            lines.append(f"{full} {self._counts[name]}")
        return "\n".join(lines) + "\n"

    def summary(self) -> str:
        """A few words for a person."""
        named = ((name, self._counts[name]) for name in ("green", "yellow", "red", "errors"))
        parts = ", ".join(f"{count} {name}" for name, count in named if count)
        return f"{self.processed} answered" + (f" ({parts})" if parts else "")

    def _say(self) -> None:
        dupes, reds = self._counts["duplicates"], self._counts["red"]
        line = f"magicrune: processed={self.processed} dupes={dupes} reds={reds}"
        print(line, file=sys.stderr, flush=True)
