"""What a worker says on stderr: lines for a person, or JSON."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

from magicrune.worker.progress import Progress


class Log:
    """``log("claimed", run_id=..., reason=...)``. Values never hold control characters."""

    def __init__(self, worker: str, *, as_json: bool, status: Callable[[], str]) -> None:
        """`status` is shown below the last line, where there is a terminal."""
        self._worker = worker
        self._as_json = as_json
        self._status = status
        self._progress = Progress()

    def __call__(self, event: str, *, level: str = "info", **fields: Any) -> None:
        fields = {name: value for name, value in fields.items() if value not in (None, "")}
        if self._as_json:
            line = json.dumps(
                {
                    "time": round(time.time(), 3),
                    "level": level,
                    "event": event,
                    "worker": self._worker,
                    **fields,
                }
            )
        else:
            details = " ".join(f"{name}={value}" for name, value in fields.items())
            line = f"{time.strftime('%H:%M:%S')} {event} {details}".rstrip()
            line = "".join(c if c.isprintable() else "\ufffd" for c in line)
        self._progress.clear()
        print(line, file=sys.stderr, flush=True)
        self.refresh()

    def refresh(self) -> None:
        """Shows the status as it is now."""
        if not self._as_json:
            self._progress.show(self._status())

    def clear(self) -> None:
        """Takes the status away."""
        self._progress.clear()
