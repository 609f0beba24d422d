"""The stored answers: publish each once, find one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from magicrune.worker.wire import (
    COMMIT,
    KIND,
    LAST_SEQUENCE,
    MSG_ID,
    NO_MESSAGE,
    WRONG_LAST_SEQUENCE,
    result_subject,
)

if TYPE_CHECKING:
    from nats.js import JetStreamContext

    from magicrune.worker.claim import Claim
    from magicrune.worker.settings import WorkerSettings


@dataclass(frozen=True, slots=True)
class Answer:
    """A stored answer."""

    document: bytes
    kind: str
    commit: str
    sequence: int


class Answers:
    """The result stream."""

    def __init__(self, js: JetStreamContext, settings: WorkerSettings) -> None:
        self._js = js
        self._stream = settings.result_stream
        self._timeout = settings.publish_timeout

    async def find(self, run_id: str) -> Answer | None:
        """The answer to a run; None where none is stored (yet, or any more)."""
        from nats.js.errors import NotFoundError

        try:
            found = await self._js.get_last_msg(self._stream, result_subject(run_id))
        except NotFoundError as error:
            if error.err_code != NO_MESSAGE:
                raise  # the stream itself is gone: that says nothing about the request
            return None
        headers = found.headers or {}
        return Answer(
            found.data or b"", headers.get(KIND, ""), headers.get(COMMIT, ""), found.seq or 0
        )

    async def tell(self, claim: Claim) -> bool:
        """Publishes the answer of a committed claim, unless it is stored already (False)."""
        from nats.js.errors import APIError

        try:
            # As a rule none is stored: the server says so while it stores this one.
            return await self._publish(claim, 0)
        except APIError as error:
            if error.err_code != WRONG_LAST_SEQUENCE:
                raise
            stored = await self.find(claim.run_id)
            if stored is not None and stored.commit == claim.token:
                return False
            return await self._publish(claim, stored.sequence if stored else 0)

    async def _publish(self, claim: Claim, after: int) -> bool:
        headers = {
            MSG_ID: f"{claim.run_id}.{claim.token}",
            COMMIT: claim.token,
            KIND: claim.kind,
            LAST_SEQUENCE: str(after),
        }
        ack = await self._js.publish(
            result_subject(claim.run_id), claim.document, timeout=self._timeout, headers=headers
        )
        return not ack.duplicate
