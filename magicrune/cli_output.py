"""Where the command line writes its documents: stdout, or a file made atomically."""

from __future__ import annotations

import contextlib
import json
import os
import stat
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol

from magicrune.errors import MagicRuneError, OutputFailed
from magicrune.fault import error_document
from magicrune.plainfile import describe

PROGRAM = "magicrune"
_LEDGER = "ledger.sqlite3"
_OURS = ("quarantine", "cache", "oci", "sockets")
COMPLETE_VARIABLE = "_MAGICRUNE_COMPLETE"
"""Set by the completion code of a shell when it asks for candidates."""


class Sink(Protocol):
    """Takes exactly one document."""

    def write(self, document: bytes) -> None:
        """Raises OutputFailed (BrokenPipeError where the reader of a pipe went away)."""


class Stdout:
    """The standard output of this process."""

    def write(self, document: bytes) -> None:
        write_stdout(document)


class _NewFile:
    """A temporary file in the directory of `target`, renamed onto it when complete."""

    def __init__(self, target: Path, directory: int, name: str, descriptor: int) -> None:
        self._target = target
        self._directory = directory
        self._name = name
        self._descriptor = descriptor

    def write(self, document: bytes) -> None:
        try:
            left = memoryview(document)
            while left:
                left = left[os.write(self._descriptor, left) :]
            os.fsync(self._descriptor)
            os.rename(
                self._name,
                self._target.name,
                src_dir_fd=self._directory,
                dst_dir_fd=self._directory,
            )
            os.fsync(self._directory)
        except OSError as error:
            raise OutputFailed(
                f"cannot write: {error.strerror}", where=str(self._target)
            ) from error


@contextlib.contextmanager
def open_sink(out: str | None) -> Iterator[Sink]:
    """stdout, or the file `out`: made now (mode 0600), so that a run whose result could
    not be written is not started; it appears under its name only when complete.

    Raises OutputFailed where `out` is a symlink or anything else but a regular file.
    """
    if out is None:
        yield Stdout()
        return
    if out == "":
        raise OutputFailed("the name of the file is empty", where="--out")
    target = Path(out)
    name = f".{target.name}.{os.urandom(8).hex()}.tmp"
    with contextlib.ExitStack() as undo:
        try:
            directory = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            undo.callback(os.close, directory)
            _refuse_special(target, directory)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            descriptor = os.open(name, flags, 0o600, dir_fd=directory)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise OutputFailed(f"cannot write: {reason}", where=out) from error
        undo.callback(_forget, name, directory)
        undo.callback(os.close, descriptor)
        yield _NewFile(target, directory, name, descriptor)


def _refuse_special(target: Path, directory: int) -> None:
    if target.name in ("", "..") or "\0" in str(target):
        raise OutputFailed("is not a file name", where=str(target))
    try:
        found = os.stat(target.name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return
    if not stat.S_ISREG(found.st_mode):
        kind = "a symlink" if stat.S_ISLNK(found.st_mode) else describe(found.st_mode)
        raise OutputFailed(
            f"is {kind}, not a file",
            where=str(target),
            hint="name a regular file; without --out the result goes to stdout",
        )


def refuse_taken(out: str, read: Iterable[Path], home: Path) -> None:
    """Raises OutputFailed where `out` is one of the files `read` by the run, or lies where
    ledger, quarantine and cache do (`home`): nothing of these is written over, and red output
    has one place."""
    target = Path(out)
    for each in read:
        with contextlib.suppress(OSError, ValueError):
            if target.samefile(each):
                raise OutputFailed("is what the run reads", where=out, hint="another --out")
    with contextlib.suppress(OSError, ValueError):
        place = target.parent.resolve() / target.name
        below = place.relative_to(home.resolve()).parts  # ValueError: elsewhere
        if below and (below[0] in _OURS or below[0].startswith(_LEDGER)):
            raise OutputFailed(
                "lies in a place of MagicRune's own", where=out, hint="another --out"
            )


def _forget(name: str, directory: int) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name, dir_fd=directory)


def write_stdout(document: bytes) -> None:
    """Writes and flushes; a full disk is OutputFailed, a reader gone is BrokenPipeError."""
    if sys.stdout is None:  # closed by the caller
        if document:
            raise OutputFailed("is closed", where="stdout")
        return
    try:
        sys.stdout.flush()
        stream = getattr(sys.stdout, "buffer", None)
        if stream is None:
            sys.stdout.write(document.decode())
        else:
            stream.write(document)
            stream.flush()
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except (OSError, ValueError) as error:
        raise OutputFailed(f"cannot write: {error}", where="stdout") from error


def error_bytes(error: MagicRuneError) -> bytes:
    """``{"error": {code, message, where, hint, retryable}, "run_id"}`` and a newline."""
    return json.dumps(error_document(error)).encode() + b"\n"
