"""What a worker says on stderr: lines for a person, or JSON."""

from __future__ import annotations

import json
import sys
import time
from typing import Any


class Log:
    """``log("claimed", run_id=..., reason=...)``. Values never hold control characters."""

    def __init__(self, worker: str, *, as_json: bool) -> None:
        self._worker = worker
        self._as_json = as_json

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
        print(line, file=sys.stderr, flush=True)
