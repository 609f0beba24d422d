"""What is told instead of a result where *we* failed, or the request cannot be read.

Apart from `result.py` because it must work when little else does, and load fast.
"""

from __future__ import annotations

from typing import Any

from magicrune.display import escape
from magicrune.errors import MagicRuneError

_TEXT_MAX = 1000


def error_document(error: MagicRuneError, *, run_id: str | None = None) -> dict[str, Any]:
    """``{"error": {code, message, where, hint, retryable}, "run_id"}``, safe to print."""
    fault = {
        "code": error.code,
        "message": escape(error.message, limit=_TEXT_MAX),
        "where": escape(error.where, limit=_TEXT_MAX),
        "hint": escape(error.hint, limit=_TEXT_MAX),
        "retryable": error.retryable,
    }
    return {"error": fault, "run_id": run_id}
