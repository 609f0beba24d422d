"""Whether the lane's controls are in force in this process: tried, not assumed.

Small modules do what a hostile one would (grow without end, loop without end, ask for a
host function that we do not give); what comes of it is the measurement that each result
cites. Done once for an engine (a few milliseconds), because the controls are properties of
the engine and of this code, not of a run.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from magicrune.backends.wasi.binding import current
from magicrune.backends.wasi.engine import Module, Trap, WasmError, wat_to_wasm
from magicrune.backends.wasi.fdtable import FdTable
from magicrune.backends.wasi.preview1 import FUNCTIONS
from magicrune.backends.wasi.proof_ceilings import prove_ceilings
from magicrune.backends.wasi.quota import Quota
from magicrune.backends.wasi.streams import InputStream, OutputBudget, OutputStream, make_pipe
from magicrune.backends.wasi.vfs import Vfs
from magicrune.backends.wasi.wasi_abi import WasiError
from magicrune.errors import ControlNotHeld
from magicrune.spec import Mount

if TYPE_CHECKING:
    from magicrune.backends.wasi.lane import Lane
    from magicrune.backends.wasi.linear import LinearMemory

_PAGE = 65536
_GRANTED = 4 * _PAGE

_HOST_PATHS = ("/etc/passwd", "/proc/self/environ", "/usr/lib", "/root", "/home", "/sys", "/var")

_GROW = """(module (memory (export "memory") 1)
  (func (export "run") (result i32) (local $pages i32)
    (block $full (loop $more
      (br_if $full (i32.eq (memory.grow (i32.const 1)) (i32.const -1)))
      (br_if $more (i32.lt_u (memory.size) (i32.const 1000)))))
    (memory.size)))"""
_SPIN = '(module (func (export "run") (result i32) (loop $l (br $l)) (i32.const 0)))'
_CALL_OUT = """(module (import "env" "system" (func $f (param i32) (result i32)))
  (func (export "run") (result i32) (call $f (i32.const 0))))"""


class _Prisoner:
    """Stands for a process: grants a little memory, says no at the first tick."""

    image: tuple[int, int] | None = None

    def __init__(self) -> None:
        self.left = _GRANTED
        self.refused = 0
        self.ticks = 0
        self.job = self

    def charge_memory(self, delta: int) -> bool:
        if delta > self.left:
            self.refused += 1
            return False
        self.left -= delta
        return True

    def attach_memory(self, _memory: LinearMemory) -> None:
        return

    def tick(self, _process: Any) -> bool:
        self.ticks += 1
        return False


@dataclass(frozen=True, slots=True)
class Proof:
    """What the trials gave, in words for the result."""

    memory: str
    interruption: str
    imports: str
    files: str
    network: str
    ceilings: Mapping[str, str]
    """By control; see proof_ceilings."""


def prove(lane: Lane) -> Proof:
    """Tries the engine's controls. Raises ControlNotHeld, naming the one that is not."""
    return Proof(
        memory=_try_memory(lane),
        interruption=_try_interruption(lane),
        imports=_try_imports(lane),
        files=_try_host_files(lane),
        network=_try_network(),
        ceilings=prove_ceilings(),
    )


def _run(lane: Lane, wat: str, prisoner: _Prisoner, ticks: int) -> int:
    store = lane.engine.make_store()
    store.set_epoch_deadline(ticks)
    outside = current.process
    current.process = current.owner = prisoner
    try:
        module = Module.compile(lane.engine, wat_to_wasm(wat))
        instance = lane.linker("plain").prepare(module).instantiate(store)
        return instance.call("run", results=1) or 0
    finally:
        current.owner = None
        current.process = outside
        store.close()


def _try_memory(lane: Lane) -> str:
    prisoner = _Prisoner()
    pages = _run(lane, _GROW, prisoner, 1 << 40)
    if pages * _PAGE != _GRANTED or not prisoner.refused:
        raise ControlNotHeld(f"memory: a module got {pages} pages where 4 were granted")
    return f"trial: {pages} of 1000 pages granted, growth refused at the limit"


def _try_interruption(lane: Lane) -> str:
    prisoner = _Prisoner()
    try:
        _run(lane, _SPIN, prisoner, 0)
    except (WasmError, Trap):
        if prisoner.ticks == 1:
            return "trial: an endless loop was ended at its first tick"
    raise ControlNotHeld("wall: an endless loop was not ended by its tick")


def _try_imports(lane: Lane) -> str:
    try:
        _run(lane, _CALL_OUT, _Prisoner(), 1 << 40)
    except WasmError:
        return "trial: a module that imports env.system is refused"
    raise ControlNotHeld("imports: a module was linked to a function that is not ours")


def _try_host_files(lane: Lane) -> str:
    """Paths that this very process can open must not exist in a job's tree."""
    vfs = Vfs(
        (Mount("/tmp"), Mount("/workspace")),  # noqa: S108
        lane.image,
        Quota(0, 0, lambda _limit: None),
        time.time_ns,
    )
    tried = [path for path in _HOST_PATHS if Path(path).exists()]
    for path in tried:
        for spelling in (path, f"/dev/../..{path}", f"//.{path}"):
            try:
                vfs.node_at(spelling)
            except WasiError:
                continue
            raise ControlNotHeld(f"filesystem: {spelling} exists in the sandbox")
    if not tried:
        raise ControlNotHeld("filesystem: no host path to try with")
    return f"trial: {len(tried)} host paths in 3 spellings each do not exist in the sandbox"


def _try_network() -> str:
    """Preview 1 can only use sockets that its host opened: there must be none to use."""
    names = sorted(name for name in FUNCTIONS if name.startswith("sock_"))
    nowhere: Any = _Nowhere()
    for name in names:
        signature, function = FUNCTIONS[name]
        parameters = signature.partition(">")[0]
        for fd in range(4):
            try:
                errno = function(_Socketless(), nowhere, [fd] + [0] * (len(parameters) - 1))
            except WasiError:
                continue
            if errno == 0:
                raise ControlNotHeld(f"network: {name} succeeded on descriptor {fd}")
    return f"trial: no function makes a socket; {', '.join(names)} refused"


class _Socketless:
    """A process with the descriptors that every job starts with."""

    def __init__(self) -> None:
        budget = OutputBudget(1, lambda _limit: None)
        self.fds = FdTable(8, lambda _limit: None)
        for handle in (InputStream(b""), OutputStream(budget), OutputStream(budget), *make_pipe()):
            self.fds.insert(handle)

    def record(self, *_args: Any, **_detail: Any) -> None:
        return


class _Nowhere:
    """A memory of zeroes, wherever one looks."""

    def load_u32(self, _ptr: int) -> int:
        return 0

    def view(self, _ptr: int, length: int) -> memoryview:
        return memoryview(bytearray(length))
