"""What all jobs of one Python process share: engine, linkers, programs and the clock tick."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from magicrune.backends.wasi import host_calls
from magicrune.backends.wasi.binding import HostFunction, HostLinker, make_engine
from magicrune.backends.wasi.modules import Compiled, ModuleCache
from magicrune.backends.wasi.preview1 import FUNCTIONS
from magicrune.backends.wasi.programs import (
    PYTHON_SHA256,
    Program,
    Programs,
    find_python,
    link_program,
    make_image,
)
from magicrune.backends.wasi.proof import Proof, prove
from magicrune.backends.wasi.wasi_abi import ProcessEnded, WasiError
from magicrune.errors import ProgramInvalid

TICK_S = 0.005
"""How often a running module is looked after: deadline, CPU time, slices. A tick costs a
running job about 10 us."""

PREVIEW1 = "wasi_snapshot_preview1"
SHELL_HOST = "magicrune"


class Lane:
    """One engine with its programs. Safe to use from several threads."""

    def __init__(self, shell: Path, cache: Path) -> None:
        self.engine = make_engine(lambda process: process.job.tick(process))
        self.programs = Programs(self)
        self._shell_path = shell
        self._modules = ModuleCache(self.engine, cache)
        self.image = make_image()
        self._linked: dict[str, Program] = {}
        self._lock = threading.RLock()
        self._linkers = {"plain": self._make_linker(), "shell": self._make_linker()}
        for name, (signature, call) in host_calls.CALLS.items():
            self._linkers["shell"].define(SHELL_HOST, name, signature, _host_call(call, -1))
        self._proof: Proof | None = None
        self._ticking = 0
        self._tick_wanted = threading.Event()
        self._ticker: threading.Thread | None = None

    def _make_linker(self) -> HostLinker:
        linker = HostLinker(self.engine)
        for name, (signature, function) in FUNCTIONS.items():
            linker.define(PREVIEW1, name, signature, _host_call(function, 1))
        return linker

    def linker(self, kind: str) -> HostLinker:
        return self._linkers["shell" if kind == "shell" else "plain"]

    # -- programs ---------------------------------------------------------------------------

    def shell(self) -> Program:
        """The shell. Raises ProgramInvalid where its module is missing."""
        with self._lock:
            if "shell" not in self._linked:
                try:
                    digest = hashlib.sha256(self._shell_path.read_bytes()).hexdigest()
                except OSError as error:
                    raise ProgramInvalid(
                        "cannot be read", where=str(self._shell_path), hint="reinstall magicrune"
                    ) from error
                self._link("shell", self._modules.program(digest, self._shell_path))
            return self._linked["shell"]

    def python(self) -> Program | None:
        """CPython; None where the extra is not installed. Raises ProgramInvalid."""
        with self._lock:
            if "python" not in self._linked:
                path = find_python()
                if path is None:
                    return None
                self._link("python", self._modules.program(PYTHON_SHA256, path))
            return self._linked["python"]

    def job_module(self, content: bytes, timeout_s: float) -> tuple[Program, int]:
        """A job's module, linked, and the CPU time (ns) its compilation took.

        Raises ModuleRefused or CompileTimeout.
        """
        compiled, cpu_ns = self._modules.job_module(content, timeout_s)
        return link_program(self, "module", compiled), cpu_ns

    def _link(self, kind: str, compiled: Compiled) -> None:
        self._linked[kind] = link_program(self, kind, compiled)

    def proof(self) -> Proof:
        """The trials of the lane's controls, made once. Raises ControlNotHeld."""
        with self._lock:
            if self._proof is None:
                self._proof = prove(self)
            return self._proof

    # -- tick -------------------------------------------------------------------------------

    @contextmanager
    def ticking(self) -> Iterator[None]:
        """While inside, running modules are interrupted every TICK_S."""
        with self._lock:
            self._ticking += 1
            self._tick_wanted.set()
            if self._ticker is None or not self._ticker.is_alive():  # also after a fork
                self._ticker = threading.Thread(target=self._tick, name="wasi-tick", daemon=True)
                self._ticker.start()
        try:
            yield
        finally:
            with self._lock:
                self._ticking -= 1
                if not self._ticking:
                    self._tick_wanted.clear()

    def _tick(self) -> None:
        pause = threading.Event()
        while True:
            self._tick_wanted.wait()
            pause.wait(TICK_S)
            self.engine.increment_epoch()


def _host_call(function: Callable[[Any, Any, list[int]], int], sign: int) -> HostFunction:
    """`function` as the binding calls it: a WasiError is a number for the job, and what
    else goes wrong is our failure and ends the job."""

    def call(process: Any, args: list[int]) -> int | None:
        try:
            result = function(process, process.memory, args)
        except WasiError as error:
            result = sign * error.errno
        except ProcessEnded:
            return None
        except BaseException as error:  # noqa: BLE001 - reported from run()
            process.job.fail(error)
            return None
        return None if process.job.over is not None else result

    return call


_lanes: dict[tuple[Path, Path], Lane] = {}
_lanes_lock = threading.Lock()


def shared_lane(shell: Path, cache: Path) -> Lane:
    """The lane of this Python process for these files: made once, by whoever comes first."""
    with _lanes_lock:
        lane = _lanes.get((shell, cache))
        if lane is None:
            lane = _lanes[shell, cache] = Lane(shell, cache)
        return lane
