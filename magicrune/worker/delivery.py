"""One delivered request: whose it is, and what therefore becomes of it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from magicrune.errors import RequestInvalid
from magicrune.request import parse_request, request_sha256, run_id
from magicrune.worker.attempt import PULSES, attempt
from magicrune.worker.claim import Claim, ClaimDamaged, ClaimLost, fresh_claim
from magicrune.worker.closing import give_up, guarded, hand_back, refuse, tell
from magicrune.worker.settle import Action, Case, Settlement, settle

if TYPE_CHECKING:
    from nats.aio.msg import Msg

    from magicrune.request import SpellRequest
    from magicrune.worker.desk import Desk


async def serve(desk: Desk, msg: Msg) -> None:
    """Brings one message to its end; never raises but for cancellation."""
    try:
        request = parse_request(msg.data)
    except RequestInvalid as error:
        await guarded(desk, msg, refuse(desk, msg, error))
        return
    await guarded(desk, msg, _serve(desk, msg, request))


async def _serve(desk: Desk, msg: Msg, request: SpellRequest) -> None:
    key = request_sha256(request)
    # As a rule nobody has it: writing the claim finds that out, and saves the question.
    claim, look = None, msg.metadata.num_delivered > 1
    silent: bool | None = None
    watched = 0
    while True:
        try:
            if look:
                claim = await desk.claims.read(key)
            if silent and claim is not None and claim.revision != watched:
                silent = False  # it moved after all
            most = desk.settings.max_deliver
            here = key in desk.running
            step = settle(Case(claim=claim, here=here, silent=silent, attempts_max=most))
            if step.action is Action.WATCH and claim is not None:
                desk.note(step.action.value, run_id=claim.run_id, reason=step.reason)
                silent, watched = await _watch(desk, msg, key, claim), claim.revision
                if silent is not None:
                    continue
                step = Settlement(Action.LATER, "the worker stops")
            await _take(desk, msg, request, key, step, claim)
        except ClaimLost:
            silent, look = None, True  # somebody was faster: look again
            continue
        except ClaimDamaged as error:
            try:
                await _give_up_damaged(desk, msg, request, key, error)
            except (ClaimLost, ClaimDamaged):
                silent, look = None, True
                continue
        return


async def _take(
    desk: Desk, msg: Msg, request: SpellRequest, key: str, step: Settlement, claim: Claim | None
) -> None:
    if step.action is Action.RUN:
        await attempt(desk, msg, request, key, claim, step.reason)
        return
    desk.note(step.action.value, run_id=run_id(request), reason=step.reason)
    if step.action is Action.TELL and claim is not None:
        await tell(desk, msg, claim)
    elif step.action is Action.LATER:
        await hand_back(msg, step.delay)
    else:
        await give_up(desk, msg, key, step, claim or fresh_claim(desk.worker, request, None), None)


async def _give_up_damaged(
    desk: Desk, msg: Msg, request: SpellRequest, key: str, error: ClaimDamaged
) -> None:
    blank = replace(fresh_claim(desk.worker, request, None), revision=error.revision)
    step = Settlement(Action.DEAD, "its claim is damaged")
    desk.note("dead", run_id=blank.run_id, reason=str(error), level="error")
    await give_up(desk, msg, key, step, blank, error)


async def _watch(desk: Desk, msg: Msg, key: str, claim: Claim) -> bool | None:
    """Whether the holder of `claim` did nothing for a lease; None where this worker stops
    meanwhile. By our own clock alone: those of two machines are not compared."""
    pause = desk.settings.ack_wait / PULSES
    for _ in range(PULSES + 1):
        await msg.in_progress()
        if await _drained(desk, pause):
            return None
        now = await desk.claims.read(key)
        if now is None or now.revision != claim.revision:
            return False
    return True


async def _drained(desk: Desk, seconds: float) -> bool:
    """Waits so long; True as soon as the worker stops."""
    try:
        await asyncio.wait_for(desk.draining.wait(), seconds)
    except TimeoutError:
        return False
    return True
