"""One run of a request under a claim of ours, and what it leads to."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from typing import TYPE_CHECKING

from magicrune.cancellation import Cancellation
from magicrune.errors import MagicRuneError, ResultInvalid, RunInterrupted, translate
from magicrune.worker.claim import Claim, ClaimLost, fresh_claim
from magicrune.worker.closing import answer, give_up, hand_back
from magicrune.worker.keeper import Keeper
from magicrune.worker.settle import Action, Case, End, settle
from magicrune.worker.wire import fit

if TYPE_CHECKING:
    from nats.aio.msg import Msg

    from magicrune.request import SpellRequest
    from magicrune.result import SpellResult
    from magicrune.worker.desk import Desk

PULSES = 3
"""Heartbeats in the time after which we count as dead."""
_TEST_STEP_MS = 10

Ended = tuple[End, "SpellResult | None", MagicRuneError | None]


async def attempt(
    desk: Desk, msg: Msg, request: SpellRequest, key: str, found: Claim | None, why: str
) -> None:
    """Claims the request, runs it and brings it to its end. Raises ClaimLost where another
    worker claimed it first: then nothing was run."""
    claim = await desk.insist(key, fresh_claim(desk.worker, request, found))
    desk.note(Action.RUN.value, run_id=claim.run_id, reason=why)
    desk.running.add(key)
    cancellation = Cancellation()
    pause = desk.settings.ack_wait / PULSES
    keeper = Keeper(desk.claims, key, claim, msg, pause, cancellation.cancel)
    try:
        with desk.cancelling(cancellation):
            ended = await _until_ended(desk, request, keeper, cancellation)
        await _settle(desk, msg, key, keeper, ended, begun=cancellation.begun)
    except ClaimLost:
        desk.note("abandon", run_id=claim.run_id, reason="another worker took it over meanwhile")
    finally:
        try:
            await keeper.stop()
        finally:
            desk.running.discard(key)


async def _until_ended(
    desk: Desk, request: SpellRequest, keeper: Keeper, cancellation: Cancellation
) -> Ended:
    """The run. What makes it worthless (another has the claim, the worker stops) ends it, and
    nobody is told before its sandbox is gone."""
    try:
        return End.RESULT, await _run_late(desk, request, cancellation), None
    except RunInterrupted:
        return End.LOST if keeper.lost else End.DRAINED, None, None
    except MagicRuneError as error:
        return End.ERROR, None, error
    except Exception as error:  # noqa: BLE001  a defect of ours is told as one, not retried
        return End.ERROR, None, translate(error)


async def _settle(
    desk: Desk, msg: Msg, key: str, keeper: Keeper, how: Ended, *, begun: bool
) -> None:
    ended, result, error = how
    claim = await keeper.stop()
    if keeper.lost:
        ended = End.LOST
    document = b""
    if result is not None:
        try:
            document = fit(result, desk.room)
        except ResultInvalid as misfit:
            ended, error = End.ERROR, misfit
    step = settle(Case(claim=claim, end=ended, begun=begun, error=error))
    desk.note(step.action.value, run_id=claim.run_id, reason=step.reason)
    if step.action is Action.COMMIT and result is not None:
        await answer(desk, msg, key, claim, result, document)
    elif step.action is Action.RELEASE:
        failure = f"{error.code}: {error}"[:500] if error else ""
        await desk.insist(key, replace(claim, state="released", failure=failure))
        await hand_back(msg, step.delay)
    elif step.action is not Action.ABANDON:
        await give_up(desk, msg, key, step, claim, error)


async def _run_late(desk: Desk, request: SpellRequest, cancellation: Cancellation) -> SpellResult:
    low, high = desk.settings.test_delay_jitter
    wait_ms = desk.settings.test_delay_ms + random.randint(low, high)  # noqa: S311
    for _ in range(wait_ms // _TEST_STEP_MS):
        cancellation.check()
        await asyncio.sleep(_TEST_STEP_MS / 1000)
    return await desk.run(request, cancellation)
