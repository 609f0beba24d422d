"""The lane's controls, each with what was measured of it (observation.ControlReading)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from magicrune.observation import ControlReading

if TYPE_CHECKING:
    from magicrune.backends.wasi.job import Job
    from magicrune.backends.wasi.proof import Proof

OVERRUN_MS = 1500
"""How late a run may be ended and the limit still be called held: a bulk memory instruction
over 4 GiB cannot be interrupted and takes about a second."""


def read_controls(job: Job, proof: Proof) -> tuple[ControlReading, ...]:
    """All controls of a finished job. `measured` is of this run or of the lane's trials."""
    limits = job.spec.limits
    quota = job.vfs.quota
    wall_ms = (time.monotonic_ns() - job.started_ns - job.excused_ns) // 1_000_000
    mounts = ", ".join(f"{m.path} {'rw' if m.writable else 'ro'}" for m in job.spec.mounts)
    return (
        ControlReading(
            "filesystem",
            "in-memory file system; no function of ours opens a host path",
            f"only {mounts} and read-only programs",
            proof.files,
            True,
        ),
        ControlReading(
            "network",
            "no function that makes a socket exists in the lane",
            "none",
            proof.network,
            True,
        ),
        ControlReading(
            "host_functions",
            "linker with WASI preview 1 only (the shell: and its process calls)",
            "no other import can be linked",
            proof.imports,
            True,
        ),
        ControlReading(
            "memory",
            "every growth of linear memory is granted by the job",
            f"<= {limits.memory_bytes} bytes",
            f"peak {job.memory_peak} bytes; {proof.memory}",
            job.memory_peak <= limits.memory_bytes,
        ),
        ControlReading(
            "wall_time",
            "epoch interruption; blocking calls wait for no longer",
            f"<= {limits.wall_ms} ms",
            f"{wall_ms} ms; {proof.interruption}",
            wall_ms <= limits.wall_ms + OVERRUN_MS,
        ),
        ControlReading(
            "cpu_time",
            "thread CPU clocks, compared at each epoch",
            f"<= {limits.cpu_ms} ms",
            f"{job.cpu_done_ns // 1_000_000} ms; {proof.interruption}",
            job.cpu_done_ns // 1_000_000 <= limits.cpu_ms + OVERRUN_MS,
        ),
        _ceiling(
            "processes", "processes are made by one call only", limits.pids, job.processes_peak
        ),
        _ceiling("output", "stdout and stderr are ours", limits.output_bytes, job.output_bytes()),
        _ceiling("disk", "every byte is charged first", quota.bytes_max, quota.bytes_peak),
        _ceiling("files", "every entry is charged first", quota.files_max, quota.files_peak),
        ControlReading(
            "host_identity",
            "environment, arguments, clock and randomness come from the spec",
            "no variable, user or host name of the executor",
            f"{len(job.spec.env)} variables given, none inherited",
            True,
        ),
    )


def _ceiling(control: str, mechanism: str, wanted: int, peak: int) -> ControlReading:
    return ControlReading(control, mechanism, f"<= {wanted}", f"peak {peak}", peak <= wanted)
