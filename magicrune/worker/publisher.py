"""Puts requests into the queue and finds their answers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from magicrune.errors import DuplicateRequest, NoAnswer, QueueUnavailable, RequestInvalid
from magicrune.request import request_sha256, run_id
from magicrune.worker.answers import Answer, Answers
from magicrune.worker.connection import connect
from magicrune.worker.topology import settle_topology
from magicrune.worker.wire import HEADROOM, MSG_ID, result_subject

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.js import JetStreamContext

    from magicrune.request import SpellRequest
    from magicrune.worker.settings import WorkerSettings

_LOOK_S = 1.0
"""An answer that came while we were not connected is not announced: looked for each so often."""


class Publisher:
    """A short connection: publish, wait, look."""

    def __init__(self, settings: WorkerSettings, client: Client, js: JetStreamContext) -> None:
        self._settings = settings
        self._client = client
        self._js = js
        self._answers = Answers(js, settings)

    @classmethod
    async def connected(cls, settings: WorkerSettings) -> Publisher:
        """Raises QueueUnavailable, QueueMismatch."""
        from nats.errors import Error

        client = await connect(settings, "magicrune-publish", lasting=False, say=lambda _: None)
        js = client.jetstream(timeout=settings.publish_timeout)
        try:
            await settle_topology(js, settings, migrate=False)
        except (TimeoutError, Error, OSError) as error:
            await client.close()
            raise QueueUnavailable(
                f"JetStream does not answer: {error or type(error).__name__}",
                where=settings.place,
                hint="start the server with JetStream (nats-server -js)",
            ) from error
        except BaseException:
            await client.close()
            raise
        return cls(settings, client, js)

    async def close(self) -> None:
        """Ends the connection."""
        await self._client.close()

    async def publish(self, request: SpellRequest, data: bytes) -> str:
        """Queues a request; its run id.

        Raises RequestInvalid where it is too large, DuplicateRequest where it is queued or
        answered already, QueueUnavailable where the server does not confirm it (it may be
        queued all the same: publishing it again is safe within the duplicate window and after
        its answer).
        """
        from nats.errors import Error

        name = run_id(request)
        room = self._client.max_payload - HEADROOM
        if len(data) > room:
            raise RequestInvalid(
                f"has {len(data)} bytes, a message of this server holds {room}",
                where=name,
                hint="raise max_payload of the server, or make the files smaller",
            )
        if await self._answers.find(name) is not None:
            raise _duplicate(name)
        try:
            ack = await self._js.publish(
                self._settings.subject,
                data,
                timeout=self._settings.publish_timeout,
                headers={MSG_ID: request_sha256(request)},
            )
        except (TimeoutError, Error, OSError) as error:
            raise QueueUnavailable(
                f"not confirmed: {error or type(error).__name__}", where=self._settings.place
            ) from error
        if ack.duplicate:
            raise _duplicate(name)
        return name

    async def answer(
        self, name: str, wait: float, look: Callable[[float], None] = lambda _: None
    ) -> Answer:
        """The answer to a run, waited for at most `wait` seconds. Raises NoAnswer.

        `look` is called now and then, with the seconds that are left.
        """
        news = asyncio.Event()

        async def heard(_: object) -> None:
            news.set()

        subscription = await self._client.subscribe(result_subject(name), cb=heard)
        deadline = time.monotonic() + wait
        try:
            while True:
                news.clear()
                if (found := await self._answers.find(name)) is not None:
                    return found
                left = deadline - time.monotonic()
                if left <= 0:
                    raise NoAnswer(
                        f"no answer within {wait:g} s" if wait else "no answer is stored",
                        where=name,
                        hint="magicrune result looks again; is a worker running?",
                    )
                look(left)
                try:
                    await asyncio.wait_for(news.wait(), min(left, _LOOK_S))
                    # Core subscribers hear it a moment before the stream has stored it.
                    await asyncio.sleep(0.001)
                except TimeoutError:
                    continue
        finally:
            await subscription.unsubscribe()


def _duplicate(name: str) -> DuplicateRequest:
    return DuplicateRequest(
        "is queued or answered already; it was not queued again",
        where=name,
        hint=f"--attach waits for that answer; magicrune result {name}",
    )
