"""What becomes of a request that was delivered: every case, and why. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from magicrune.errors import MagicRuneError
    from magicrune.worker.claim import Claim

RETRY_S = 2.0
"""Before a request is tried again that we could not run."""
BUSY_S = 5.0
"""Before a request is looked at again that another worker runs."""
_REACHES = "the job could reach the network"


class Action(Enum):
    """What to do."""

    RUN = "run"
    WATCH = "watch"
    """See whether whoever holds the claim is alive."""
    TELL = "tell"
    """Publish the committed answer where it is not published yet, then ack."""
    LATER = "later"
    COMMIT = "commit"
    RELEASE = "release"
    """Give the claim back, then the request."""
    DEAD = "dead"
    """Commit an error, tell it, put the request aside (run.dlq), ack."""
    UNKNOWN = "unknown"
    """As DEAD: it may have been run, nobody can tell what came of it."""
    ABANDON = "abandon"
    """Say nothing, ack nothing: another worker has the request."""


class End(Enum):
    """How our own run of it ended."""

    RESULT = "result"
    ERROR = "error"
    LOST = "lost"
    DRAINED = "drained"


@dataclass(frozen=True, slots=True)
class Case:
    """All that the decision rests on."""

    claim: Claim | None = None
    here: bool = False
    """This very worker runs it now."""
    silent: bool | None = None
    """Its holder was watched for a lease: True, it did nothing; None: not watched."""
    end: End | None = None
    begun: bool = True
    """Whether our own run may have let the job go."""
    error: MagicRuneError | None = None
    attempts_max: int = 1


@dataclass(frozen=True, slots=True)
class Settlement:
    action: Action
    reason: str
    delay: float = 0.0


def settle(case: Case) -> Settlement:
    """Before a run (`end` is None): by the claim. After it: by how it ended."""
    return _before(case) if case.end is None else _after(case)


def _before(case: Case) -> Settlement:
    claim = case.claim
    if case.here:
        return Settlement(Action.LATER, "this worker runs it already", BUSY_S)
    if claim is None:
        return Settlement(Action.RUN, "nobody has run it")
    if claim.state == "committed":
        return Settlement(Action.TELL, "its answer is committed")
    if claim.state == "running" and (held := _while_held(case, claim)):
        return held
    if claim.attempt >= case.attempts_max:
        last = f"; the last failure was {claim.failure}" if claim.failure else ""
        return Settlement(Action.DEAD, f"started {claim.attempt} times without an answer{last}")
    if claim.state != "running":
        why = "gave it back"
    elif claim.networked:
        why = "died; the request says that it may be repeated"
    else:
        why = "died; without a network nothing got out"
    return Settlement(Action.RUN, f"its worker {why}")


def _while_held(case: Case, claim: Claim) -> Settlement | None:
    """None: its holder is dead, and it may be run again."""
    if case.silent is None:
        return Settlement(Action.WATCH, "another worker holds it")
    if not case.silent:
        return Settlement(Action.LATER, "another worker runs it", BUSY_S)
    if claim.networked and not claim.repeatable:
        return Settlement(Action.UNKNOWN, f"its worker died while {_REACHES}")
    return None


def _after(case: Case) -> Settlement:
    if case.end is End.RESULT:
        return Settlement(Action.COMMIT, "it has an answer")
    if case.end is End.LOST:
        return Settlement(Action.ABANDON, "another worker took it over meanwhile")
    return _after_failure(case)


def _after_failure(case: Case) -> Settlement:
    """Ours, or the end of our worker."""
    claim = case.claim
    acted = case.begun and (claim is None or (claim.networked and not claim.repeatable))
    if case.end is End.DRAINED:
        if acted:
            return Settlement(Action.UNKNOWN, f"the worker was stopped while {_REACHES}")
        return Settlement(Action.RELEASE, "the worker stops")
    if case.error is not None and case.error.retryable:
        if acted:
            return Settlement(Action.UNKNOWN, f"we failed after the job was let go, and {_REACHES}")
        return Settlement(Action.RELEASE, "we failed, and trying again may help", RETRY_S)
    return Settlement(Action.DEAD, "we cannot run it")
