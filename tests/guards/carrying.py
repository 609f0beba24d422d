"""How requests and answers are carried: messages, streams, the publisher."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from magicrune.worker import (
    answers,
    claim,
    closing,
    connection,
    consumer,
    publisher,
    topology,
)
from tests.guards.registry import guard

# -- messages -----------------------------------------------------------------------------------


def _acked_as_fetched(fetch: Callable[..., Any]) -> Callable[..., Any]:
    async def take(self: Any, pull: Any) -> Any:
        if msg := await fetch(self, pull):
            await msg._client.publish(msg.reply, b"+ACK")
        return msg

    return take


@guard
def ack_last() -> None:
    """A request is acked when it is taken, not when its answer is stored."""
    consumer.Worker._next = _acked_as_fetched(consumer.Worker._next)  # type: ignore[method-assign]


@guard
def one_a_slot() -> None:
    """More is fetched than can start now."""
    kept: list[Any] = []

    async def take(_self: Any, pull: Any) -> Any:
        from nats.errors import Error

        if not kept:
            try:
                kept.extend(await pull.fetch(20, timeout=1))
            except (Error, OSError, TimeoutError):
                return None
        return kept.pop(0)

    consumer.Worker._next = take  # type: ignore[method-assign]


@guard
def answered() -> None:
    """An answer is published whatever is stored already."""

    async def tell(self: Any, done: claim.Claim) -> bool:
        await self._js.publish(f"run.res.{done.run_id}", done.document)
        return True

    answers.Answers.tell = tell  # type: ignore[method-assign]


@guard
def bury_first() -> None:
    """What cannot be run is terminated before it is put aside."""
    bury = closing._bury

    async def term_first(desk: Any, msg: Any, *more: Any) -> None:
        await msg.term()
        await bury(desk, msg, *more)

    closing._bury = term_first


@guard
def term() -> None:
    """What cannot be run is handed back, not terminated."""
    from nats.aio.msg import Msg

    async def back(self: Any) -> None:
        await self.nak(delay=0.2)

    Msg.term = back  # type: ignore[method-assign]


@guard
def inbox() -> None:
    """The reply goes wherever the request says."""
    closing.reply_subject = lambda headers: (headers or {}).get("Magicrune-Reply")


@guard
def headers() -> None:
    """The client as it comes."""
    from nats.aio.client import Client

    from magicrune.worker.client import HardenedClient

    for name in ("_process_headers", "_build_message"):
        setattr(HardenedClient, name, getattr(Client, name))


@guard
def tls() -> None:
    """Nobody tells a stream over TLS that it is connected."""
    from nats.aio.client import Client

    from magicrune.worker.client import HardenedClient

    HardenedClient._process_connect_init = Client._process_connect_init  # type: ignore[method-assign]


# -- server and streams -------------------------------------------------------------------------


@guard
def reconnect() -> None:
    """A connection that breaks is not made again for ever."""
    connection._FOR_EVER = 1


@guard
def differences() -> None:
    """Streams and consumers are used as they are found."""
    topology._differences = lambda *_: []


def _streams_with(change: Callable[[Any], Any]) -> None:
    streams = topology._streams

    def changed(settings: Any) -> list[Any]:
        return [change(each) for each in streams(settings)]

    topology._streams = changed


@guard
def files() -> None:
    """Streams are kept in memory."""
    from nats.js.api import StorageType

    _streams_with(lambda each: each.evolve(storage=StorageType.MEMORY))


@guard
def bounds() -> None:
    """Streams may grow."""
    _streams_with(lambda each: each.evolve(max_msgs=-1, max_bytes=-1))


# -- the publisher ------------------------------------------------------------------------------


@guard
def message_id() -> None:
    """The server is not told which request it is."""
    publisher.MSG_ID = "Nothing"


@guard
def looked_up() -> None:
    """Nobody looks whether there is an answer already."""

    async def none(_self: Any, _run_id: str) -> None:
        return None

    answers.Answers.find = none  # type: ignore[method-assign]


@guard
def policies() -> None:
    """A queue takes workers of any policy."""
    topology._policy_line = lambda _: "any"


# -- in a container --------------------------------------------------------------------------


@guard
def outside() -> None:
    """The engine is told our own paths."""
    from magicrune.backends.rune.outside import Outside

    Outside.path = lambda _self, inside: inside  # type: ignore[method-assign]
