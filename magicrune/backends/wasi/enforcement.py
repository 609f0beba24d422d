"""The lane's controls, each with what was measured of it (observation.ControlReading)."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from magicrune.observation import ControlReading

if TYPE_CHECKING:
    from magicrune.backends.wasi.job import Job
    from magicrune.backends.wasi.proof import Proof

OVERRUN_MS = 1500
"""How late a run may be ended and the limit still be called held. One bulk memory
instruction cannot be interrupted; the first touch of 512 MiB took 0.6 s, of 1 GiB 1.0 s and
of 4 GiB 10 s where this was measured, so a policy with more memory can see this not held."""


def read_controls(job: Job, proof: Proof) -> tuple[ControlReading, ...]:
    """All controls of a finished job. `measured` is of this run or of the lane's trials."""
    return (
        *_isolation(job, proof),
        *_budgets(job, proof),
        *_cpu_rate(job),
        *_ceilings(job, proof),
        _identity(job),
    )


def _isolation(job: Job, proof: Proof) -> tuple[ControlReading, ...]:
    """Held by what does not exist; a trial that fails has ended the run already."""
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
    )


def _budgets(job: Job, proof: Proof) -> tuple[ControlReading, ...]:
    limits = job.spec.limits
    wall_ms = round(job.wall_ms())
    cpu_ms = job.cpu_done_ns // 1_000_000
    return (
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
            f"{cpu_ms} ms; {proof.interruption}",
            cpu_ms <= limits.cpu_ms + OVERRUN_MS,
        ),
    )


def _cpu_rate(job: Job) -> Iterator[ControlReading]:
    """Where the policy limits it: held by how the lane works (ADR 2)."""
    wanted = job.spec.limits.cpus
    if wanted is not None:
        used, wall = job.cpu_done_ns / 1e6, job.wall_ms()
        yield ControlReading(
            "cpu_rate",
            "one process of a job runs at a time",
            f"<= {wanted} processors",
            f"{used:.0f} ms of processor time in {wall:.0f} ms",
            used <= wanted * wall + OVERRUN_MS,
        )


def _ceilings(job: Job, proof: Proof) -> Iterator[ControlReading]:
    limits, quota = job.spec.limits, job.vfs.quota
    rows = (
        ("processes", "processes are made by one call only", limits.pids, job.processes_peak),
        (
            "open_files",
            "descriptors are ours, counted for each process",
            limits.open_files,
            job.open_files_peak,
        ),
        ("output", "stdout and stderr are ours", limits.output_bytes, job.output_bytes()),
        ("disk", "every byte is charged first", quota.bytes_max, quota.bytes_peak),
        ("files", "every entry is charged first", quota.files_max, quota.files_peak),
    )
    for control, mechanism, wanted, peak in rows:
        measured = f"peak {peak}; {proof.ceilings[control]}"
        yield ControlReading(control, mechanism, f"<= {wanted}", measured, peak <= wanted)


def _identity(job: Job) -> ControlReading:
    return ControlReading(
        "host_identity",
        "environment, arguments, clock and randomness come from the spec",
        "no variable, user or host name of the executor",
        f"{len(job.spec.env)} variables given, {job.foreign_variables} of the executor's",
        job.foreign_variables == 0,
    )


def count_foreign_variables(given: Iterable[bytes], spec_env: Iterable[bytes]) -> int:
    """How many of the variables given to a job are the executor's own and not the spec's."""
    own = {name + b"=" + value for name, value in os.environb.items()}
    return len((set(given) & own) - set(spec_env))
