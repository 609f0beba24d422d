"""What this machine can give to a sandbox, and what a person can do where it cannot."""

from __future__ import annotations

import os
import platform
import resource
from dataclasses import dataclass
from pathlib import Path

from magicrune.backends.oci.hierarchy import HOW_TO_MOUNT
from magicrune.backends.oci.userns import why_kernel_not
from magicrune.remedy import raise_open_files
from magicrune.subids import find_ids, how_to_get

_KERNEL_MIN = (5, 9)
"""Seccomp user notification with descriptors (SECCOMP_ADDFD), which the watch needs."""
_NOFILE_MIN = 1024


@dataclass(frozen=True, slots=True)
class Fact:
    """`fix` is empty where nothing is amiss."""

    name: str
    value: str
    fix: str = ""


def look_around() -> tuple[Fact, ...]:
    """Facts in the order in which a person should read them. Changes nothing."""
    return (
        _kernel(),
        Fact("architecture", platform.machine()),
        _cgroups(),
        _user_namespaces(),
        _subordinate_ids(),
        _open_files(),
        _seccomp(),
        Fact("AppArmor", _read("/sys/module/apparmor/parameters/enabled") or "absent"),
        Fact("swap", "yes" if len(_read("/proc/swaps").splitlines()) > 1 else "none"),
        Fact("user", f"uid {os.geteuid()}"),
    )


def _kernel() -> Fact:
    release = platform.release()
    numbers = tuple(int(part) for part in release.split("-")[0].split(".")[:2] if part.isdigit())
    old = numbers < _KERNEL_MIN
    fix = "# containers need Linux 5.9 or newer; the WASI lane does not" if old else ""
    return Fact("kernel", f"{platform.system()} {release}", fix)


def _cgroups() -> Fact:
    root = Path("/sys/fs/cgroup")
    if (root / "cgroup.controllers").exists():
        controllers = _read(str(root / "cgroup.controllers"))
        missing = {"memory", "pids", "cpu"} - set(controllers.split())
        fix = f"# boot Linux with {' '.join(f'cgroup_enable={each}' for each in sorted(missing))}"
        return Fact("cgroups", f"version 2: {controllers}", fix if missing else "")
    if (root / "memory/memory.limit_in_bytes").exists():
        hybrid = " (hybrid)" if (root / "unified/cgroup.procs").exists() else ""
        return Fact("cgroups", f"version 1{hybrid}")
    return Fact("cgroups", "none", HOW_TO_MOUNT)


def _user_namespaces() -> Fact:
    most = _read("/proc/sys/user/max_user_namespaces")
    problem, fix = why_kernel_not()
    value = f"at most {most or 'none'}"
    root = os.geteuid() == 0
    return Fact("user namespaces", f"{value}; {problem}" if problem else value, "" if root else fix)


def _subordinate_ids() -> Fact:
    found = find_ids()
    if os.geteuid() == 0:
        return Fact("subordinate ids", "root needs none")
    if found is None:
        return Fact("subordinate ids", "none", how_to_get())
    return Fact("subordinate ids", f"uid {found.uid} and on, gid {found.gid} and on")


def _open_files() -> Fact:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    few = hard != resource.RLIM_INFINITY and hard < _NOFILE_MIN
    fix = raise_open_files(_NOFILE_MIN) if few else ""
    return Fact("open files", f"at most {hard}", fix)


def _seccomp() -> Fact:
    actions = _read("/proc/sys/kernel/seccomp/actions_avail")
    fix = "" if "user_notif" in actions else "# containers need CONFIG_SECCOMP_FILTER in the kernel"
    return Fact("seccomp", actions or "none", fix)


def _read(path: str) -> str:
    """The text of a file of the kernel's; empty where there is none."""
    try:
        return Path(path).read_text(errors="replace").strip()
    except OSError:
        return ""
