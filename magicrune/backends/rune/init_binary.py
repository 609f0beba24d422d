"""Where the rune-init of this machine lies, as a file that a container can execute."""

from __future__ import annotations

import hashlib
import platform
from pathlib import Path

from magicrune.backends.rune.container import SHARED_TEXTS
from magicrune.errors import ProgramInvalid
from magicrune.locations import cache_dir, private_dir, shipped
from magicrune.newfile import put

_MACHINES = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "aarch64", "arm64": "aarch64"}


def machine() -> str:
    """``x86_64`` or ``aarch64``. Raises ProgramInvalid on any other machine."""
    name = platform.machine().lower()
    if name not in _MACHINES:
        raise ProgramInvalid(f"there is no rune-init for {name}", where="rune-init")
    return _MACHINES[name]


def init_path() -> Path:
    """A copy of the shipped binary that is executable and ours alone to change.

    It is called ``init``; in its directory, which can be mounted as a whole, are only
    SHARED_TEXTS besides. The shipped file may lie where no execute bit survives (a wheel), so a
    copy is kept in the cache, in a directory named after its digest. Raises ProgramInvalid
    where the shipped one is missing or is not the one that SHA256SUMS names.
    """
    name = f"rune-init.{machine()}"
    source = shipped(f"rune-init/{name}")
    try:
        data = source.read_bytes()
        sums = shipped("rune-init/SHA256SUMS").read_text().split()
    except OSError as error:
        raise ProgramInvalid("is missing", where=str(source), hint="reinstall it") from error
    digest = hashlib.sha256(data).hexdigest()
    if dict(zip(sums[1::2], sums[::2], strict=False)).get(name) != digest:
        raise ProgramInvalid(f"has SHA-256 {digest}, not that of SHA256SUMS", where=str(source))
    copy = private_dir(private_dir(cache_dir() / "rune-init") / digest) / "init"
    for path, content, mode in (
        (copy, data, 0o755),
        *((copy.parent / name, text.encode(), 0o644) for name, text in SHARED_TEXTS.items()),
    ):
        if not _is_intact(path, content, mode):
            put(path, content, mode, drafts=copy.parent.parent)  # nothing but these is mounted
    return copy


def _is_intact(path: Path, data: bytes, mode: int) -> bool:
    try:
        return path.stat().st_mode & 0o777 == mode and path.read_bytes() == data
    except OSError:
        return False
