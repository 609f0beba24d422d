"""The dialogue with init: tell it the job, judge what it measured, let it go, listen."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

from magicrune.backends.rune.channel import Channel, DeadlinePassed
from magicrune.backends.rune.frames import Frame, FrameInvalid, encode, encode_stream
from magicrune.backends.rune.record import setup_frames
from magicrune.backends.rune.transcript import Transcript, read_object
from magicrune.errors import BackendBroken, BackendFailed, ControlNotHeld, MagicRuneError

if TYPE_CHECKING:
    from magicrune.spec import ContainerSpec

PROTOCOL = 1
START_S = 60.0
"""Until the engine has started init and init has measured. Docker on a loaded machine took
4 s; init itself gives up after 60."""
GRACE_S = 45.0
"""After the job's own deadline, until init must have said all: it kills within 2 s, then
reads artifacts, and gives up sending after 30."""

Approve = Callable[[dict[str, Any], dict[str, Any] | None], None]

_OURS = "E_FILE E_JOB E_FRAME E_STATE E_SYSTEM E_EXEC E_SPAWN E_NET".split()
_LASTING = "E_FILE E_JOB E_FRAME E_STATE E_EXEC".split()
"""Of these: the same job in the same image gets them again."""
_PASSING = (errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.ETIMEDOUT)
"""But not with these: the machine was short of something, or we were slow."""


def converse(
    channel: Channel,
    spec: ContainerSpec,
    approve: Approve,
    complete: Callable[[], None] = lambda: None,
) -> Transcript:
    """Runs the job of `spec` and gives back all that init told.

    `complete` adds to the container what it lacks, once init is there and before it measures.
    `approve` gets the controls measured of the container and of the held job, and raises to
    refuse them: nothing has run then. Where init cannot make the job's process, it gets None for
    that: often a control of the container is missing, and tells why. Raises BackendFailed where
    the sandbox broke before the job was started, or where init tells a failure of its own. An
    init that goes silent or is killed *after* that gives a transcript without a report: hostile.
    """
    start_by = time.monotonic() + START_S
    ready = _expect(channel, "R", start_by)
    if ready.get("protocol") != PROTOCOL:
        raise BackendBroken(f"speaks protocol {ready.get('protocol')!r}", where="rune-init")
    complete()
    for frame in setup_frames(spec):
        channel.queue(frame)
    container = _expect(channel, "C", start_by)
    try:
        if spec.has_network:
            _await(channel, "B", start_by)
        job = _expect(channel, "C", start_by)
    except MagicRuneError:
        approve(container, None)
        raise
    approve(container, job)
    channel.queue(encode("G"))
    for frame in encode_stream("I", spec.stdin):
        channel.queue(frame)
    channel.queue(encode("Z"))
    return _listen(channel, spec)


def _expect(channel: Channel, kind: str, deadline: float) -> dict[str, Any]:
    frame = _await(channel, kind, deadline)
    try:
        return read_object(frame.payload)
    except FrameInvalid as error:
        raise _foreign(error) from error


def _await(channel: Channel, kind: str, deadline: float) -> Frame:
    try:
        frame = channel.next(deadline)
        if frame is None:
            raise BackendFailed("ended before the job was started", where="rune-init")
        if frame.kind == "!":
            _raise(frame)
        if frame.kind != kind:
            raise FrameInvalid(f"type {frame.kind!r}, wanted {kind!r}")
        return frame
    except FrameInvalid as error:
        raise _foreign(error) from error
    except DeadlinePassed as error:
        raise BackendFailed(f"said nothing for {START_S:.0f} s", where="rune-init") from error


def _foreign(error: FrameInvalid) -> BackendFailed:
    return BackendBroken(f"does not speak the protocol: {error}", where="rune-init")


def _listen(channel: Channel, spec: ContainerSpec) -> Transcript:
    transcript = Transcript(spec.limits, spec.artifacts_dir)
    deadline = time.monotonic() + spec.limits.wall_ms / 1000 + GRACE_S
    try:
        while transcript.report is None:
            frame = channel.next(deadline)
            if frame is None:
                break
            if frame.kind == "!":
                _raise(frame)
            transcript.take(frame)
    except (FrameInvalid, DeadlinePassed):
        transcript.report = None
    return transcript


def _raise(frame: Frame) -> NoReturn:
    """Init's own failure in our words: a missing control is one, the rest is a breakdown, for
    good or for now."""
    told = read_object(frame.payload)
    errno_ = told.get("errno")
    code, text = str(told.get("code")), str(told.get("text"))[:300]
    message = f"{code}: {text} (errno {errno_})"
    if code in _CONTROLS:
        message = f"control {_CONTROLS[code]} is not held: {message}"
    kind: type[MagicRuneError] = ControlNotHeld
    if code in _OURS:
        kind = BackendBroken if code in _LASTING and errno_ not in _PASSING else BackendFailed
    raise kind(message, where="rune-init", hint=_HINTS.get(code, ""))


_CONTROLS = {"E_FILTER": "watch", "E_ISOLATION": "kill_all", "E_MEASURE": "filesystem"}
"""Of which an error of init's says that it is not held."""
_HINTS = {
    "E_EXEC": "is there a /bin/sh in the image?",
    "E_FILTER": "the kernel or the seccomp profile refuses the watch",
    "E_NET": "a job with a network needs a socket as channel, and port 53 of its own loopback",
    "E_ISOLATION": "init must be PID 1, or the job must have a user of its own",
}
