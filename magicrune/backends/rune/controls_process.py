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

_TRIED = 30
"""Fewer calls tried than this is an init that does not try them."""
_NEWER_THAN_LIBSECCOMP = frozenset({"statmount", "listmount", "open_tree_attr"})
"""Their names are unknown to libseccomp 2.5 (Debian 12), so a profile's rule for them is left
out and they get its default: refused, unseen."""
_NONE = ("core", "memlock", "msgqueue", "rtprio")
"""Resources of which a job has nothing."""
_NICE = 19
"""The last in the order of service (setpriority(2))."""
_CAPABILITY_BITS = {"CAP_KILL": 5, "CAP_SETGID": 6, "CAP_SETUID": 7, "CAP_SYS_PTRACE": 19}


def part(stage: Measured, name: str) -> Measured:
    """One object of what was measured; empty where it is missing."""
    found = stage.get(name)
    return found if isinstance(found, Mapping) else {}


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


def read_user_namespace(stage: Measured, spec: ContainerSpec) -> ControlReading:
    """That nobody inside is root outside, and that the job is there who nobody else is."""
    maps = {name: _extents(stage.get(name)) for name in ("uid_map", "gid_map")}
    job = {"uid_map": spec.uid, "gid_map": spec.gid}
    held = all(
        bool(extents)
        and all(outside > 0 for _, outside, _ in extents)
        and _outside(extents, job[name]) not in (None, _outside(extents, 0))
        for name, extents in maps.items()
    )
    return ControlReading(
        "user_namespace",
        "user namespace with subordinate ids",
        "root of the host is nobody inside; the job has an id of its own there",
        ", ".join(f"{name} {_text(extents)}" for name, extents in maps.items())
        + f", setgroups {stage.get('setgroups')}",
        held and stage.get("setgroups") == "allow",
    )


def _extents(found: Any) -> list[tuple[int, int, int]]:
    """Inside, outside, count; empty where one of them is unknown."""
    rows = found if isinstance(found, list) else []
    good = all(
        isinstance(row, list) and len(row) == 3 and all(type(each) is int for each in row)
        for row in rows
    )
    return [(row[0], row[1], row[2]) for row in rows] if good else []


def _outside(extents: list[tuple[int, int, int]], number: int) -> int | None:
    for inside, outside, count in extents:
        if inside <= number < inside + count:
            return outside + number - inside
    return None


def _text(extents: list[tuple[int, int, int]]) -> str:
    return " ".join("{}={}+{}".format(*row) for row in extents) or "unread"


def read_seccomp(
    container_stage: Measured, job_stage: Measured, wanted: Container
) -> Iterator[ControlReading]:
    """The outer profile, and the watch."""
    init, job = part(container_stage, "init"), part(job_stage, "job")
    refusals = part(container_stage, "refusals")
    modes, count = (init.get("seccomp"), job.get("seccomp")), job.get("seccomp_filters")
    known = refusals.keys() - _NEWER_THAN_LIBSECCOMP
    judged = {name: wanted.seccomp.refusal(name) for name in sorted(known)}
    judged = {name: errno for name, errno in judged.items() if errno is not None}
    wrong = [f"{name} {refusals[name]}" for name in judged if refusals[name] != judged[name]]
    yield ControlReading(
        "seccomp",
        f"seccomp profile {wanted.seccomp.name}, and init's filter for the job",
        "filter mode for init and job, two filters for the job, calls refused as the profile says",
        f"init mode {modes[0]}, job mode {modes[1]}, filters {count}, {len(judged)} calls tried, "
        + (f"{len(wrong)} answered otherwise: {', '.join(wrong)}" if wrong else "all refused so"),
        # Kernels before 5.9 do not tell the number of filters.
        modes == (2, 2) and (count is None or count >= 2) and len(judged) > _TRIED and not wrong,
    )
    yield _watch(job_stage, wanted)


def _watch(stage: Measured, wanted: Container) -> ControlReading:
    """That refused calls come to the watch, but for those that the profile keeps from it."""
    size, unseen, tried = stage.get("filter_bytes"), stage.get("unseen"), stage.get("tried")
    known = isinstance(unseen, list) and isinstance(tried, int) and tried > _TRIED
    names = [str(name) for name in unseen] if isinstance(unseen, list) else []
    hidden = [n for n in names if wanted.seccomp.records(n) and n not in _NEWER_THAN_LIBSECCOMP]
    missed = f"; unrecorded: {', '.join(hidden or names)}" if names else ""
    return ControlReading(
        "watch",
        "seccomp user notification",
        "what the job tries of refused calls is recorded, but for what the profile keeps back",
        f"watched {stage.get('watched')}, filter of {size} bytes, "
        f"{(tried or 0) - len(names)} of {tried} calls tried were recorded{missed}",
        stage.get("watched") is True
        and isinstance(size, int)
        and size > 0
        and known
        and not hidden,
    )


def read_priority(init: Measured, job: Measured) -> ControlReading:
    """That init gets a processor before the job, however many threads the job has."""
    nice, limit = job.get("nice"), part(job, "rlimits").get("nice")
    own = init.get("nice")
    return ControlReading(
        "priority",
        "setpriority, rlimit nice",
        f"nice {_NICE} for the job, and no way back; init before it",
        f"nice {nice} for the job, limit {limit}; init {own}",
        nice == _NICE and limit == [0, 0] and type(own) is int and own < _NICE,
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
    wanted = {name: [0, 0] for name in _NONE} | {"fsize": [size, size]}
    found = {name: limits.get(name) for name in wanted}
    yield ControlReading(
        "rlimits",
        "setrlimit",
        " ".join(f"{name}={pair[0]}" for name, pair in wanted.items()),
        " ".join(f"{name}={pair}" for name, pair in found.items()),
        found == wanted,
    )
