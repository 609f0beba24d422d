"""Limits of the control group, read back. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

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
