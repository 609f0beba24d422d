"""The guards of the worker, each with the way to take exactly it out of this process.

Without it the invariant must break, else the test of it proves nothing. The product has no
such switches: `tests.worker_process` uses them in processes of its own.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from magicrune.cancellation import Cancellation
from magicrune.worker import (
    answers,
    claim,
    closing,
    connection,
    consumer,
    delivery,
    keeper,
    publisher,
    settle,
    topology,
)

GUARDS: dict[str, Callable[[], None]] = {}


def guard(take_out: Callable[[], None]) -> Callable[[], None]:
    GUARDS[take_out.__name__] = take_out
    return take_out


# -- the claim -------------------------------------------------------------------------------


async def _unfenced(self: Any, key: str, new: claim.Claim) -> claim.Claim:
    ack = await self._js.publish(self._subject(key), claim.encode(new))
    return replace(new, revision=ack.seq)


@guard
def fence() -> None:
    """Whoever writes a claim last has it."""
    claim.Claims.write = _unfenced  # type: ignore[method-assign]


@guard
def claims() -> None:
    """No claim is looked at or compared."""

    async def unread(_self: Any, _key: str) -> None:
        return None

    claim.Claims.read = unread  # type: ignore[method-assign, assignment]
    fence()


@guard
def bucket() -> None:
    """A bucket that is gone counts as one that knows nothing."""
    read = claim.Claims.read

    async def blind(self: Any, key: str) -> Any:
        from nats.js.errors import NotFoundError

        try:
            return await read(self, key)
        except NotFoundError:
            return None

    claim.Claims.read = blind  # type: ignore[method-assign]


@guard
def written() -> None:
    """A run begins whether its claim could be written or not."""
    insist = claim.Claims.insist

    async def careless(self: Any, key: str, new: claim.Claim, complain: Any) -> Any:
        if new.state != "running":
            return await insist(self, key, new, complain)
        try:
            return await self.write(key, new)
        except Exception:  # noqa: BLE001
            return new

    claim.Claims.insist = careless  # type: ignore[method-assign]


@guard
def insist() -> None:
    """What cannot be written at once is given up."""

    async def once(self: Any, key: str, new: claim.Claim, _complain: Any) -> Any:
        return await self.write(key, new)

    claim.Claims.insist = once  # type: ignore[method-assign]


@guard
def own() -> None:
    """A write of our own, or a claim that was evicted, is taken for another worker's."""

    def lost(_self: Any, key: str, _claim: Any, _found: Any) -> int:
        raise claim.ClaimLost(key)

    claim.Claims._revision_to_follow = lost  # type: ignore[method-assign]


@guard
def damage() -> None:
    """A claim that cannot be read is a defect like any other."""
    decode = claim.decode

    def plain(data: bytes, revision: int) -> claim.Claim:
        try:
            return decode(data, revision)
        except claim.ClaimDamaged as error:
            raise ValueError(str(error)) from None

    claim.decode = plain


# -- the beat --------------------------------------------------------------------------------


class _Silent:
    """In the place of a message or of the claims: says nothing."""

    async def in_progress(self) -> None:
        return

    async def write(self, _key: str, held: claim.Claim) -> claim.Claim:
        return held


def _beat_without(**silent: Any) -> None:
    made = keeper.Keeper.__init__

    def init(self: Any, *args: Any, **options: Any) -> None:
        made(self, *args, **options)
        for name, each in silent.items():
            setattr(self, name, each)

    keeper.Keeper.__init__ = init  # type: ignore[method-assign]


@guard
def server_beat() -> None:
    """The server is not told that a request is worked on."""
    _beat_without(_msg=_Silent())


@guard
def claim_beat() -> None:
    """The bucket is not."""
    _beat_without(_claims=_Silent())


@guard
def heartbeat() -> None:
    """Neither is."""
    server_beat()
    claim_beat()


@guard
def watch() -> None:
    """A claim that is held counts as a dead worker's at once."""

    async def dead(*_: Any) -> bool:
        return True

    delivery._watch = dead


@guard
def monotonic() -> None:
    """How long a holder was silent is told by the time of day of its last beat."""

    async def watch_by_the_clock(desk: Any, msg: Any, key: str, _held: claim.Claim) -> bool:
        await msg.in_progress()
        await asyncio.sleep(desk.settings.ack_wait / 3)
        found = await desk.js.get_last_msg("KV_RUN_CLAIMS", f"$KV.RUN_CLAIMS.{key}")
        silent = time.time() - found.time.timestamp()
        return bool(silent > desk.settings.ack_wait / 3 * 4)

    delivery._watch = watch_by_the_clock


# -- what becomes of a request ---------------------------------------------------------------


def _before_a_run(change: Callable[[settle.Case], settle.Case]) -> None:
    before = settle._before
    settle._before = lambda case: before(change(case))


def _of_the_claim(**changes: Any) -> Callable[[settle.Case], settle.Case]:
    def change(case: settle.Case) -> settle.Case:
        if case.claim is None:
            return case
        return replace(case, claim=replace(case.claim, **changes))

    return change


@guard
def committed() -> None:
    """A committed answer is none: the request counts as given back."""

    def change(case: settle.Case) -> settle.Case:
        done = case.claim is not None and case.claim.state == "committed"
        return _of_the_claim(state="released")(case) if done else case

    _before_a_run(change)


@guard
def takeover() -> None:
    """A worker that holds a claim is alive for ever."""
    _before_a_run(lambda case: replace(case, silent=case.silent and False))


@guard
def attempts() -> None:
    """Nobody counts how often a request was begun."""
    _before_a_run(lambda case: replace(case, attempts_max=1 << 30))


@guard
def here() -> None:
    """A worker does not know what it runs itself."""
    _before_a_run(lambda case: replace(case, here=False))


@guard
def unknown() -> None:
    """A job that could reach the network is taken for one that could not."""
    _before_a_run(_of_the_claim(networked=False))


@guard
def cancel() -> None:
    """A job that is worth nothing any more goes on."""
    Cancellation.cancel = lambda _: None  # type: ignore[method-assign]


# -- messages --------------------------------------------------------------------------------


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


# -- server and streams ----------------------------------------------------------------------


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


# -- the publisher ---------------------------------------------------------------------------


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
