"""Who may run a request, and what came of it: one key a request, changed by compare-and-set.

The revision of a key is its fencing token: whoever writes must name the revision that it
saw, and the server refuses all others (`ClaimLost`). A bucket of JetStream's key-value
store, written as the stream that it is, because the store's own client cannot bound the
number of keys (topology.py).
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from magicrune.errors import MagicRuneError
from magicrune.request import run_id
from magicrune.worker.wire import LAST_SEQUENCE, NO_MESSAGE, WRONG_LAST_SEQUENCE

if TYPE_CHECKING:
    from nats.js import JetStreamContext

    from magicrune.request import SpellRequest

State = Literal["running", "released", "committed"]


class ClaimLost(Exception):
    """Another one wrote since: what we hold is worth nothing. Never leaves this package."""


class ClaimDamaged(MagicRuneError):
    """Something wrote into the bucket that is no claim: the request is not run on its word."""

    code = "MR-4607"

    def __init__(self, message: str, revision: int) -> None:
        super().__init__(message, where="bucket", hint="who may write to $KV.RUN_CLAIMS.*?")
        self.revision = revision


@dataclass(frozen=True, slots=True)
class Claim:
    """The state of one request."""

    state: State
    token: str
    """Of one hold by one worker; a commit keeps it."""
    worker: str
    run_id: str
    attempt: int
    """Executions that were begun, with this one."""
    networked: bool
    """Whether the job may have acted on others, so that a second run is no first one."""
    repeatable: bool = False
    """Whether the request says that a second run is no harm."""
    failure: str = ""
    """Why the last worker that gave it back could not run it."""
    kind: str = ""
    document: bytes = b""
    """The answer, once committed."""
    revision: int = 0


def fresh_claim(worker: str, request: SpellRequest, found: Claim | None) -> Claim:
    """Of `worker`, in the place of the one that was `found`; not written yet."""
    return Claim(
        state="running",
        token=secrets.token_hex(8),
        worker=worker,
        run_id=run_id(request),
        attempt=found.attempt + 1 if found else 1,
        networked=bool(request.allow_net),
        repeatable=request.repeatable,
        revision=found.revision if found else 0,
    )


_HEAD = (
    *("state", "token", "worker", "run_id", "attempt", "networked", "repeatable"),
    *("failure", "kind"),
)


def encode(claim: Claim) -> bytes:
    """One line of JSON, then the document."""
    head = {name: getattr(claim, name) for name in _HEAD}
    return json.dumps(head).encode() + b"\n" + claim.document


def decode(data: bytes, revision: int) -> Claim:
    """Raises ClaimDamaged for what is no claim."""
    head, _, document = data.partition(b"\n")
    try:
        claim = Claim(**json.loads(head), document=document, revision=revision)
    except (TypeError, ValueError, RecursionError) as error:
        raise ClaimDamaged(f"is no claim: {error}"[:300], revision) from None
    texts = (claim.token, claim.worker, claim.run_id, claim.failure, claim.kind)
    if (
        claim.state not in ("running", "released", "committed")
        or not all(isinstance(each, str) for each in texts)
        or type(claim.attempt) is not int
        or type(claim.networked) is not bool
        or type(claim.repeatable) is not bool
    ):
        raise ClaimDamaged("is no claim: a value has the wrong type", revision)
    return claim


class Claims:
    """The bucket, for one worker. Methods raise what the client raises where the server does
    not answer."""

    def __init__(self, js: JetStreamContext, bucket: str, timeout: float, worker: str) -> None:
        self._js = js
        self._bucket = bucket
        self._timeout = timeout
        self._worker = worker

    async def read(self, key: str) -> Claim | None:
        """The claim of the request `key`; None where it is not known."""
        from nats.js.errors import NotFoundError

        try:
            found = await self._js.get_last_msg(f"KV_{self._bucket}", self._subject(key))
        except NotFoundError as error:
            if error.err_code != NO_MESSAGE:
                raise  # the stream itself is gone: that says nothing about the request
            return None
        return decode(found.data or b"", found.seq or 0)

    async def write(self, key: str, claim: Claim) -> Claim:
        """Puts `claim` in the place of the one with its revision (0: of none).

        Raises ClaimLost where another one's is there. A write of our own whose confirmation
        came late, or a claim that fell out of the bucket meanwhile, is no loss.
        """
        from nats.errors import TimeoutError as NoAnswer
        from nats.js.errors import APIError

        data, revision = encode(claim), claim.revision
        while True:
            headers = {LAST_SEQUENCE: str(revision)}
            try:
                ack = await self._js.publish(
                    self._subject(key), data, timeout=self._timeout, headers=headers
                )
                return replace(claim, revision=ack.seq)
            except APIError as error:
                if error.err_code != WRONG_LAST_SEQUENCE:
                    raise
                found = await self.read(key)
            except (TimeoutError, NoAnswer):
                found = await self.read(key)
                if (found.revision if found else 0) == revision:
                    raise  # nobody has it: the write was lost, or is on its way yet
            if found is not None and encode(found) == data:
                return found
            revision = self._revision_to_follow(key, claim, found)

    def _revision_to_follow(self, key: str, claim: Claim, found: Claim | None) -> int:
        """Where what is there is nobody else's. Raises ClaimLost."""
        if found is None and claim.revision:
            return 0  # fell out of the bucket; whoever else makes it anew is told by the server
        ours = claim.worker == self._worker
        if found is not None and ours and found.state == "running" and found.token == claim.token:
            return found.revision
        raise ClaimLost(key)

    async def insist(self, key: str, claim: Claim, complain: Callable[[str], None]) -> Claim:
        """As `write`, until the server has answered: what was run must not be lost for its
        silence. `complain` is told of each try that failed. Where there is no bucket nothing
        was written, so what is not run yet need not be: that is raised."""
        from nats.errors import Error
        from nats.js.errors import NoStreamResponseError

        pause = 0.1
        while True:
            try:
                return await self.write(key, claim)
            except (Error, OSError, TimeoutError) as error:
                if isinstance(error, NoStreamResponseError) and claim.state == "running":
                    raise
                complain(f"{type(error).__name__}: {error}"[:300])
                await asyncio.sleep(pause)
                pause = min(pause * 2, 5.0)

    def _subject(self, key: str) -> str:
        return f"$KV.{self._bucket}.{key}"
