"""What every delivery of one worker needs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from magicrune.worker.wire import HEADROOM

if TYPE_CHECKING:
    from nats.js import JetStreamContext

    from magicrune.cancellation import Cancellation
    from magicrune.request import SpellRequest
    from magicrune.result import SpellResult
    from magicrune.worker.answers import Answers
    from magicrune.worker.claim import Claim, Claims
    from magicrune.worker.settings import WorkerSettings

Run = Callable[["SpellRequest", "Cancellation"], Awaitable["SpellResult"]]
Note = Callable[..., None]


@dataclass(slots=True)
class Desk:
    """Of one worker."""

    js: JetStreamContext
    claims: Claims
    answers: Answers
    settings: WorkerSettings
    worker: str
    run: Run
    note: Note
    """Tells what happened: ``note("claimed", run_id=..., reason=...)``."""
    say: Callable[..., Awaitable[None]]
    """Publishes outside of all streams: ``say(subject, data, headers=...)``."""
    spawn: Callable[[Coroutine[Any, Any, None]], None]
    """Does it beside the next request; the worker waits for it before it ends."""
    max_payload: Callable[[], int]
    """Bytes of a message, as the server that we are connected to says."""
    running: set[str]
    draining: asyncio.Event
    """Set when no further request is begun."""
    skip_ack: bool = False
    cancellations: set[Cancellation] = field(default_factory=set)
    stopped: bool = False

    @property
    def room(self) -> int:
        """Bytes of a document in a message."""
        return max(0, self.max_payload() - HEADROOM)

    def stop(self) -> None:
        """The grace period is over: ends what runs, and what is about to."""
        self.stopped = True
        for each in self.cancellations:
            each.cancel()

    @contextmanager
    def cancelling(self, cancellation: Cancellation) -> Iterator[None]:
        """While inside, `stop` ends that run."""
        self.cancellations.add(cancellation)
        if self.stopped:
            cancellation.cancel()
        try:
            yield
        finally:
            self.cancellations.discard(cancellation)

    async def insist(self, key: str, claim: Claim) -> Claim:
        """`Claims.insist`, and says of each try that failed. Raises ClaimLost."""

        def complain(reason: str) -> None:
            self.note("not written", run_id=claim.run_id, reason=reason, level="warning")

        return await self.claims.insist(key, claim, complain)
