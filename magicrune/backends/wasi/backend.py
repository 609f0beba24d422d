"""The WASI lane as a backend: one spec, one job, one observation."""

from __future__ import annotations

import time
from typing import NoReturn

from magicrune.backends.base import Probe
from magicrune.backends.wasi.artifacts import collect_artifacts
from magicrune.backends.wasi.capi import find_library
from magicrune.backends.wasi.enforcement import count_foreign_variables, read_controls
from magicrune.backends.wasi.fdtable import FdTable
from magicrune.backends.wasi.job import Job
from magicrune.backends.wasi.lane import Lane, shared_lane
from magicrune.backends.wasi.process import Process
from magicrune.backends.wasi.programs import Program
from magicrune.backends.wasi.proof import Proof
from magicrune.backends.wasi.quota import Quota
from magicrune.backends.wasi.start import Start
from magicrune.backends.wasi.streams import InputStream, OutputBudget, OutputStream
from magicrune.backends.wasi.vfs import Vfs
from magicrune.backends.wasi.wasi_abi import WasiError
from magicrune.cancellation import Cancellation
from magicrune.errors import (
    BackendBroken,
    BackendUnavailable,
    MagicRuneError,
    ProgramInvalid,
    translate,
)
from magicrune.locations import cache_dir, shipped
from magicrune.observation import Ending, Observation, Usage
from magicrune.pathrule import compile_globs
from magicrune.spec import ContainerSpec

_GRACE_S = 10.0
"""How long after its deadline a job may take to unwind before we call it our failure. What
cannot be interrupted is one bulk memory instruction: enforcement.OVERRUN_MS has figures."""


class WasiBackend:
    """Runs jobs in this Python process, each on WebAssembly memory of its own."""

    name = "wasi"

    def probe(self) -> Probe:
        try:
            find_library()
        except ProgramInvalid as error:
            return Probe(self.name, False, "", error.message, error.hint)
        if not shipped("sh.wasm").exists():
            return Probe(self.name, False, "", "sh.wasm is missing", "reinstall magicrune")
        return Probe(self.name, True, "wasmtime")

    def run(self, spec: ContainerSpec, cancellation: Cancellation | None = None) -> Observation:
        """See base.Backend. Refuses a spec that this lane cannot hold (network)."""
        if spec.has_network:
            raise BackendUnavailable(
                "the WASI lane has no network",
                where=", ".join(str(rule) for rule in (*spec.net, *spec.host_loopback)),
                hint="leave allow_net empty, or choose a container backend",
            )
        cancellation = cancellation or Cancellation()
        started = time.perf_counter()
        lane = shared_lane(shipped("sh.wasm"), cache_dir())
        proof = lane.proof()
        program = lane.shell()
        job = Job(spec, lane, compile_globs(spec.sensitive))
        main = _furnish(job, lane, program)
        prepared = time.perf_counter()
        try:
            cancellation.begin()
            with lane.ticking(), cancellation.ending_by(lambda: job.stop(Ending.INFRA_ERROR)):
                job.run(main, _GRACE_S)
            ended = time.perf_counter()
            if job.failure is not None:
                _raise(job.failure)
            if job.over is Ending.INFRA_ERROR:
                cancellation.check()
            return self._observe(job, proof, program.digest, (started, prepared, ended))
        finally:
            job.vfs.discard()

    def _observe(
        self, job: Job, proof: Proof, digest: str, clock: tuple[float, float, float]
    ) -> Observation:
        started, prepared, ended = clock
        main = job.main
        assert main is not None
        spec = job.spec
        ended_by_itself = job.over is Ending.EXITED and main.killed_by is None
        artifacts, skipped = collect_artifacts(
            job.vfs, spec.artifacts_dir, spec.limits.artifact_bytes
        )
        return Observation(
            backend=self.name,
            ending=job.ending(),
            exit_code=main.status if ended_by_itself else None,
            signal=main.killed_by,
            stdout=bytes(job.stdout.content),
            stderr=bytes(job.stderr.content),
            stdout_truncated=job.stdout.truncated,
            stderr_truncated=job.stderr.truncated,
            events=tuple(job.recorder.events),
            event_counts=dict(job.recorder.counts),
            telemetry_complete=not job.recorder.flooded(),
            artifacts=artifacts,
            artifacts_skipped=skipped,
            usage=Usage(
                wall_ms=round(job.wall_ms(), 3),
                cpu_ms=round(job.cpu_done_ns / 1e6, 3),
                memory_peak_bytes=job.memory_peak,
                processes=job.process_count,
                tmp_peak_bytes=job.vfs.quota.bytes_peak,
                files_peak=job.vfs.quota.files_peak,
                output_bytes=job.output_bytes(),
            ),
            enforcement=read_controls(job, proof),
            image_digest=f"sha256:{digest}",
            timings={
                "prepare_ms": round((prepared - started) * 1000, 3),
                "run_ms": round((ended - prepared) * 1000, 3),
                "collect_ms": round((time.perf_counter() - ended) * 1000, 3),
            },
        )


def _furnish(job: Job, lane: Lane, program: Program) -> Process:
    """The job's files, streams and first process."""
    spec = job.spec
    limits = spec.limits
    quota = Quota(limits.tmp_bytes, limits.files, job.hit)
    job.vfs = Vfs(spec.mounts, lane.image, quota, time.time_ns)
    try:
        job.vfs.populate(spec.files)
    except WasiError as error:
        raise BackendBroken("the request's files do not fit into the sandbox") from error
    budget = OutputBudget(limits.output_bytes, job.hit)
    job.stdout, job.stderr = OutputStream(budget), OutputStream(budget)
    fds = FdTable(limits.open_files, job.hit)
    for handle in (InputStream(spec.stdin), job.stdout, job.stderr):
        fds.insert(handle)
    env = [f"{name}={value}".encode() for name, value in spec.env]
    start = Start(program, [word.encode() for word in spec.argv], env, spec.cwd.encode())
    main = Process(job, job.next_pid(), 1, fds, start)
    fds.keep_standard(lane.programs.preopens(main, start))
    job.foreign_variables = count_foreign_variables(main.env, env)
    return main


def _raise(failure: BaseException) -> NoReturn:
    """A fault of ours, raised where the caller waits."""
    if isinstance(failure, MagicRuneError):
        raise failure
    if isinstance(failure, Exception):
        raise translate(failure, where="the WASI lane") from failure
    raise failure
