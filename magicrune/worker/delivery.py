"""One delivered request: claim it, run it, commit its answer, tell it, ack."""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from magicrune.cancellation import Cancellation
from magicrune.errors import (
    MagicRuneError,
    OutcomeUnknown,
    RequestInvalid,
    ResultInvalid,
    RunInterrupted,
    TooManyAttempts,
    Unexpected,
)
from magicrune.request import SpellRequest, parse_request, request_sha256, run_id
from magicrune.worker.claim import Claim, ClaimDamaged, ClaimLost, Claims
from magicrune.worker.keeper import Keeper
from magicrune.worker.settle import RETRY_S, Action, Case, End, Settlement, settle
from magicrune.worker.wire import (
    CUT,
    HEADROOM,
    KIND,
    MSG_ID,
    REASON,
    dead_subject,
    error_document,
    fit,
    reply_subject,
)

if TYPE_CHECKING:
    from nats.aio.msg import Msg
    from nats.js import JetStreamContext

    from magicrune.result import SpellResult
    from magicrune.worker.answers import Answers
    from magicrune.worker.settings import WorkerSettings

Run = Callable[[SpellRequest, Cancellation], Awaitable["SpellResult"]]
Note = Callable[..., None]
_TEST_STEP_MS = 10
_PULSES = 3
"""Heartbeats in the time after which we count as dead."""


@dataclass(slots=True)
class Desk:
    """What every delivery of one worker needs."""

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
    stopping: asyncio.Event
    """The grace period is over: hand back what runs."""
    max_payload: int
    running: set[str]
    skip_ack: bool = False


async def serve(desk: Desk, msg: Msg) -> None:
    """Brings one message to its end; never raises but for cancellation."""
    try:
        request = parse_request(msg.data)
    except RequestInvalid as error:
        await _guarded(desk, msg, _refuse(desk, msg, error))
        return
    await _guarded(desk, msg, _serve(desk, msg, request))


async def _guarded(desk: Desk, msg: Msg, work: Awaitable[None]) -> None:
    """The server's silence is no end of a request: it comes back after a while. A defect of
    ours ends it, after some deliveries: it must not take one worker after the other."""
    from nats.errors import Error

    try:
        await work
    except (TimeoutError, Error, OSError) as error:
        desk.note("postponed", level="warning", reason=f"{type(error).__name__}: {error}"[:300])
        await hand_back(msg, RETRY_S)
    except Exception as error:  # noqa: BLE001
        defect = Unexpected(f"{type(error).__name__}: {error}"[:500])
        desk.note("defect", level="error", reason=str(defect))
        if msg.metadata.num_delivered < desk.settings.max_deliver:
            await hand_back(msg, RETRY_S)
        else:
            await _guarded(desk, msg, _set_aside(desk, msg, defect))


async def _set_aside(desk: Desk, msg: Msg, error: MagicRuneError) -> None:
    await _bury(desk, msg, error, None)
    await msg.term()


async def _serve(desk: Desk, msg: Msg, request: SpellRequest) -> None:
    key, name = request_sha256(request), run_id(request)
    silent: bool | None = None
    watched = 0
    while True:
        try:
            claim = await desk.claims.read(key)
        except ClaimDamaged as error:
            blank = replace(_fresh(desk, request, None), revision=error.revision)
            step = Settlement(Action.DEAD, "its claim is damaged")
            desk.note("dead", run_id=name, reason=str(error), level="error")
            await _give_up(desk, msg, key, step, blank, error)
            return
        if silent and claim is not None and claim.revision != watched:
            silent = False  # it moved after all
        most = desk.settings.max_deliver
        case = Case(claim=claim, here=key in desk.running, silent=silent, attempts_max=most)
        step = settle(case)
        desk.note(step.action.value, run_id=name, reason=step.reason)
        try:
            if step.action is Action.WATCH and claim is not None:
                silent, watched = await _watch(desk, msg, key, claim), claim.revision
                continue
            if step.action is Action.RUN:
                await _run(desk, msg, request, key, claim)
            elif step.action is Action.TELL and claim is not None:
                await _tell(desk, msg, claim)
            elif step.action is Action.LATER:
                await hand_back(msg, step.delay)
            else:
                await _give_up(desk, msg, key, step, claim or _fresh(desk, request, None), None)
        except ClaimLost:
            silent = None
            continue  # somebody was faster: look again
        return


async def _watch(desk: Desk, msg: Msg, key: str, claim: Claim) -> bool:
    """Whether the holder of `claim` did nothing for a lease. By our own clock alone: those
    of two machines are not compared."""
    pause = desk.settings.ack_wait / _PULSES
    for _ in range(_PULSES + 1):
        await msg.in_progress()
        await asyncio.sleep(pause)
        now = await desk.claims.read(key)
        if now is None or now.revision != claim.revision:
            return False
    return True


def _fresh(desk: Desk, request: SpellRequest, claim: Claim | None) -> Claim:
    return Claim(
        state="running",
        token=secrets.token_hex(8),
        worker=desk.worker,
        run_id=run_id(request),
        attempt=claim.attempt + 1 if claim else 1,
        networked=bool(request.allow_net),
        repeatable=request.repeatable,
        revision=claim.revision if claim else 0,
    )


async def _run(desk: Desk, msg: Msg, request: SpellRequest, key: str, found: Claim | None) -> None:
    claim = await _insist(desk, key, _fresh(desk, request, found))
    desk.running.add(key)
    keeper = Keeper(desk.claims, key, claim, msg, desk.settings.ack_wait / _PULSES)
    cancellation = Cancellation()
    try:
        ended, result, error = await _until_ended(desk, request, keeper, cancellation)
        claim = await keeper.stop()
        if keeper.lost:
            ended = End.LOST
        document = b""
        if result is not None:
            try:
                document = fit(result, desk.max_payload - HEADROOM)
            except ResultInvalid as misfit:
                ended, error = End.ERROR, misfit
        case = Case(claim=claim, end=ended, begun=cancellation.begun, error=error)
        step = settle(case)
        desk.note(step.action.value, run_id=claim.run_id, reason=step.reason)
        if step.action is Action.COMMIT and result is not None:
            await _finish(desk, msg, key, claim, "result", document)
            desk.note("done", run_id=claim.run_id, verdict=result.verdict, phases=result.timings)
        elif step.action is Action.RELEASE:
            failure = f"{error.code}: {error}"[:500] if error else ""
            released = replace(claim, state="released", failure=failure)
            await _insist(desk, key, released)
            await hand_back(msg, step.delay)
        elif step.action is not Action.ABANDON:
            await _give_up(desk, msg, key, step, claim, error)
    except ClaimLost:
        desk.note("abandon", run_id=claim.run_id, reason="another worker took it over meanwhile")
    finally:
        await keeper.stop()
        desk.running.discard(key)


async def _insist(desk: Desk, key: str, claim: Claim) -> Claim:
    def complain(reason: str) -> None:
        desk.note("not written", run_id=claim.run_id, reason=reason, level="warning")

    return await desk.claims.insist(key, claim, complain)


async def _until_ended(
    desk: Desk, request: SpellRequest, keeper: Keeper, cancellation: Cancellation
) -> tuple[End, SpellResult | None, MagicRuneError | None]:
    """The run, or the first thing that makes it worthless: it is ended then, and nobody is
    told before its sandbox is gone."""
    run = asyncio.ensure_future(_run_late(desk, request, cancellation))
    stop = asyncio.ensure_future(desk.stopping.wait())
    lost = asyncio.ensure_future(keeper.wait_lost())
    worthless = End.DRAINED
    try:
        await asyncio.wait({run, stop, lost}, return_when=asyncio.FIRST_COMPLETED)
        if not run.done():
            worthless = End.LOST if keeper.lost else End.DRAINED
            cancellation.cancel()
            await asyncio.wait({run})
        return End.RESULT, run.result(), None
    except RunInterrupted:
        return worthless, None, None
    except MagicRuneError as error:
        return End.ERROR, None, error
    except Exception as error:  # noqa: BLE001  a defect of ours: told as one, not retried
        return End.ERROR, None, Unexpected(f"{type(error).__name__}: {error}"[:500])
    finally:
        for task in (run, stop, lost):
            task.cancel()


async def _run_late(desk: Desk, request: SpellRequest, cancellation: Cancellation) -> SpellResult:
    low, high = desk.settings.test_delay_jitter
    wait_ms = desk.settings.test_delay_ms + random.randint(low, high)  # noqa: S311
    for _ in range(wait_ms // _TEST_STEP_MS):
        cancellation.check()
        await asyncio.sleep(_TEST_STEP_MS / 1000)
    return await desk.run(request, cancellation)


async def _finish(desk: Desk, msg: Msg, key: str, claim: Claim, kind: str, document: bytes) -> None:
    """Commit, tell, ack. Raises ClaimLost where the claim is no longer ours."""
    committed = replace(claim, state="committed", kind=kind, document=document)
    committed = await _insist(desk, key, committed)
    await _tell(desk, msg, committed)


async def _tell(desk: Desk, msg: Msg, claim: Claim) -> None:
    told = await desk.answers.tell(claim)
    desk.note("told" if told else "known", run_id=claim.run_id, kind=claim.kind)
    if desk.skip_ack:
        desk.skip_ack = False
        desk.note("ack skipped", run_id=claim.run_id, level="warning")
        return
    await msg.ack_sync(timeout=desk.settings.ack_timeout)


async def _give_up(
    desk: Desk, msg: Msg, key: str, step: Settlement, claim: Claim, error: MagicRuneError | None
) -> None:
    if step.action is Action.UNKNOWN:
        cause = f"; {error.code}: {error}"[:500] if error else ""
        error = OutcomeUnknown(step.reason + cause, where=claim.run_id)
    elif error is None:
        error = TooManyAttempts(step.reason, where=claim.run_id)
    document = error_document(error, claim.run_id)
    await _bury(desk, msg, error, claim.run_id)
    await _finish(desk, msg, key, claim, "error", document)


async def _refuse(desk: Desk, msg: Msg, error: RequestInvalid) -> None:
    """What is no request has no run: the reply subject is told, the message is put aside."""
    desk.note("refused", level="warning", reason=str(error)[:300])
    await _bury(desk, msg, error, None)
    if reply := reply_subject(msg.headers):
        await desk.say(reply, error_document(error, None), headers={KIND: "error"})
    await msg.term()


async def _bury(desk: Desk, msg: Msg, error: MagicRuneError, name: str | None) -> None:
    sequence = msg.metadata.sequence.stream
    headers = {
        MSG_ID: f"dlq.{desk.settings.stream}.{sequence}",
        REASON: f"{error.code}: {error}".encode()[:1000].decode(errors="ignore"),
        "Magicrune-Run-Id": name or "",
    }
    room = desk.max_payload - HEADROOM
    if len(msg.data) > room:
        headers[CUT] = str(len(msg.data))
    await desk.js.publish(
        dead_subject(msg.subject),
        msg.data[:room],
        timeout=desk.settings.publish_timeout,
        headers=headers,
    )


async def hand_back(msg: Msg, delay: float) -> None:
    """A nak; where even that fails, the ack wait does the same."""
    from nats.errors import Error

    try:
        await msg.nak(delay=delay or None)
    except (TimeoutError, Error, OSError):
        return
