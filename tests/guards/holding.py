"""How a request is held: the claim, and the beat."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

from magicrune.worker import (
    claim,
    delivery,
    keeper,
)
from tests.guards.registry import guard

# -- the claim ----------------------------------------------------------------------------------


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


# -- the beat -----------------------------------------------------------------------------------


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
        found = await desk.js.get_last_msg("KV_RUN_CLAIMS", f"$KV.RUN_CLAIMS.{key}")
        silent = time.time() - found.time.timestamp()
        return bool(silent > desk.settings.ack_wait / 3 * 4)

    delivery._watch = watch_by_the_clock
