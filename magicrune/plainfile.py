"""Files that somebody names to us: regular ones, opened without waiting for anybody."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO

_KINDS = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


class NotPlain(ValueError):
    """Something else than a regular file: to read it could take for ever, or do something."""


def open_plain(path: Path) -> BinaryIO:
    """The regular file `path`, for reading.

    Raises OSError, NotPlain, and ValueError for a path that no file can have (a NUL).
    """
    # O_NONBLOCK: a pipe without a writer would hold us here; regular files do not know it.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            raise NotPlain(f"is {describe(mode)}, not a file")
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def describe(mode: int) -> str:
    """What kind of file that is not a regular one `mode` (of stat) is."""
    return next((name for fits, name in _KINDS if fits(mode)), "something else")
