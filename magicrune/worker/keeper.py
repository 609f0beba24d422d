"""Holds a claim while the job runs: tells the server and the bucket that we live."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from magicrune.worker.claim import Claim, ClaimDamaged, ClaimLost, Claims

if TYPE_CHECKING:
    from nats.aio.msg import Msg


class Keeper:
    """Beats every `pause` seconds from its making until `stop`. Most jobs end before the first
    beat, so nothing but a timer is made for them."""

    def __init__(
        self,
        claims: Claims,
        key: str,
        claim: Claim,
        msg: Msg,
        pause: float,
        on_lost: Callable[[], None],
    ) -> None:
        """`on_lost` is called once, when the claim is no longer ours."""
        self._claims = claims
        self._key = key
        self._claim = claim
        self._msg = msg
        self._pause = pause
        self._on_lost = on_lost
        self._loop = asyncio.get_running_loop()
        self._beating: asyncio.Task[None] | None = None
        self._stopped = False
        self.lost = False
        """Whether another worker has the claim now, or something that is no claim is there."""
        self._wait()

    async def stop(self) -> Claim:
        """Ends the beat, after the one on its way: the claim with its revision now."""
        self._stopped = True
        self._timer.cancel()
        if self._beating is not None:
            await self._beating
        return self._claim

    def _wait(self) -> None:
        self._timer: asyncio.TimerHandle | asyncio.Task[None] = self._loop.call_later(
            self._pause, self._begin
        )

    def _begin(self) -> None:
        self._beating = self._loop.create_task(self._beat())

    async def _beat(self) -> None:
        from nats.errors import Error

        try:
            await self._msg.in_progress()
            self._claim = await self._claims.write(self._key, self._claim)
        except (ClaimLost, ClaimDamaged):
            self.lost = True
            self._on_lost()
            return
        except (TimeoutError, Error, OSError):
            pass  # no server: the commit will find out who has the claim
        if not self._stopped:
            self._wait()
