"""One job: its processes, and who runs. Exactly one process runs at any time.

A process is a wasmtime instance in a thread of its own, but only the holder of the job's
turn runs; the turn passes on when the holder blocks, ends, or has used a long slice while
others could run. So nothing in the lane needs a lock, memory is accounted exactly, and a
script's output has the same order in every run.
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from magicrune.backends.wasi.process import Process
from magicrune.backends.wasi.recorder import Recorder
from magicrune.errors import BackendFailed
from magicrune.observation import Ending, EventKind
from magicrune.spec import ContainerSpec

if TYPE_CHECKING:
    from magicrune.backends.wasi.lane import Lane
    from magicrune.backends.wasi.streams import OutputStream
    from magicrune.backends.wasi.vfs import Vfs

SLICE_NS = 50_000_000
"""A process that ran this long lets others run; long, because switching early only makes
the order of output depend on the machine's speed."""

_STOPPED_MAX_NS = 600_000_000_000
"""Longest that the clock may stand still; what takes longer is a failure of ours."""
_LOOK_S = 1.0

_ENDINGS = {
    "memory": Ending.OOM,
    "pids": Ending.PIDS_LIMIT,
    "disk": Ending.DISK_LIMIT,
    "files": Ending.FILE_LIMIT,
    "open_files": Ending.FILE_LIMIT,
}
_FATAL = {
    "wall": Ending.TIMEOUT,
    "cpu": Ending.CPU_LIMIT,
    "output": Ending.OUTPUT_LIMIT,
}


class Job:
    """Processes, turn, limits and record of one run."""

    def __init__(
        self, spec: ContainerSpec, lane: Lane, is_sensitive: Callable[[str], bool]
    ) -> None:
        self.spec = spec
        self.engine = lane.engine
        self.programs = lane.programs
        self.is_sensitive = is_sensitive
        self.recorder = Recorder()
        self.processes: dict[int, Process] = {}
        self.main: Process | None = None
        self.running: Process | None = None
        self.ended = threading.Event()
        self.over: Ending | None = None
        """Set once: everything is to be unwound, for this reason."""
        self.failure: BaseException | None = None
        """A fault of ours, not of the job."""
        self.limits_hit: list[str] = []
        self.started_ns = 0
        self.deadline_ns = 0
        self._excused_ns = 0
        self._ended_ns = 0
        self.foreign_variables = 0
        """Variables of the executor that its first process was given; see enforcement.py."""
        self.vfs: Vfs  # these three are set by backend.py: they charge this job
        self.stdout: OutputStream
        self.stderr: OutputStream
        self.memory_used = 0
        self.memory_peak = 0
        self.cpu_done_ns = 0
        self.process_count = 0
        self.processes_peak = 0
        self.open_files_peak = 0
        self._next_pid = 2
        self._outside = threading.Condition()
        self._random_blocks = 0

    def run(self, main: Process, grace_s: float) -> None:
        """Runs `main` and all it starts until nothing of the job is left.

        Raises BackendFailed where that is not so `grace_s` seconds after the deadline.
        """
        self.main = main
        self.started_ns = time.monotonic_ns()
        self.deadline_ns = self.started_ns + self.spec.limits.wall_ms * 1_000_000
        main.launch()
        self.running = main
        main.turn.release()
        try:
            done = self._wait_for_end(grace_s)
        except BaseException:  # the user interrupts us: the job must not go on alone
            self.stop(Ending.INFRA_ERROR)
            self.ended.wait(grace_s)
            raise
        if not done:
            raise BackendFailed("a job did not end after its deadline", where=self.spec.run_id)

    def _wait_for_end(self, grace_s: float) -> bool:
        while True:
            left_s = (self.deadline_ns - time.monotonic_ns()) / 1e9 + grace_s
            if left_s <= 0:
                return False
            # In short waits, since clock_stopped() moves the deadline in both directions.
            if self.ended.wait(min(left_s, _LOOK_S)):
                return True

    @contextmanager
    def clock_stopped(self) -> Iterator[None]:
        """Time spent inside by the running process is ours (compiling CPython once takes
        seconds, on a busy machine a minute), not the job's. Meanwhile the deadline is far
        off, so that nobody takes the wait for a job that hangs."""
        process = self.running
        before_ns = time.monotonic_ns()
        deadline_ns = self.deadline_ns
        self.deadline_ns += _STOPPED_MAX_NS
        cpu_ns = time.thread_time_ns()
        try:
            yield
        finally:
            stopped_ns = time.monotonic_ns() - before_ns
            self.deadline_ns = deadline_ns + stopped_ns
            self._excused_ns += stopped_ns
            if process is not None:
                process.excuse_cpu(time.thread_time_ns() - cpu_ns)

    def wall_ms(self) -> float:
        """How long the ended job took, without what clock_stopped() took out."""
        return (self._ended_ns - self.started_ns - self._excused_ns) / 1e6

    def output_bytes(self) -> int:
        """What the job wrote to stdout and stderr, as far as it was kept."""
        return len(self.stdout.content) + len(self.stderr.content)

    # -- limits ---------------------------------------------------------------------------

    def hit(self, limit: str) -> None:
        """A limit was reached: noted, and where it is a fatal one the job is over."""
        if limit not in self.limits_hit:
            self.limits_hit.append(limit)
        self.recorder.record(EventKind.LIMIT, {"limit": limit})
        if limit in _FATAL:
            self.stop(_FATAL[limit])

    def charge_memory(self, delta: int) -> bool:
        """Memory of all processes together; False (and noted) where it would be too much."""
        if delta > 0 and self.memory_used + delta > self.spec.limits.memory_bytes:
            self.hit("memory")
            return False
        self.memory_used += delta
        self.memory_peak = max(self.memory_peak, self.memory_used)
        return True

    def charge_process(self) -> bool:
        """Whether one more process may be; ended ones count until they are waited for."""
        if len(self.processes) >= self.spec.limits.pids:
            self.hit("pids")
            return False
        return True

    def cpu_ns(self) -> int:
        """CPU time of all processes, the running one included; call with the turn."""
        running = self.running
        return self.cpu_done_ns + (running.turn_cpu_ns() if running else 0)

    def tick(self, process: Process) -> bool:
        """Called in the running process every few milliseconds; False ends it."""
        now = time.monotonic_ns()
        if now >= self.deadline_ns:
            self.hit("wall")
        elif self.cpu_ns() >= self.spec.limits.cpu_ms * 1_000_000:
            self.hit("cpu")
        if self.over is not None or process.killed_by is not None:
            return False
        if now - process.turn_started_ns >= SLICE_NS:
            self.pass_turn(process, lambda: True, None)
        return self.over is None and process.killed_by is None

    def stop(self, ending: Ending) -> None:
        """Ends the job for a reason of its own or, from outside, of ours. The first counts."""
        with self._outside:
            if self.over is None:
                self.over = ending
            self._outside.notify_all()

    def fail(self, error: BaseException) -> None:
        """Something of ours broke: the job is over and run() will raise this."""
        if self.failure is None:
            self.failure = error
        self.stop(Ending.INFRA_ERROR)

    def ending(self) -> Ending:
        """Why the job ended, for the observation (Ending's docstring has the rule)."""
        if self.over not in (None, Ending.EXITED):
            return self.over
        main = self.main
        assert main is not None
        if main.status != 0 or main.killed_by is not None:
            for limit in self.limits_hit:
                if limit in _ENDINGS:
                    return _ENDINGS[limit]
        return Ending.SIGNALLED if main.killed_by is not None else Ending.EXITED

    # -- the turn -------------------------------------------------------------------------

    def pass_turn(self, process: Process, ready: Callable[[], bool], wake_ns: int | None) -> bool:
        """Gives the turn away until `ready()` (True) or `wake_ns` is past (False)."""
        process.ready = ready
        process.wake_ns = wake_ns
        process.end_turn()
        self._hand_over(process)
        process.take_turn()
        return process.woken

    def enter(self, process: Process) -> None:
        """A new process joins; it runs when its turn comes."""
        self.processes[process.pid] = process
        self.process_count += 1
        self.processes_peak = max(self.processes_peak, len(self.processes))

    def leave(self, process: Process) -> None:
        """The running process has ended: its parent may reap it, somebody else runs."""
        process.end_turn()
        self.open_files_peak = max(self.open_files_peak, process.fds.peak)
        if process is self.main and self.over is None:
            self.stop(Ending.EXITED)  # as in a container: all end with the first process
        parent = self.processes.get(process.ppid)
        if parent is None or parent.status is not None:
            del self.processes[process.pid]
        for child in [p for p in self.processes.values() if p.ppid == process.pid]:
            if child.status is not None:
                del self.processes[child.pid]
        if not self.alive():
            self.running = None
            self._ended_ns = time.monotonic_ns()
            self.ended.set()
            return
        self._hand_over(process)

    def alive(self) -> list[Process]:
        return [p for p in self.processes.values() if p.status is None]

    def next_pid(self) -> int:
        self._next_pid += 1
        return self._next_pid

    def _hand_over(self, process: Process) -> None:
        following = self._wait_for_runnable(process)
        self.running = following
        if following is not process:
            following.turn.release()
            if process.status is None:
                process.turn.acquire()

    def _wait_for_runnable(self, process: Process) -> Process:
        while True:
            alive = self.alive()
            after = [p for p in alive if p.pid > process.pid]
            upto = [p for p in alive if p.pid <= process.pid]
            for candidate in after + upto:
                if self.over is not None or candidate.is_runnable():
                    return candidate
            self._sleep(alive)

    def _sleep(self, alive: list[Process]) -> None:
        """Nobody can run: until a timer, the deadline, or somebody outside stops the job."""
        wakes = [p.wake_ns for p in alive if p.wake_ns is not None]
        now = time.monotonic_ns()
        if now >= self.deadline_ns:
            self.hit("wall")
            return
        with self._outside:
            if self.over is None:
                self._outside.wait((min([*wakes, self.deadline_ns]) - now) / 1e9)

    # -- what processes ask for -----------------------------------------------------------

    def random(self, count: int) -> bytes:
        """The host's randomness, or a stream that only the seed decides if there is one."""
        if self.spec.seed is None:
            return os.urandom(count)
        self._random_blocks += 1
        key = f"magicrune/{self.spec.seed}/{self._random_blocks}".encode()
        return hashlib.shake_256(key).digest(count)
