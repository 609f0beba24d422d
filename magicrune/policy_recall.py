"""The policy read last, as plain values: reading YAML takes 15 ms of every start.

Only what the bytes of a file say is kept, by their digest; whether that makes a policy is
decided anew each time. It lies beside compiled modules, where only we can write.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from magicrune import policy_text
from magicrune.errors import MagicRuneError
from magicrune.locations import cache_dir
from magicrune.newfile import put
from magicrune.version import __version__

if TYPE_CHECKING:
    from magicrune.policy_text import Yaml

_NAME = "policy.json"


def recall(sha256: str) -> Yaml:
    """What the bytes of this digest say; None where that is not known."""
    try:
        kept: Any = json.loads((cache_dir() / _NAME).read_bytes())
        return kept["value"] if kept["key"] == _key(sha256) else None
    except (MagicRuneError, OSError, ValueError, LookupError, TypeError, RecursionError):
        return None


def remember(sha256: str, value: Yaml) -> None:
    """Keeps it for the next start, if that can be done."""
    try:
        target = cache_dir() / _NAME
        put(target, json.dumps({"key": _key(sha256), "value": value}).encode())
    except (MagicRuneError, OSError):
        return


def _key(sha256: str) -> str:
    """Another reader may understand the same bytes in another way."""
    reader = Path(policy_text.__file__).stat()
    return f"{__version__} {reader.st_mtime_ns:x} {reader.st_size:x} {sha256}"
