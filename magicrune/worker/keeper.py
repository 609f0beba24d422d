"""Holds a claim while the job runs: tells the server and the bucket that we live."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from magicrune.worker.claim import Claim, ClaimLost, Claims

if TYPE_CHECKING:
    from nats.aio.msg import Msg


class Keeper:
    """Beats every `pause` seconds from its making until `stop`."""

    def __init__(self, claims: Claims, key: str, claim: Claim, msg: Msg, pause: float) -> None:
        self._claims = claims
        self._key = key
        self._claim = claim
        self._msg = msg
        self._pause = pause
        self._stopped = asyncio.Event()
        self._lost = asyncio.Event()
        self._task = asyncio.create_task(self._beat())

    @property
    def lost(self) -> bool:
        """Whether another worker has the claim now."""
        return self._lost.is_set()

    async def wait_lost(self) -> None:
        """Until another worker has the claim."""
        await self._lost.wait()

    async def stop(self) -> Claim:
        """Ends the beat, after the one on its way: the claim with its revision now."""
        self._stopped.set()
        await self._task
        return self._claim

    async def _beat(self) -> None:
        from nats.errors import Error

        while not await self._is_over():
            try:
                await self._msg.in_progress()
                self._claim = await self._claims.write(self._key, self._claim)
            except ClaimLost:
                self._lost.set()
                return
            except (TimeoutError, Error, OSError):
                continue  # no server: the commit will find out who has the claim

    async def _is_over(self) -> bool:
        try:
            await asyncio.wait_for(self._stopped.wait(), self._pause)
        except TimeoutError:
            return False
        return True
