"""Controls, read back from inside the container before the job runs: wanted, measured, held.

Pure: what init measured (PROTOCOL.md, ``C``) against what the container was to be. A value
that could not be read is a control that is not held.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from magicrune.backends.rune.controls_cgroup import read_cgroup
from magicrune.backends.rune.controls_files import (
    read_devices,
    read_file_system,
    read_kernel_paths,
    read_terminals,
)
from magicrune.backends.rune.controls_process import (
    part,
    read_identity,
    read_priority,
    read_privileges,
    read_rlimits,
    read_seccomp,
    read_user_namespace,
)
from magicrune.errors import ControlNotHeld
from magicrune.observation import ControlReading

if TYPE_CHECKING:
    from magicrune.backends.rune.container import Container
    from magicrune.spec import ContainerSpec

Measured = Mapping[str, Any]

_PRIVATE = ("pid", "mnt", "net", "ipc", "uts", "cgroup")
_OF_CONTAINER = frozenset(
    "namespaces user_namespace rootfs mounts filesystem devices terminals masked_paths "
    "readonly_paths memory swap processes cpu_rate network host_identity".split()
)
_INITIAL = {
    "ipc": "4026531839",
    "uts": "4026531838",
    "pid": "4026531836",
    "cgroup": "4026531835",
}
"""The kernel's own first namespaces (include/linux/proc_ns.h): ours may be others, where this
process is in a container itself and the engine is not."""


def read_controls(
    container_stage: Measured,
    job_stage: Measured,
    *,
    spec: ContainerSpec,
    wanted: Container,
    host_namespaces: Mapping[str, str],
    host_has_swap: bool,
    own_mounts: Sequence[str] = (),
    rootless: bool = False,
) -> tuple[ControlReading, ...]:
    """All that was measured, held or not. `host_namespaces` are the inode numbers of ours,
    `own_mounts` the paths where the engine lays files of its own over the image; `rootless`
    demands a user namespace."""
    status, job = part(container_stage, "init"), part(job_stage, "job")
    return (
        _namespaces(container_stage, host_namespaces),
        *((read_user_namespace(container_stage, spec),) if rootless else ()),
        *read_privileges(status, job, wanted),
        read_identity(job, spec),
        *read_seccomp(container_stage, job_stage, wanted),
        *read_file_system(container_stage, wanted, own_mounts),
        read_devices(container_stage),
        read_terminals(container_stage),
        *read_kernel_paths(container_stage, wanted),
        *read_cgroup(part(container_stage, "cgroup"), wanted, host_has_swap),
        *read_rlimits(job, spec),
        read_priority(status, job),
        _network(container_stage),
        _hostname(container_stage, spec),
        _killing(container_stage, job_stage),
    )


def read_container(stage: Measured, **told: Any) -> tuple[ControlReading, ...]:
    """Those of `read_controls` that the container alone decides."""
    return tuple(each for each in read_controls(stage, {}, **told) if each.control in _OF_CONTAINER)


def read_runtime(wanted: str, measured: str | None) -> ControlReading:
    """Whether the runtime that the policy names made the container, by the engine's word."""
    return ControlReading(
        "oci_runtime", f"made by {measured}", wanted, str(measured), measured == wanted
    )


def require_held(
    readings: Iterable[ControlReading], how_to_hold: Callable[[str], str] = lambda _: ""
) -> None:
    """Raises ControlNotHeld for the first control that is not, with what was measured, and
    with what mends it, as far as `how_to_hold` knows."""
    for reading in readings:
        if not reading.held:
            raise ControlNotHeld(
                f"control {reading.control} is not held: wanted {reading.wanted}, "
                f"measured {reading.measured[:400]}",
                where=reading.mechanism,
                hint=how_to_hold(reading.control)
                or "the job was not started; magicrune doctor says what this machine lacks",
            )


def _namespaces(stage: Measured, host: Mapping[str, str]) -> ControlReading:
    found = part(stage, "namespaces")
    private = [
        name
        for name in found
        if found[name] and found[name] not in (host.get(name), _INITIAL.get(name))
    ]
    shared = [name for name in _PRIVATE if name not in private]
    return ControlReading(
        "namespaces",
        "Linux namespaces",
        f"own {' '.join(_PRIVATE)}",
        f"own {' '.join(sorted(private)) or 'none'}" + (f"; shared {shared}" if shared else ""),
        not shared and stage.get("pid1") is True,
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
