"""Ids that a user may map into a user namespace: subuid(5), subgid(5). Changes nothing."""

from __future__ import annotations

import os
import pwd
from dataclasses import dataclass
from pathlib import Path

from magicrune.remedy import as_root

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
    """What a person does about missing ranges: the first free ids from 100000 on."""
    first = _first_free()
    ids = f"{first}-{first + WANTED}"
    return as_root(f"usermod --add-subuids {ids} --add-subgids {ids} {user_name()}")


def _first_free(files: tuple[Path, Path] = _FILES) -> int:
    """Beyond every range that is given: nobody else's ids may be this user's."""
    free = 100_000
    for path in files:
        try:
            lines = path.read_text(errors="replace").splitlines()
        except OSError:
            continue
        for line in lines:
            start, _, count = line.strip().partition(":")[2].partition(":")
            if start.isdecimal() and count.isdecimal():
                free = max(free, int(start) + int(count))
    return free


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
