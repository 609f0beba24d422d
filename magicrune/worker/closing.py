"""The end of a request: its answer committed, told and acked, or the message put aside."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import replace
from typing import TYPE_CHECKING

from magicrune.errors import (
    MagicRuneError,
    OutcomeUnknown,
    RequestInvalid,
    TooManyAttempts,
    Unexpected,
)
from magicrune.request import parse_request, request_sha256
from magicrune.worker.claim import ClaimDamaged, fresh_claim
from magicrune.worker.settle import BUSY_S, RETRY_S, Action, Settlement
from magicrune.worker.wire import (
    CUT,
    KIND,
    MSG_ID,
    REASON,
    dead_subject,
    error_document,
    reply_subject,
)

if TYPE_CHECKING:
    from nats.aio.msg import Msg

    from magicrune.result import SpellResult
    from magicrune.worker.claim import Claim
    from magicrune.worker.desk import Desk


async def guarded(desk: Desk, msg: Msg, work: Awaitable[None]) -> None:
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
            await _end_defective(desk, msg, defect)


async def _end_defective(desk: Desk, msg: Msg, defect: MagicRuneError) -> None:
    """What cannot be ended even so stays in the queue: it has no answer yet."""
    try:
        await _set_aside(desk, msg, defect)
    except Exception as error:  # noqa: BLE001
        reason = f"{type(error).__name__}: {error}"[:300]
        desk.note("postponed", level="error", reason=reason)
        await hand_back(msg, RETRY_S)


async def _set_aside(desk: Desk, msg: Msg, defect: MagicRuneError) -> None:
    """A request is answered with the defect; what is none is only put aside."""
    try:
        request = parse_request(msg.data)
    except RequestInvalid:
        await _bury(desk, msg, defect, None)
        await msg.term()
        return
    key = request_sha256(request)
    claim = fresh_claim(desk.worker, request, None)
    try:
        claim = await desk.claims.read(key) or claim
    except ClaimDamaged as damaged:
        claim = replace(claim, revision=damaged.revision)
    if claim.state == "committed":  # not `tell`: its ack may be what fails
        await desk.answers.tell(claim)
        await msg.term()
    elif claim.state == "running" and (claim.worker != desk.worker or key in desk.running):
        await hand_back(msg, BUSY_S)  # it is answered by whoever runs it
    else:
        step = Settlement(Action.DEAD, "a defect of ours")
        desk.note(step.action.value, run_id=claim.run_id, reason=str(defect), level="error")
        await give_up(desk, msg, key, step, claim, defect)


async def answer(
    desk: Desk, msg: Msg, key: str, claim: Claim, result: SpellResult, document: bytes
) -> None:
    """Commits the result, tells it, acks. Raises ClaimLost where the claim is no longer ours."""
    committed = replace(claim, state="committed", kind="result", document=document)
    await tell(desk, msg, await desk.insist(key, committed), result)


async def give_up(
    desk: Desk, msg: Msg, key: str, step: Settlement, claim: Claim, error: MagicRuneError | None
) -> None:
    """As `answer`, with an error in place of a result; the message is put aside too."""
    if step.action is Action.UNKNOWN:
        cause = f"; {error.code}: {error}"[:500] if error else ""
        error = OutcomeUnknown(step.reason + cause, where=claim.run_id)
    elif error is None:
        error = TooManyAttempts(step.reason, where=claim.run_id)
    document = error_document(error, claim.run_id)
    await _bury(desk, msg, error, claim.run_id)
    committed = replace(claim, state="committed", kind="error", document=document)
    await tell(desk, msg, await desk.insist(key, committed))


async def tell(desk: Desk, msg: Msg, claim: Claim, result: SpellResult | None = None) -> None:
    """Publishes a committed answer where it is not published yet. The ack is beside: who loses
    it meets the committed claim again, and the slot need not wait for the server's word."""
    told = await desk.answers.tell(claim)
    desk.note("told" if told else "known", run_id=claim.run_id, kind=claim.kind)
    desk.spawn(guarded(desk, msg, _ack(desk, msg, claim, result)))


async def _ack(desk: Desk, msg: Msg, claim: Claim, result: SpellResult | None) -> None:
    if desk.skip_ack:
        desk.skip_ack = False
        desk.note("ack skipped", run_id=claim.run_id, level="warning")
    else:
        await msg.ack_sync(timeout=desk.settings.ack_timeout)
    if result is not None:
        desk.note("done", run_id=claim.run_id, verdict=result.verdict, phases=result.timings)


async def refuse(desk: Desk, msg: Msg, error: RequestInvalid) -> None:
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
    room = desk.room
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
