"""Our paths as the engine finds them, where we run in a container of its own.

The engine looks for what is mounted on its host. Which of its containers we are in is told by
the files that it lays over every container's /etc (proc_pid_mountinfo(5)); where the mounts of
that one come from, the engine itself tells.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from magicrune.errors import BackendUnavailable
from magicrune.locations import state_dir

_MOUNTINFO = Path("/proc/self/mountinfo")
_TELLING = ("/etc/hostname", "/etc/hosts", "/etc/resolv.conf", "/run/.containerenv")
_ID = re.compile(r"[0-9a-f]{64}")
HINT = "mount a volume, or a directory of the host, at MAGICRUNE_HOME"


@dataclass(frozen=True, slots=True)
class Outside:
    """`points` are all mount points here, `sources` those that the engine made, with the place
    of each on its host; None: we are in no container of the engine's, paths are the same."""

    points: tuple[Path, ...] = ()
    sources: Mapping[Path, Path] | None = None

    def path(self, inside: Path) -> Path:
        """Where the engine finds it. Raises BackendUnavailable where it cannot see it."""
        if self.sources is None:
            return inside
        inside = inside.resolve()
        around = (inside, *inside.parents)
        point = next((each for each in around if each in self.points), Path("/"))
        if point not in self.sources:
            raise BackendUnavailable(
                f"lies in the container that we run in ({point}); the engine cannot see it",
                where=str(inside),
                hint=HINT,
            )
        return self.sources[point] / inside.relative_to(point)

    def problem(self) -> str:
        """Why no run can work; empty where the engine sees our directory."""
        try:
            self.path(state_dir())
        except BackendUnavailable as error:
            return f"{error.where}: {error.message}"
        return ""


def look_outside(mounts_of: Callable[[str], Sequence[Mapping[str, Any]] | None]) -> Outside:
    """Asks the engine, where the mounts here name a container: `mounts_of` gives the mounts of
    one by its id, in the words that Docker and Podman share, or None where it has none such."""
    mounted = read_mounts(_MOUNTINFO.read_text(errors="surrogateescape"))
    names = (_ID.findall(root) for point, root in mounted if str(point) in _TELLING)
    for identity in sorted({found[-1] for found in names if found}):
        mounts = mounts_of(identity)
        if mounts is not None:
            sources = {
                Path(each["Destination"]).resolve(): Path(each["Source"])
                for each in mounts
                if each.get("Type") in ("bind", "volume") and each.get("Source")
            }
            return Outside(tuple(point for point, _ in mounted), sources)
    return Outside()


def read_mounts(text: str) -> list[tuple[Path, str]]:
    """(mount point, what of its file system is mounted there), from a mountinfo."""
    fields = (line.split() for line in text.splitlines())
    return [(Path(_unescaped(each[4])), _unescaped(each[3])) for each in fields]


def _unescaped(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), text)
