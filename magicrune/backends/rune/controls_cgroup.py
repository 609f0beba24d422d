"""Limits of the control group, read back. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from magicrune.backends.rune.controls_process import part
from magicrune.observation import ControlReading

if TYPE_CHECKING:
    from magicrune.backends.rune.container import Container

Measured = Mapping[str, Any]


def read_cgroup(group: Measured, wanted: Container, swap: bool) -> Iterator[ControlReading]:
    """Memory, swap, processes and processor time."""
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


def read_sockets(stage: Measured, wanted: Container, trouble: str) -> ControlReading:
    """Buffers of sockets. Where nobody could set a limit (`trouble`: socket_memory), that is what
    the control says: the machine's own is left."""
    group = part(stage, "cgroup")
    control, version, most = "socket_memory", group.get("version"), wanted.socket_bytes
    if version == 2:
        memory = isinstance(group.get("memory_max"), int)
        told = "part of it" if memory else "no memory limit"
        return ControlReading(control, "cgroup v2 memory limit", "part of it", told, memory)
    limit = group.get("tcp_max")
    held = isinstance(limit, int) and limit <= most
    if trouble and not held:
        return ControlReading(
            control,
            f"tcp_mem and udp_mem of the machine: {trouble}",
            "no limit of its own",
            f"limit {limit}",
            held=True,
        )
    return ControlReading(
        control,
        f"cgroup v{version} limit of TCP and UDP buffers, set by the executor",
        f"<= {most} bytes",
        f"limit {limit}",
        held,
    )
