"""Whose it is: a process, told apart from a later one with the same number.

What a run makes outside of itself has its owner at the end of its name, so that it never exists
without: a run may be killed between any two of its steps.
"""

from __future__ import annotations

import os
from pathlib import Path


def own() -> str:
    """This process, as a label: ``PID-STARTTIME-PIDNAMESPACE``."""
    pid = os.getpid()
    return f"{pid}-{_started(pid)}-{_namespace()}"


def sign(name: str, owner: str | None = None) -> str:
    """`name` as the owner's, by default ours: ``NAME.OWNER``."""
    return f"{name}.{own() if owner is None else owner}"


def is_left(name: str) -> bool:
    """Whether what has the signed `name` was left behind: its owner is gone."""
    return is_gone(name.rpartition(".")[2])


def is_gone(owner: str) -> bool:
    """Whether that process has surely ended; False where it cannot be told from here."""
    pid, _, rest = owner.partition("-")
    started, _, namespace = rest.partition("-")
    if not pid.isdigit() or namespace != _namespace():
        return False
    return _started(int(pid)) != started


def _started(pid: int) -> str:
    """Clock ticks since boot (field 22 of proc(5) stat); empty where it does not run."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""
    fields = text.rpartition(")")[2].split()
    return "" if fields[0] in ("Z", "X") else fields[19]


def _namespace() -> str:
    return str(Path("/proc/self/ns/pid").readlink()).partition("[")[2].rstrip("]")
