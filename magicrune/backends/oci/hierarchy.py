"""How this host's control groups are laid out, as far as it changes what runtimes are told."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from magicrune.remedy import as_root

_ROOT = Path("/sys/fs/cgroup")
MEMORY = _ROOT / "memory"
"""The memory hierarchy of version 1."""
HOW_TO_MOUNT = as_root(f"mount -t cgroup2 cgroup2 {_ROOT}")
"""Where there are no control groups at all."""


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """`version` is that of the controllers; 0 where there are none."""

    version: int
    unified_beside: bool
    """Hybrid: version 1 has the controllers, an empty version 2 is mounted beside it."""
    counts_swap: bool


def read_hierarchy(root: Path = _ROOT) -> Hierarchy:
    """What is mounted at `root` (the usual place of all distributions since 2013)."""
    if (root / "cgroup.controllers").exists():
        return Hierarchy(2, False, True)
    memory = root / "memory"
    return Hierarchy(
        version=1 if (memory / "memory.limit_in_bytes").exists() else 0,
        unified_beside=(root / "unified" / "cgroup.procs").exists(),
        counts_swap=(memory / "memory.memsw.limit_in_bytes").exists(),
    )


def places_of(group: str, hierarchy: Hierarchy, root: Path = _ROOT) -> tuple[Path, ...]:
    """Where `group` is: in each hierarchy that has it."""
    above = (root,) if hierarchy.version == 2 else sorted(root.iterdir())
    places = (each / group.strip("/") for each in above if not each.is_symlink())
    return tuple(place for place in places if place.is_dir())


def other_hierarchies(names: Iterable[str], root: Path = _ROOT) -> tuple[str, ...]:
    """Where hierarchies of version 1 other than `names` are mounted."""
    return tuple(
        str(_ROOT / each.name)
        for each in sorted(root.iterdir())
        if each.is_dir() and not each.is_symlink() and each.name not in (*names, "unified")
    )
