"""What goes over the queue: subjects, headers, and results made to fit. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from magicrune.errors import MagicRuneError, ResultInvalid

if TYPE_CHECKING:
    from magicrune.result import SpellResult

MSG_ID = "Nats-Msg-Id"
LAST_SEQUENCE = "Nats-Expected-Last-Subject-Sequence"
COMMIT = "Magicrune-Commit"
"""Of a stored answer: which commit it tells, so that none is told twice."""
KIND = "Magicrune-Kind"
"""``result`` (a SpellResult) or ``error`` (an error document)."""
REASON = "Magicrune-Reason"
REPLY = "Magicrune-Reply"
"""Of a request: an inbox to tell what is wrong with it, where it has no run id."""
CUT = "Magicrune-Cut"
"""Of what was put aside: it was longer than a message may be with its headers."""
_INBOX = re.compile(r"_INBOX(\.[A-Za-z0-9_-]{1,64}){1,4}")
NO_MESSAGE = 10037
"""JetStream's error code where a stream has no message of a subject."""
WRONG_LAST_SEQUENCE = 10071
"""JetStream's error code where the expected last sequence is another one."""
HEADROOM = 4096
"""Bytes of a message besides the document: headers, and the claim's own line."""
PAYLOAD_MIN = 32 << 10
"""Bytes that a message must hold: HEADROOM, and a result without output. That of a job without
a network has 5 KB; what it may tell of attempts and connections is the rest."""


def result_subject(run_id: str) -> str:
    """Where the answer to a run goes."""
    return f"run.res.{run_id}"


def dead_subject(subject: str) -> str:
    """Where a request from `subject` goes that cannot be run."""
    return "run.dlq." + subject.rpartition(".")[2]


def reply_subject(headers: Mapping[str, str] | None) -> str | None:
    """The inbox that a request names. Any other subject is not used: whoever may publish a
    request would borrow the worker's rights, such as that to delete a stream."""
    named = (headers or {}).get(REPLY, "")
    return named if _INBOX.fullmatch(named) else None


def error_document(error: MagicRuneError, run_id: str | None) -> bytes:
    """An answer that is no result: why there is none (the shape of ``exec``'s errors)."""
    body: dict[str, Any] = {
        "error": {
            "code": error.code,
            "message": error.message,
            "where": error.where,
            "hint": error.hint,
            "retryable": error.retryable,
        },
        "run_id": run_id,
    }
    return json.dumps(body).encode() + b"\n"


def fit(result: SpellResult, room: int) -> bytes:
    """The result in at most `room` bytes: contents of artifacts are left out (the largest
    first; size and hash stay), then output is cut, and the result says so.

    The whole output stays out of reach then: nothing else keeps it. Raises ResultInvalid
    where not even that fits.
    """
    from magicrune.result import to_json

    document = to_json(result)
    artifacts = list(result.artifacts)
    order = sorted(range(len(artifacts)), key=lambda i: -len(artifacts[i].content_b64 or ""))
    for index in order:
        if len(document) <= room:
            return document
        artifacts[index] = artifacts[index].model_copy(update={"content_b64": None})
        result = result.model_copy(update={"artifacts": tuple(artifacts)})
        document = to_json(result)
    for name in ("stdout", "stderr"):
        if len(document) > room and (text := getattr(result, name)):
            # JSON spells a character with at most twelve bytes (a surrogate pair).
            keep = max(0, len(text) - (len(document) - room)) // 12 // 4 * 4
            result = result.model_copy(update={name: text[:keep], f"{name}_trunc": True})
            document = to_json(result)
    if len(document) > room:
        raise ResultInvalid(
            f"has {len(document)} bytes without output, a message holds {room}",
            hint="raise max_payload of the server",
        )
    return document
