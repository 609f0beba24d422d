"""One call of the command line in this process, and what it came to."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

SECRET = "magicrune-test-secret"


@dataclass(frozen=True)
class Done:
    """What one call of the command line came to."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """stdout as the one JSON document that it must be."""
        assert self.out.endswith("\n")
        assert self.out.count("\n") == 1
        value: dict[str, Any] = json.loads(self.out)
        return value


Call = Callable[..., Done]
RED = {
    "stdout": SECRET,
    "stderr": SECRET,
    "artifacts": [{"path": "/workspace/out/a", "content": SECRET}],
    "events": [
        {"at_ms": 1, "kind": "sensitive", "detail": {"path": "/workspace/.ssh/id", "op": "open"}},
        {"at_ms": 2, "kind": "connect", "detail": {"host": "evil.example.net", "port": 443}},
    ],
}
YELLOW = {
    "events": [{"at_ms": 1, "kind": "sensitive", "detail": {"path": "/x/.ssh/id", "op": "open"}}]
}
