"""Controls, read back from inside the container before the job runs: wanted, measured, held.

Pure: what init measured (PROTOCOL.md, ``C``) against what the container was to be. A value
that could not be read is a control that is not held.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from magicrune.backends.rune.record import FSIZE_ROOM
from magicrune.errors import ControlNotHeld
from magicrune.observation import ControlReading

if TYPE_CHECKING:
    from magicrune.backends.rune.container import Container, TmpFs
    from magicrune.spec import ContainerSpec

Measured = Mapping[str, Any]

_CAPABILITY_BITS = {"CAP_KILL": 5, "CAP_SETGID": 6, "CAP_SETUID": 7, "CAP_SYS_PTRACE": 19}
_PRIVATE = ("pid", "mnt", "net", "ipc", "uts")
_DEVICES = frozenset({(1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0), (5, 2)})
"""null, zero, full, random, urandom, tty, ptmx: linux/Documentation/admin-guide/devices.txt."""
_PTS_MAJOR = 136
_ROOTS_OWN = ("/dev", "/sys/fs/cgroup")
"""File systems in memory that runtimes make, 0755 and root's; the second holds the mount
points of version 1 control groups, and runtimes leave it writable."""
_PAGE = 65536
"""The largest page size of the machines we know; limits are rounded to pages."""


def read_controls(
    container_stage: Measured,
    job_stage: Measured,
    *,
    spec: ContainerSpec,
    wanted: Container,
    host_namespaces: Mapping[str, str],
    host_has_swap: bool,
) -> tuple[ControlReading, ...]:
    """All that was measured, held or not. `host_namespaces` are the inode numbers of ours."""
    status, job = _part(container_stage, "init"), _part(job_stage, "job")
    return (
        _namespaces(container_stage, host_namespaces),
        *_privileges(status, job, wanted),
        _identity(job, spec),
        *_seccomp(status, job, job_stage, wanted),
        *_file_system(container_stage, wanted),
        _devices(container_stage),
        *_kernel_paths(container_stage, wanted),
        *_cgroup(_part(container_stage, "cgroup"), wanted, host_has_swap),
        *_rlimits(job, spec),
        _network(container_stage),
        _hostname(container_stage, spec),
        _killing(container_stage, job_stage),
    )


def require_held(readings: Iterable[ControlReading]) -> None:
    """Raises ControlNotHeld for the first control that is not, with what was measured."""
    for reading in readings:
        if not reading.held:
            raise ControlNotHeld(
                f"control {reading.control} is not held: wanted {reading.wanted}, "
                f"measured {reading.measured[:400]}",
                where=reading.mechanism,
                hint="the job was not started; magicrune doctor says what this machine lacks",
            )


def _namespaces(stage: Measured, host: Mapping[str, str]) -> ControlReading:
    found = _part(stage, "namespaces")
    shared = [name for name in _PRIVATE if not found.get(name) or found[name] == host.get(name)]
    private = [name for name in found if found[name] and found[name] != host.get(name)]
    return ControlReading(
        "namespaces",
        "Linux namespaces",
        f"own {' '.join(_PRIVATE)}",
        f"own {' '.join(sorted(private)) or 'none'}" + (f"; shared {shared}" if shared else ""),
        not shared and stage.get("pid1") is True,
    )


def _privileges(init: Measured, job: Measured, wanted: Container) -> Iterator[ControlReading]:
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


def _identity(job: Measured, spec: ContainerSpec) -> ControlReading:
    uids, gids, groups = job.get("uid"), job.get("gid"), job.get("groups")
    return ControlReading(
        "job_user",
        "setresuid, setresgid, setgroups",
        f"uid {spec.uid}, gid {spec.gid}, no groups",
        f"uid {uids}, gid {gids}, groups {groups}",
        uids == [spec.uid] * 4 and gids == [spec.gid] * 4 and groups == [],
    )


def _seccomp(
    init: Measured, job: Measured, stage: Measured, wanted: Container
) -> Iterator[ControlReading]:
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


def _file_system(stage: Measured, wanted: Container) -> Iterator[ControlReading]:
    yield ControlReading(
        "rootfs",
        "read-only mount",
        "read-only",
        "read-only" if stage.get("rootfs_readonly") is True else "not read-only",
        stage.get("rootfs_readonly") is True,
    )
    mounts = [mount for mount in stage.get("mounts") or () if isinstance(mount, Mapping)]
    sizes = [_tmpfs_fault(mount, mounts) for mount in wanted.tmpfs]
    yield ControlReading(
        "mounts",
        "tmpfs with size and inode limits, nosuid, nodev",
        ", ".join(f"{m.path} <= {m.size_bytes} bytes, {m.inodes} inodes" for m in wanted.tmpfs),
        "; ".join(fault for fault in sizes if fault) or "as wanted",
        not any(sizes),
    )
    others = [_text(mount) for mount in mounts if _is_foreign(mount, wanted)]
    yield ControlReading(
        "filesystem",
        "mount namespace",
        "nothing of the host, nothing else writable",
        ", ".join(others) or f"{len(mounts)} mounts, none foreign or writable",
        bool(mounts) and not others,
    )


def _tmpfs_fault(wanted: TmpFs, mounts: Iterable[Measured]) -> str:
    """What is wrong with a file system that the job may fill; empty where nothing is."""
    found = [mount for mount in mounts if mount.get("path") == wanted.path]
    if not found:
        return f"{wanted.path} missing"
    top = found[-1]  # mounted last, so what the job sees
    flags = set(top.get("options", ())) | set(top.get("super", ()))
    size = _size(_option(flags, "size"))
    inodes = _size(_option(flags, "nr_inodes"))
    lacking = {"nosuid", "nodev", *(() if wanted.exec else ("noexec",))} - flags
    if top.get("type") != "tmpfs" or lacking:
        return f"{wanted.path} {top.get('type')} without {sorted(lacking)}"
    if size is None or size > wanted.size_bytes + _PAGE:
        return f"{wanted.path} size {size}"
    if inodes is None or inodes > wanted.inodes:
        return f"{wanted.path} inodes {inodes}"
    return ""


def _option(options: Iterable[str], name: str) -> str | None:
    prefix = name + "="
    return next((each[len(prefix) :] for each in options if each.startswith(prefix)), None)


def _size(text: str | None) -> int | None:
    """A size as the kernel writes it in mountinfo (``32768k``, ``10001``)."""
    if text is None:
        return None
    unit = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30}.get(text[-1:].lower(), 1)
    digits = text[:-1] if unit > 1 else text
    return int(digits) * unit if digits.isdigit() else None


def _is_foreign(mount: Measured, wanted: Container) -> bool:
    """Whether the job might write there, and should not."""
    path, kind = str(mount.get("path")), str(mount.get("type"))
    if path in {each.path for each in wanted.tmpfs}:
        return False
    if "ro" in mount.get("options", ()) or "ro" in mount.get("super", ()):
        return False
    if kind == "tmpfs" and (path in _ROOTS_OWN or path in wanted.masked_paths):
        return False  # root's, and the job is not root: the kernel refuses by owner
    if kind in ("proc", "mqueue", "devpts"):
        return False  # `readonly_paths` and the rlimit msgqueue judge them
    # Rootless runtimes bind the usual device nodes; `devices` judges those.
    return not (path.startswith("/dev/") and kind in ("devtmpfs", "tmpfs"))


def _text(mount: Measured) -> str:
    return f"{mount.get('path')} {mount.get('type')} {','.join(mount.get('options', ()))}"[:120]


def _devices(stage: Measured) -> ControlReading:
    found = stage.get("devices")
    strange = [
        f"{each.get('path')} {each.get('type')} {each.get('major')}:{each.get('minor')}"
        for each in found or ()
        if each.get("type") != "c"
        or (
            (each.get("major"), each.get("minor")) not in _DEVICES
            and each.get("major") != _PTS_MAJOR
        )
    ]
    return ControlReading(
        "devices",
        "device nodes below /dev",
        "null zero full random urandom tty ptmx",
        ", ".join(strange) or f"{len(found or ())} nodes, none else",
        isinstance(found, list) and not strange,
    )


def _kernel_paths(stage: Measured, wanted: Container) -> Iterator[ControlReading]:
    paths = _part(stage, "paths")
    open_paths = [path for path in wanted.masked_paths if paths.get(path, "unread") in _OPEN]
    yield ControlReading(
        "masked_paths",
        "mounts over them",
        f"{len(wanted.masked_paths)} paths of the kernel say nothing",
        ", ".join(f"{p} {paths.get(p)}" for p in open_paths) or "absent, empty or refused",
        not open_paths,
    )
    states = _part(stage, "readonly")
    checked = (*wanted.readonly_paths, "/sys")
    writable = [path for path in checked if states.get(path) not in ("ro", "absent")]
    yield ControlReading(
        "readonly_paths",
        "read-only mounts",
        f"{len(checked)} paths of the kernel cannot be written",
        ", ".join(f"{p} {states.get(p)}" for p in writable) or "read-only or absent",
        not writable,
    )


_OPEN = frozenset({"readable", "unread"})


def _cgroup(group: Measured, wanted: Container, swap: bool) -> Iterator[ControlReading]:
    version = group.get("version")
    memory = group.get("memory_max")
    yield ControlReading(
        "memory",
        f"cgroup v{version} memory limit (processes and files of the sandbox together)",
        f"<= {wanted.memory_bytes} bytes",
        f"limit {memory}",
        isinstance(memory, int) and memory <= wanted.memory_bytes,
    )
    own, both = group.get("swap_max"), group.get("memsw_max")
    none = own == 0 or (isinstance(both, int) and both <= wanted.memory_bytes)
    yield ControlReading(
        "swap",
        f"cgroup v{version} swap limit" if none else "the host has no swap",
        "none",
        f"swap {own}, memory and swap {both}, swap on the host: {'yes' if swap else 'no'}",
        none or not swap,
    )
    pids = group.get("pids_max")
    yield ControlReading(
        "processes",
        f"cgroup v{version} pids limit",
        f"<= {wanted.pids}",
        f"limit {pids}",
        isinstance(pids, int) and pids <= wanted.pids,
    )
    if wanted.cpus is not None:
        quota, period = group.get("cpu_quota_us"), group.get("cpu_period_us")
        yield ControlReading(
            "cpu_rate",
            f"cgroup v{version} cpu quota",
            f"<= {wanted.cpus} processors",
            f"{quota} us in {period} us",
            isinstance(quota, int) and isinstance(period, int) and quota <= wanted.cpus * period,
        )


def _rlimits(job: Measured, spec: ContainerSpec) -> Iterator[ControlReading]:
    limits = _part(job, "rlimits")
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


def _network(stage: Measured) -> ControlReading:
    interfaces, routes = stage.get("interfaces"), stage.get("routes")
    usable = [
        f"{each.get('name')} {each.get('addresses')}"
        for each in interfaces or ()
        if each.get("name") != "lo" and (each.get("up") is not False or each.get("addresses"))
    ]
    away = [route for route in routes or () if not str(route).startswith("lo ")]
    return ControlReading(
        "network",
        "network namespace without an interface",
        "loopback only, no route",
        ", ".join((*usable, *away)) or f"{len(interfaces or ())} interface(s), no route",
        isinstance(interfaces, list) and isinstance(routes, list) and not usable and not away,
    )


def _hostname(stage: Measured, spec: ContainerSpec) -> ControlReading:
    name = stage.get("hostname")
    return ControlReading(
        "host_identity", "UTS namespace", spec.hostname, str(name), name == spec.hostname
    )


def _killing(container_stage: Measured, job_stage: Measured) -> ControlReading:
    scope, dumpable = job_stage.get("kill_scope"), container_stage.get("dumpable")
    return ControlReading(
        "kill_all",
        "PID 1 of a PID namespace",
        "the end of init ends everything; init cannot be traced",
        f"scope {scope}, dumpable {dumpable}",
        scope == "pid_namespace" and dumpable == 0,
    )


def _part(stage: Measured, name: str) -> Measured:
    part = stage.get(name)
    return part if isinstance(part, Mapping) else {}
