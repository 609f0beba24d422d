"""Every way MagicRune itself fails: one root, a code, an exit code, whether a retry can help.

What the *job* did is never an exception: it is data in the result. Exit codes are
those of docs/architecture.md ("Exit codes"); codes are stable once released.
"""

from __future__ import annotations

import errno
from typing import ClassVar


class MagicRuneError(Exception):
    """Root of all our errors.

    `where` names the place (``policy.yml:12``, ``request.files[0].path``), `hint` says
    what to do. `str()` gives all three in one line without control characters.
    """

    code: ClassVar[str] = "MR-4000"
    exit_code: ClassVar[int] = 4
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, where: str = "", hint: str = "") -> None:
        self.message = message
        self.where = where
        self.hint = hint
        super().__init__(message)

    def __str__(self) -> str:
        text = f"{self.where}: {self.message}" if self.where else self.message
        if self.hint:
            text = f"{text} ({'; '.join(self.hint.splitlines())})"
        return "".join(c if c.isprintable() else "\ufffd" for c in text)


class RequestInvalid(MagicRuneError):
    """The request does not fit its schema (exit 1)."""

    code = "MR-1001"
    exit_code = 1


class ResultInvalid(MagicRuneError):
    """We made a result that does not fit its schema (exit 2)."""

    code = "MR-2001"
    exit_code = 2


class PolicyViolation(MagicRuneError):
    """The request asks for more than its policy grants; nothing was executed (exit 3)."""

    code = "MR-3001"
    exit_code = 3


class PolicyInvalid(MagicRuneError):
    """A policy file cannot be used (unknown key, bad pattern, gapped thresholds ...)."""

    code = "MR-4001"


class BackendUnavailable(MagicRuneError):
    """The chosen sandbox cannot be used here."""

    code = "MR-4101"


class BackendFailed(MagicRuneError):
    """The sandbox broke while preparing or running the job, for what may pass: a busy engine, a
    lost connection, no process or memory left on the machine."""

    code = "MR-4102"
    retryable = True


class BackendBroken(BackendFailed):
    """The sandbox cannot be made of this spec with this engine, now or later."""

    code = "MR-4108"
    retryable = False


class ControlNotHeld(MagicRuneError):
    """A control that the spec asks for is not in force: the job was not started."""

    code = "MR-4103"


class SandboxLost(MagicRuneError):
    """The sandbox ended before it told how its job did: killed from outside, or silenced from
    within. The job may have acted; its end is unknown, so it has no grade."""

    code = "MR-4107"
    retryable = True


class RuleFailed(MagicRuneError):
    """A grading rule raised: no grade is given rather than a lenient one."""

    code = "MR-4201"


class QuarantineFailed(MagicRuneError):
    """Red output could not be put away safely; it is not shown either."""

    code = "MR-4301"


class LedgerFailed(MagicRuneError):
    """The ledger could not be read or written."""

    code = "MR-4302"
    retryable = True


class ProgramInvalid(MagicRuneError):
    """A shipped or installed program (shell, python3) is missing or not the pinned one."""

    code = "MR-4401"


class CliUsage(MagicRuneError):
    """The command line (or an environment variable of ours) makes no sense."""

    code = "MR-4002"


class OutputFailed(MagicRuneError):
    """A document could not be written to where it was asked for."""

    code = "MR-4003"


class Unexpected(MagicRuneError):
    """A defect of ours: an exception that nothing foresaw."""

    code = "MR-4999"


class PatternInvalid(MagicRuneError):
    """A path, glob, network rule or destination cannot be read.

    The readers of requests and policies turn it into RequestInvalid or PolicyInvalid.
    """

    code = "MR-4004"


class JsonInvalid(RequestInvalid):
    """The bytes are not the JSON that we accept (exit 1)."""

    code = "MR-1002"


class LedgerUnusable(LedgerFailed):
    """The ledger is damaged, read-only, not ours or of a newer version: a retry is no help."""

    code = "MR-4305"
    retryable = False


class RunInterrupted(MagicRuneError):
    """The run was ended from outside (SIGINT, SIGTERM, SIGHUP); only the ledger says so."""

    code = "MR-4105"
    retryable = True


class ImageMissing(MagicRuneError):
    """No image of that name or digest is in the store."""

    code = "MR-4501"


class ImageDamaged(MagicRuneError):
    """A stored image is not what its digest says, or others could change it."""

    code = "MR-4502"


class ImageBuildFailed(MagicRuneError):
    """An image could not be built; the store is as before."""

    code = "MR-4503"


class ImageToolMissing(MagicRuneError):
    """What is needed to build images is not there: a program, or a right of the user."""

    code = "MR-4504"


class SeccompProfileInvalid(MagicRuneError):
    """A seccomp profile is missing or unusable: nothing is run without it."""

    code = "MR-4106"


class QueueUnavailable(MagicRuneError):
    """No NATS server answers, or JetStream is off there."""

    code = "MR-4601"
    retryable = True


class QueueMismatch(MagicRuneError):
    """A stream or consumer is there with another configuration; it is not used."""

    code = "MR-4602"


class DuplicateRequest(MagicRuneError):
    """The same request is in the queue or done already; it was not queued again."""

    code = "MR-4603"


class OutcomeUnknown(MagicRuneError):
    """The request may have been run; its worker died and nobody can tell what it did."""

    code = "MR-4604"


class TooManyAttempts(MagicRuneError):
    """Each worker that started the request died or failed; it is not tried again."""

    code = "MR-4605"


class NoAnswer(MagicRuneError):
    """No answer to the run is stored, or none came in time."""

    code = "MR-4606"
    retryable = True


_SHORTAGES = frozenset({errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.ENOBUFS})
_LASTING = frozenset(
    {errno.ENOENT, errno.EACCES, errno.EPERM, errno.ENOEXEC, errno.ENOTDIR, errno.EROFS}
)
_NO_THREAD = "can't start new thread"
"""What CPython's RuntimeError says where the system has no thread left (_threadmodule.c)."""


def translate(error: Exception, *, where: str = "", hint: str = "") -> MagicRuneError:
    """An exception that nothing caught: the machine had no process, thread, memory or descriptor
    left (BackendFailed: that passes), or a defect of ours, told with `where` and `hint`."""
    text = f"{type(error).__name__}: {error}"[:500]
    short = isinstance(error, OSError) and error.errno in _SHORTAGES
    if short or isinstance(error, MemoryError) or _NO_THREAD in str(error):
        return BackendFailed(text, where="this machine", hint="ulimit -u; free; cgroup limits")
    return Unexpected(text, where=where, hint=hint)


def cannot_do(error: OSError, message: str, *, where: str, hint: str = "") -> BackendFailed:
    """A step that the system refused to the executor: for good (BackendBroken: what is missing
    or not allowed stays so), or for now."""
    kind = BackendBroken if error.errno in _LASTING else BackendFailed
    return kind(f"{message}: {error}", where=where, hint=hint)
