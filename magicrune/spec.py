"""What a sandbox must be: one `ContainerSpec`, made once, lowered by each backend.

A backend sees this and nothing else: no request, no policy. `plan()` (below) is pure.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from magicrune.netrule import NetRule


@dataclass(frozen=True, slots=True)
class FileInput:
    """A file put into the sandbox before the job starts. `path` is absolute and normalised."""

    path: str
    content: bytes
    mode: int = 0o755  # executable: `cmd` may want to run what the request brought


@dataclass(frozen=True, slots=True)
class Mount:
    """A private, empty directory tree of the sandbox; `writable` is the job's view of it."""

    path: str
    writable: bool = True


@dataclass(frozen=True, slots=True)
class Limits:
    """Ceilings of one run. All are enforced; reaching one is told in `Observation`."""

    wall_ms: int
    cpu_ms: int
    memory_bytes: int
    """All processes of the job together, files of the sandbox not counted."""
    pids: int
    output_bytes: int
    """stdout and stderr together; the job is ended when it writes more."""
    tmp_bytes: int
    """All files in all mounts together."""
    files: int
    """Files, directories and links in all mounts together."""
    open_files: int
    artifact_bytes: int
    """Content of all artifacts together; larger ones are named without content."""


@dataclass(frozen=True, slots=True)
class ContainerSpec:
    """The sandbox and the job, complete: no backend adds or guesses anything."""

    run_id: str
    argv: tuple[str, ...]
    env: tuple[tuple[str, str], ...]
    stdin: bytes
    files: tuple[FileInput, ...]
    cwd: str
    mounts: tuple[Mount, ...]
    limits: Limits
    net: tuple[NetRule, ...] = ()
    seed: int | None = None
    artifacts_dir: str = "/workspace/out"
    """Regular files under it are returned as artifacts."""
    hostname: str = "magicrune"
    uid: int = 65534
    gid: int = 65534
    image: str | None = None
    sensitive: tuple[str, ...] = field(default=())
    """Globs (magicrune.pathrule) of paths whose reading is reported as `sensitive`."""
