"""One process of a job: a wasmtime instance in a thread, its descriptors and signals."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NoReturn

from magicrune.backends.wasi import wasi_abi
from magicrune.backends.wasi.binding import current
from magicrune.backends.wasi.engine import PAGE, Instance, Store, Trap, WasmError
from magicrune.backends.wasi.linear import LinearMemory
from magicrune.backends.wasi.signals import (
    CATCH,
    DEFAULT,
    IGNORE,
    IGNORED_BY_DEFAULT,
    SIGKILL,
    SIGNAL_MAX,
    STOPPING,
    fault_of,
)
from magicrune.backends.wasi.start import Start
from magicrune.backends.wasi.wasi_abi import Errno, ProcessEnded, WasiError
from magicrune.observation import EventKind

if TYPE_CHECKING:
    from magicrune.backends.wasi.fdtable import FdTable
    from magicrune.backends.wasi.job import Job
    from magicrune.backends.wasi.vfs import Vfs


class Process:
    """Implements wasi_abi.Process and linear.MemoryOwner."""

    def __init__(self, job: Job, pid: int, ppid: int, fds: FdTable, start: Start) -> None:
        self.job = job
        self.pid = pid
        self.ppid = ppid
        self.fds = fds
        self.start = start
        self.memory = LinearMemory.none()
        self.image = start.program.image
        self.status: int | None = None
        """Exit status 0-255 once ended."""
        self.killed_by: int | None = None
        self.actions: dict[int, int] = {}
        self.pending: list[int] = []
        self.children_cpu_ns = 0
        self.cpu_ns = 0
        self.turn = threading.Lock()
        self.turn.acquire()
        self.turn_started_ns = 0
        self.ready: Callable[[], bool] | None = None
        self.wake_ns: int | None = None
        self.woken = False
        self.replacement: Start | None = None
        self._cpu_at_turn = 0
        self._store: Store | None = None
        self._instance: Instance | None = None

    # -- turn (job.py decides, these keep the books) ----------------------------------------

    def is_runnable(self) -> bool:
        """Whether it could go on now; remembers whether what it waits for has come."""
        if self.ready is None or self.killed_by is not None:
            return True
        self.woken = self.ready()
        if self.woken or self.pending:
            return True
        return self.wake_ns is not None and time.monotonic_ns() >= self.wake_ns

    def take_turn(self) -> None:
        self.ready = None
        self._cpu_at_turn = time.thread_time_ns()
        self.turn_started_ns = time.monotonic_ns()

    def turn_cpu_ns(self) -> int:
        return time.thread_time_ns() - self._cpu_at_turn

    def excuse_cpu(self, spent_ns: int) -> None:
        """CPU time of this turn that was not spent for the job."""
        self._cpu_at_turn += spent_ns

    def end_turn(self) -> None:
        used = self.turn_cpu_ns()
        self.cpu_ns += used
        self.job.cpu_done_ns += used
        self._cpu_at_turn += used

    # -- life -------------------------------------------------------------------------------

    def launch(self) -> None:
        """Makes the instance (in the calling thread) and the thread that will run it.

        Raises WasiError(NOMEM) where the job's memory limit does not allow it.
        """
        self._build(self.start)
        self.job.enter(self)
        threading.Thread(target=self._live, name=f"wasi-{self.pid}", daemon=True).start()

    def _live(self) -> None:
        self.turn.acquire()
        self.take_turn()
        current.process = self
        try:
            self._run()
        except ProcessEnded:
            pass
        except BaseException as error:  # noqa: BLE001 - reported as ours, from the run()
            self.job.fail(error)
        finally:
            current.process = None
            self._end()

    def _end(self) -> None:
        try:
            self.fds.close_all()
            self._drop()
        except BaseException as error:  # noqa: BLE001 - the turn must pass on regardless
            self.job.fail(error)
        if self.status is None:
            self.status = 128 + (self.killed_by or SIGKILL)
        self.job.leave(self)

    def _run(self) -> None:
        while True:
            self._call()
            replacement, self.replacement = self.replacement, None
            if replacement is None:
                return
            self.start = replacement
            self.image = replacement.program.image
            self._drop()
            try:
                self._build(replacement)
            except WasiError:
                self.say("cannot start: out of memory")
                self.status = 128 + SIGKILL
                return

    def _build(self, start: Start) -> None:
        store = self.job.engine.make_store()
        current.owner = self
        self.memory = LinearMemory.none()
        try:
            self._instance = start.program.prepared.instantiate(store)
        except WasmError as error:
            if self.status is not None or self.killed_by is not None or self.job.over is not None:
                raise ProcessEnded from None  # its start function ended it
            raise WasiError(Errno.NOMEM) from error
        except Trap as trap:  # a start function, or data beyond its memory
            self._end_by(trap)
            raise ProcessEnded from None
        finally:
            current.owner = None
        self._store = store
        if start.parent is not None:
            self._continue_from(start.parent)
            self.start = replace(start, parent=None)

    def _continue_from(self, parent: Process) -> None:
        assert self._instance is not None
        missing = parent.memory.size - self.memory.size
        if missing > 0 and not self._instance.grow_memory(-(-missing // PAGE)):
            self._drop()
            raise WasiError(Errno.NOMEM)
        self.memory.copy_from(parent.memory)
        self._instance.set_global("__stack_pointer", parent.stack_pointer())

    def stack_pointer(self) -> Any:
        assert self._instance is not None
        return self._instance.global_value("__stack_pointer")

    def _call(self) -> None:
        assert self._instance is not None
        arguments = () if self.start.argument is None else (self.start.argument,)
        try:
            self._instance.call(self.start.entry, *arguments)
        except (Trap, WasmError) as error:
            self._end_by(error)
        else:
            if self.status is None:
                self.status = 0

    def _end_by(self, error: Exception) -> None:
        """A module was left by a trap: asked for by us (exit, exec, the end), or its fault."""
        if self.job.over is not None or self.killed_by is not None:
            raise ProcessEnded from None
        if self.status is None and self.replacement is None:
            self._trapped(error)

    def _trapped(self, error: Exception) -> None:
        self.killed_by, reason = fault_of(error)
        self.record(EventKind.TRAP, reason=reason, program=self.name())
        self.say(f"wasm trap: {reason}")
        self.status = 128 + self.killed_by

    def _drop(self) -> None:
        """Closes the instance; its memory goes back to the job."""
        self._instance = None
        self.memory = LinearMemory.none()
        store, self._store = self._store, None
        if store is not None:
            store.close()

    def name(self) -> str:
        first = self.start.args[0] if self.start.args else b"?"
        return first.decode(errors="replace")

    def say(self, message: str) -> None:
        """Writes a line to the process's own stderr, if it has one."""
        try:
            self.fds.get(2).write(memoryview(f"{self.name()}: {message}\n".encode()))
        except WasiError:
            return  # closed, or a full disk: nobody to tell

    # -- MemoryOwner --------------------------------------------------------------------------

    def charge_memory(self, delta: int) -> bool:
        return self.job.charge_memory(delta)

    def attach_memory(self, memory: LinearMemory) -> None:
        self.memory = memory

    # -- wasi_abi.Process ---------------------------------------------------------------------

    @property
    def vfs(self) -> Vfs:
        return self.job.vfs

    @property
    def args(self) -> list[bytes]:
        return self.start.args

    @property
    def env(self) -> list[bytes]:
        return self.start.env

    def wait_until(self, ready: Callable[[], bool], timeout_ns: int | None) -> bool:
        if ready():
            return True
        wake = None if timeout_ns is None else time.monotonic_ns() + timeout_ns
        self._check_signals()
        woken = self.job.pass_turn(self, ready, wake)
        if self.job.over is not None or self.killed_by is not None:
            raise ProcessEnded
        if not woken:
            self._check_signals()
        return woken

    def _check_signals(self) -> None:
        if self.pending:
            raise WasiError(Errno.INTR)

    def exit(self, code: int) -> NoReturn:
        self.status = code & 0xFF
        raise ProcessEnded

    def record(self, kind: EventKind, **detail: str | int) -> None:
        self.job.recorder.record(kind, detail)

    def clock_ns(self, clock_id: int) -> int:
        if clock_id == wasi_abi.CLOCK_REALTIME:
            return time.time_ns()
        if clock_id == wasi_abi.CLOCK_MONOTONIC:
            return time.monotonic_ns() - self.job.started_ns + 1_000_000_000
        return self.cpu_ns + self.turn_cpu_ns()

    def random(self, count: int) -> bytes:
        return self.job.random(count)

    def is_sensitive(self, path: str) -> bool:
        return self.job.is_sensitive(path)

    def raise_signal(self, number: int) -> None:
        if not 0 < number <= SIGNAL_MAX:
            raise WasiError(Errno.INVAL)
        self.receive(number)
        if self.killed_by is not None:
            raise ProcessEnded

    def receive(self, number: int) -> None:
        """A signal arrives: ignored, made pending for the shell, or deadly."""
        action = DEFAULT if number == SIGKILL else self.actions.get(number, DEFAULT)
        if action == CATCH:
            self.pending.append(number)
        elif action == IGNORE or (action == DEFAULT and number in IGNORED_BY_DEFAULT):
            return
        elif number in STOPPING:
            raise WasiError(Errno.NOTSUP)  # job control: not in this lane
        else:
            self.killed_by = number
