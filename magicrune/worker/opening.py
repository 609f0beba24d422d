"""From nothing to a queue that can be served: the server, JetStream, the streams."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from magicrune.errors import QueueMismatch, QueueUnavailable
from magicrune.worker.connection import connect
from magicrune.worker.topology import settle_topology
from magicrune.worker.wire import PAYLOAD_MIN

if TYPE_CHECKING:
    from nats.aio.client import Client

    from magicrune.worker.settings import WorkerSettings

_PAUSE_S = 1.0


async def open_queue(
    settings: WorkerSettings,
    name: str,
    policy_sha256: str,
    *,
    migrate: bool,
    say: Callable[..., None],
    ended: asyncio.Event,
) -> Client | None:
    """A connection with all streams in place. Waits for a server as long as it takes, then
    `settings.ready_wait` for its JetStream; None where `ended` is set meanwhile.

    Raises QueueUnavailable (at once where `settings.require_nats`) and QueueMismatch.
    """
    client = await _connected(settings, name, say, ended)
    if client is None:
        return None
    try:
        if client.max_payload < PAYLOAD_MIN:
            raise QueueMismatch(
                f"is {client.max_payload}, an answer may need {PAYLOAD_MIN}",
                where=f"max_payload of {settings.place}",
                hint="raise it in the server's configuration",
            )
        if await _settled(client, settings, policy_sha256, migrate, say, ended):
            return client
    except BaseException:
        await client.close()
        raise
    await client.close()
    return None


async def _connected(
    settings: WorkerSettings, name: str, say: Callable[..., None], ended: asyncio.Event
) -> Client | None:
    while not ended.is_set():
        try:
            return await connect(settings, name, lasting=True, say=say)
        except QueueUnavailable as error:
            if settings.require_nats:
                raise
            await _wait(error, say, ended)
    return None


async def _settled(
    client: Client,
    settings: WorkerSettings,
    policy_sha256: str,
    migrate: bool,
    say: Callable[..., None],
    ended: asyncio.Event,
) -> bool:
    """False where `ended` is set before."""
    from nats.errors import Error

    js = client.jetstream(timeout=settings.publish_timeout)
    deadline = time.monotonic() + settings.ready_wait
    while not ended.is_set():
        try:
            await settle_topology(js, settings, migrate=migrate, policy_sha256=policy_sha256)
            return True
        except (TimeoutError, Error, OSError) as error:
            unavailable = QueueUnavailable(
                f"JetStream does not answer: {error or type(error).__name__}",
                where=settings.place,
                hint="start the server with JetStream (nats-server -js)",
            )
            if settings.require_nats or time.monotonic() > deadline:
                raise unavailable from error
            await _wait(unavailable, say, ended)
    return False


async def _wait(why: QueueUnavailable, say: Callable[..., None], ended: asyncio.Event) -> None:
    say("waiting", level="warning", reason=str(why)[:300])
    try:
        await asyncio.wait_for(ended.wait(), _PAUSE_S)
    except TimeoutError:
        return
