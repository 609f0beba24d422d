"""Controls of processes, read back: rights, user, system call filters, rlimits. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from magicrune.backends.rune.record import FSIZE_ROOM
from magicrune.observation import ControlReading

if TYPE_CHECKING:
    from magicrune.backends.rune.container import Container
    from magicrune.spec import ContainerSpec

Measured = Mapping[str, Any]

_CAPABILITY_BITS = {"CAP_KILL": 5, "CAP_SETGID": 6, "CAP_SETUID": 7, "CAP_SYS_PTRACE": 19}


def read_privileges(init: Measured, job: Measured, wanted: Container) -> Iterator[ControlReading]:
    """Capabilities of init and job, and no_new_privs."""
    mask = sum(1 << _CAPABILITY_BITS[name] for name in wanted.capabilities)
    own, jobs = _capabilities(init), _capabilities(job)
    bounding = jobs.pop("bnd", None)
    yield ControlReading(
        "capabilities",
        "capability sets",
        f"init within {mask:x}, job none",
        f"init {_sets(own)}; job {_sets(jobs)}, bounding {_hex(bounding)}",
        len(own) == 5
        and all(value & ~mask == 0 for value in own.values())
        and len(jobs) == 4
        and not any(jobs.values())
        and bounding is not None
        and bounding & ~mask == 0,
    )
    flags = init.get("no_new_privs"), job.get("no_new_privs")
    yield ControlReading(
        "no_new_privileges",
        "prctl no_new_privs",
        "set for init and job",
        f"init {flags[0]}, job {flags[1]}",
        flags == (1, 1),
    )


def _capabilities(status: Measured) -> dict[str, int]:
    sets = status.get("caps")
    if not isinstance(sets, Mapping):
        return {}
    return {str(name): int(value, 16) for name, value in sets.items() if isinstance(value, str)}


def _sets(sets: Mapping[str, int]) -> str:
    return " ".join(f"{name}={value:x}" for name, value in sets.items()) or "unread"


def _hex(value: int | None) -> str:
    return "unread" if value is None else f"{value:x}"


def read_identity(job: Measured, spec: ContainerSpec) -> ControlReading:
    """The held job's user and groups."""
    uids, gids, groups = job.get("uid"), job.get("gid"), job.get("groups")
    return ControlReading(
        "job_user",
        "setresuid, setresgid, setgroups",
        f"uid {spec.uid}, gid {spec.gid}, no groups",
        f"uid {uids}, gid {gids}, groups {groups}",
        uids == [spec.uid] * 4 and gids == [spec.gid] * 4 and groups == [],
    )


def read_seccomp(
    init: Measured, job: Measured, stage: Measured, wanted: Container
) -> Iterator[ControlReading]:
    """The outer profile, and the watch."""
    count = job.get("seccomp_filters")
    yield ControlReading(
        "seccomp",
        f"seccomp profile {wanted.seccomp.name}, and init's filter for the job",
        "filter mode for init and job, two filters for the job",
        f"init mode {init.get('seccomp')}, job mode {job.get('seccomp')}, filters {count}",
        # Kernels before 5.9 do not tell the number of filters.
        init.get("seccomp") == 2 and job.get("seccomp") == 2 and (count is None or count >= 2),
    )
    size = stage.get("filter_bytes")
    yield ControlReading(
        "watch",
        "seccomp user notification",
        "the job's calls are watched",
        f"watched {stage.get('watched')}, filter of {size} bytes",
        stage.get("watched") is True and isinstance(size, int) and size > 0,
    )


def read_rlimits(job: Measured, spec: ContainerSpec) -> Iterator[ControlReading]:
    """Limits of each process of the job."""
    limits = job.get("rlimits") or {}
    files = spec.limits.open_files
    yield ControlReading(
        "open_files",
        "rlimit nofile",
        f"<= {files} in each process",
        f"limit {limits.get('nofile')}",
        limits.get("nofile") == [files, files],
    )
    size = spec.limits.tmp_bytes + FSIZE_ROOM
    wanted = {"core": [0, 0], "memlock": [0, 0], "msgqueue": [0, 0], "fsize": [size, size]}
    found = {name: limits.get(name) for name in wanted}
    yield ControlReading(
        "rlimits",
        "setrlimit",
        " ".join(f"{name}={pair[0]}" for name, pair in wanted.items()),
        " ".join(f"{name}={pair}" for name, pair in found.items()),
        found == wanted,
    )
