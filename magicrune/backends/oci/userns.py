"""A user namespace for the containers of an ordinary user: root in it is that user, every
other id is one of the user's subordinate ids, so that the job shares its id with nobody."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from magicrune.errors import BackendBroken, BackendFailed, cannot_do
from magicrune.remedy import as_root, in_turn, install
from magicrune.subids import WANTED, SubIds, find_ids, how_to_get

_PATIENCE_S = 10.0
_KERNEL = Path("/proc/sys")
_APPARMOR = "kernel/apparmor_restrict_unprivileged_userns"


def why_not(kernel: Path = _KERNEL) -> tuple[str, str]:
    """What keeps this user from such a namespace, and what mends it; empty where nothing does.

    All that is amiss is mended in one go; the problem told is the first.
    """
    found = [each for each in (why_kernel_not(kernel), _why_no_ids()) if each[0]]
    if not found:
        return "", ""
    return found[0][0], in_turn(*(fix for _, fix in found))


def why_kernel_not(kernel: Path = _KERNEL) -> tuple[str, str]:
    """What the kernel's settings refuse an ordinary user, and what mends it."""
    if _read(kernel / "user/max_user_namespaces") in ("", "0"):
        return "no user namespaces", as_root("sysctl -w user.max_user_namespaces=15000")
    if _read(kernel / "kernel/unprivileged_userns_clone") == "0":
        fix = as_root("sysctl -w kernel.unprivileged_userns_clone=1")
        return "user namespaces are root's alone", fix
    if _read(kernel / _APPARMOR) == "1":
        fix = as_root(f"sysctl -w {_APPARMOR.replace('/', '.')}=0")
        return "AppArmor keeps users from user namespaces", fix
    return "", ""


def _why_no_ids() -> tuple[str, str]:
    ranges = "" if find_ids() else how_to_get()
    for program in ("newuidmap", "newgidmap"):
        if shutil.which(program) is None:
            return f"{program} is not there", in_turn(install("uidmap"), ranges)
    problem = f"no range of {WANTED} ids in /etc/subuid and /etc/subgid" if ranges else ""
    return problem, ranges


def map_ids(pid: int) -> None:
    """Gives the new namespace of process `pid` its ids. Raises BackendFailed."""
    ids = find_ids()
    if ids is None:
        raise BackendBroken("no range of ids", where="/etc/subuid", hint=how_to_get())
    for words in _words(pid, ids):
        try:
            done = subprocess.run(  # noqa: S603 - numbers alone
                words,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=_PATIENCE_S,
                check=False,
            )
        except OSError as error:
            raise cannot_do(error, "cannot be run", where=words[0]) from error
        except subprocess.TimeoutExpired as error:
            raise BackendFailed(f"cannot be run: {error}", where=words[0]) from error
        if done.returncode:
            raise BackendBroken(done.stderr.strip()[:300], where=words[0], hint=how_to_get())


def _words(pid: int, ids: SubIds) -> tuple[list[str], list[str]]:
    uids = ["0", str(os.geteuid()), "1", "1", str(ids.uid), str(WANTED)]
    gids = ["0", str(os.getegid()), "1", "1", str(ids.gid), str(WANTED)]
    return ["newuidmap", str(pid), *uids], ["newgidmap", str(pid), *gids]


def _read(path: Path) -> str:
    """The text of a file of the kernel's; empty where there is none."""
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""
