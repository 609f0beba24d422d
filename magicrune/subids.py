"""Ids that a user may map into a user namespace: subuid(5), subgid(5). Changes nothing."""

from __future__ import annotations

import os
import pwd
from dataclasses import dataclass
from pathlib import Path

WANTED = 65535
"""Ids besides root's that a container needs: 1 to 65535, so that 65534 (the job) is one."""
_FILES = (Path("/etc/subuid"), Path("/etc/subgid"))


@dataclass(frozen=True, slots=True)
class SubIds:
    """The first of each kind; `WANTED` in a row are the user's."""

    uid: int
    gid: int


def user_name() -> str:
    """Of who runs this; the number where it has no name."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def find_ids(files: tuple[Path, Path] = _FILES) -> SubIds | None:
    """The user's ranges; None where one of them is missing or too small."""
    starts = [_first(path) for path in files]
    if starts[0] is None or starts[1] is None:
        return None
    return SubIds(starts[0], starts[1])


def how_to_get() -> str:
    """What a person does about missing ranges."""
    name = user_name()
    return f"as root: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {name}"


def _first(path: Path) -> int | None:
    names = (user_name(), str(os.geteuid()))
    try:
        lines = path.read_text(errors="replace").splitlines()
    except OSError:
        return None
    for line in lines:
        name, _, rest = line.strip().partition(":")
        start, _, count = rest.partition(":")
        usable = name in names and start.isdecimal() and count.isdecimal()
        if usable and int(count) >= WANTED and int(start) > 0:
            return int(start)
    return None
