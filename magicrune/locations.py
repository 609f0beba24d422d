"""Where things lie: shipped data, the user's state (ledger, quarantine) and cache."""

from __future__ import annotations

import os
import pwd
import stat
from pathlib import Path

from magicrune.errors import MagicRuneError

_PACKAGE = Path(__file__).resolve().parent
_ORIGINS = {"sh.wasm": "images/shell", "rune-init": "images"}
"""Where in a checkout those lie that a wheel keeps elsewhere."""


class LocationUnsafe(MagicRuneError):
    """A directory of ours belongs to, or can be written by, somebody else."""

    code = "MR-4303"


def shipped(name: str) -> Path:
    """A file of the distribution: ``policies/...``, ``schemas/...``, ``rune-init/...`` or
    ``sh.wasm``.

    In a wheel they lie in ``magicrune/_data``; in a checkout at their places of origin.
    """
    packed = _PACKAGE / "_data" / name
    if packed.exists():
        return packed
    root = _PACKAGE.parent
    return root / _ORIGINS.get(name.partition("/")[0], "") / name


def state_dir() -> Path:
    """Ledger and quarantine: ``$MAGICRUNE_HOME`` or ``$XDG_STATE_HOME/magicrune``."""
    home = os.environ.get("MAGICRUNE_HOME")
    if home:
        return private_dir(Path(home))
    return private_dir(_base("XDG_STATE_HOME", ".local/state") / "magicrune")


def cache_dir() -> Path:
    """Compiled modules: ``$MAGICRUNE_HOME/cache`` or ``$XDG_CACHE_HOME/magicrune``."""
    home = os.environ.get("MAGICRUNE_HOME")
    if home:
        return private_dir(Path(home) / "cache")
    return private_dir(_base("XDG_CACHE_HOME", ".cache") / "magicrune")


def _base(variable: str, below_home: str) -> Path:
    """`variable`, or a place in the user's home. Raises LocationUnsafe where there is none.

    The XDG specification has a path that is not absolute ignored.
    """
    named = Path(os.environ.get(variable, ""))
    if named.is_absolute():
        return named
    home = Path(os.environ.get("HOME") or _entry())
    if not home.is_absolute():
        raise LocationUnsafe("this user has no home directory", hint="set MAGICRUNE_HOME")
    return home / below_home


def _entry() -> str:
    """The home in the user database; empty where this user has no entry."""
    try:
        return pwd.getpwuid(os.getuid()).pw_dir
    except KeyError:
        return ""


def private_dir(path: Path) -> Path:
    """Makes `path` (0700) if missing and makes sure that only we can write to it.

    Raises LocationUnsafe where it is a symlink, another user's, or writable by others:
    what lies in it (native code in the cache) is trusted. So it does where it cannot be made.
    """
    try:
        str(path).encode()  # engines take names in UTF-8 only
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = path.lstat()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise LocationUnsafe(
            f"cannot be made: {reason}", where=str(path), hint="set MAGICRUNE_HOME"
        ) from error
    if not stat.S_ISDIR(found.st_mode):
        raise LocationUnsafe("is not a directory", where=str(path), hint="remove it")
    if found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise LocationUnsafe(
            "belongs to another user or is writable by others",
            where=str(path),
            hint=f"chmod 700 {path}, or set MAGICRUNE_HOME",
        )
    return path
