"""A file that appears whole or not at all, whoever is killed while it is written."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from magicrune.owner import is_left, sign

_DRAFT = ".new-"


def put(
    path: Path, content: bytes | bytearray, mode: int = 0o600, *, drafts: Path | None = None
) -> None:
    """Makes `path` a file with `content`, over one that is there.

    The draft lies in `drafts`, on the same file system: by default beside it. Drafts that
    killed writers left there are removed. Raises OSError, leaving none behind.
    """
    place = path.parent if drafts is None else drafts
    sweep_drafts(place)
    draft = place / sign(_DRAFT + os.urandom(8).hex())
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            os.fchmod(descriptor, mode)
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def sweep_drafts(place: Path) -> None:
    """Removes drafts in `place` whose writer has ended."""
    for draft in place.glob(f"{_DRAFT}*"):
        if is_left(draft.name):
            with contextlib.suppress(OSError):  # gone, or another user's
                draft.unlink()
