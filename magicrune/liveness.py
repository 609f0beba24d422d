"""Whether the process that began something still lives, safe against reused pids."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

Identity = tuple[int, int | None, str, str]
"""pid; its start time in clock ticks since boot; boot id; pid namespace. Where there is no
/proc (not Linux), all but the pid are None or empty."""


def own_identity() -> Identity:
    """Who we are."""
    pid = os.getpid()
    return (pid, _started(pid), _boot(), _namespace())


def is_gone(identity: Identity) -> bool:
    """Whether that process has surely ended. False also where it cannot be told: a process
    of another pid namespace of this boot is not visible from here."""
    pid, started, boot, namespace = identity
    if boot != _boot():
        return True
    if namespace != _namespace():
        return False
    if started is not None:
        return _started(pid) != started
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def _started(pid: int) -> int | None:
    """Field 22 of /proc/PID/stat, counted after the name, which may hold anything; None
    where there is no such process, or only its corpse that nobody has reaped yet."""
    try:
        text = Path(f"/proc/{pid}/stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = text.rpartition(b")")[2].split()
    return None if fields[0] in (b"Z", b"X") else int(fields[19])


@cache
def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except FileNotFoundError:
        return ""


def _namespace() -> str:
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""
