"""What the lane makes of wasmtime: an engine with our callbacks, and linkers of host functions.

Measured on the machine this was written on: a host function through wasmtime-py's
`Linker.define_func` costs 21 us a call, through the unchecked C interface 3 us.
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable
from typing import Any

from magicrune.backends.wasi import capi
from magicrune.backends.wasi.engine import Module, Owned, Prepared, Store, check
from magicrune.backends.wasi.linear import LinearMemory, MemoryOwner

HostFunction = Callable[[Any, list[int]], int | None]
"""Called with the running process and the unsigned arguments; returns the i32 result.

None ends the process: the call does not come back to the module (a trap).
"""

_WIDTH = {"i": 0xFFFF_FFFF, "I": 0xFFFF_FFFF_FFFF_FFFF}
_TYPES = {"i": capi.I32, "I": capi.I64}
_FEATURES_OFF = ("threads", "memory64", "multi_memory", "gc", "function_references", "exceptions")
"""Shared, 64-bit and multiple memories would need other accounting; nothing in preview 1
uses them. GC heaps would not be counted at all."""

_keep: list[Any] = []
"""Callbacks that C holds pointers to; they live as long as the process."""


class _Current(threading.local):
    process: Any = None
    owner: MemoryOwner | None = None


current = _Current()
"""`process`: the process whose module runs in this thread. `owner`: pays for its memory."""


def _require_threads() -> None:
    """wasmtime ends the whole process where it cannot start the threads that it compiles with,
    one for each processor: so they are tried first. Raises RuntimeError as Thread.start()."""
    gate = threading.Event()
    started: list[threading.Thread] = []
    try:
        for _ in os.sched_getaffinity(0):
            thread = threading.Thread(target=gate.wait, daemon=True)
            thread.start()
            started.append(thread)
    finally:
        gate.set()
        for thread in started:
            thread.join()


def make_engine(tick: Callable[[Any], bool]) -> Engine:
    """An engine whose memories are counted and whose modules are interruptible.

    `tick(process)` runs inside a running module at each epoch; False ends the process.
    Raises ProgramInvalid where wasmtime is missing or another version.
    """
    library = capi.load()
    _require_threads()
    config = library.wasm_config_new()
    library.wasmtime_config_epoch_interruption_set(config, True)
    for feature in _FEATURES_OFF:
        getattr(library, f"wasmtime_config_wasm_{feature}_set")(config, False)
    library.wasmtime_config_max_wasm_stack_set(config, 1 << 20)
    library.wasmtime_config_memory_init_cow_set(config, False)  # linear.py maps images itself
    library.wasmtime_config_host_memory_creator_set(config, ctypes.byref(_creator))
    return Engine(config, tick)


class Engine(Owned):
    """A wasmtime engine with our epoch callback."""

    __slots__ = ("_on_epoch",)

    def __init__(self, config: int, tick: Callable[[Any], bool]) -> None:
        library = capi.load()
        super().__init__(library.wasm_engine_new_with_config(config), library.wasm_engine_delete)

        def on_epoch(_context: int, _data: int, delta: Any, kind: Any) -> int:
            try:
                alive = tick(current.process)
            except BaseException:  # noqa: BLE001 - must not cross the C frames
                alive = False
            if not alive:
                return _error(b"ended by magicrune")
            delta[0] = 1
            kind[0] = 0  # WASMTIME_UPDATE_DEADLINE_CONTINUE
            return 0

        self._on_epoch = capi.EPOCH(on_epoch)
        _keep.append(self._on_epoch)

    def increment_epoch(self) -> None:
        """A tick: whatever runs asks its callback soon."""
        capi.load().wasmtime_engine_increment_epoch(self.pointer)

    def make_store(self) -> Store:
        """A store for one process: a single instance, bounded tables, epoch callback on."""
        library = capi.load()
        store = Store(self)
        # Memory is limited by its owner (-1); a table element costs 8 bytes outside of it.
        # In this order: memory size, table elements, instances, tables, memories.
        library.wasmtime_store_limiter(store.pointer, -1, 100_000, 1, 4, 1)
        library.wasmtime_store_epoch_deadline_callback(store.pointer, self._on_epoch, None, None)
        store.set_epoch_deadline(1)
        return store


class HostLinker(Owned):
    """A linker that holds host functions of one kind of process."""

    __slots__ = ()

    def __init__(self, engine: Engine) -> None:
        library = capi.load()
        super().__init__(
            library.wasmtime_linker_new(engine.pointer), library.wasmtime_linker_delete
        )

    def define(self, module: str, name: str, signature: str, function: HostFunction) -> None:
        """Defines a host function; `signature` is like ``iiI>i`` (i: i32, I: i64)."""
        library = capi.load()
        params, _, results = signature.partition(">")
        callback = capi.SLOTS(_slots_callback(function, [_WIDTH[p] for p in params]))
        _keep.append(callback)
        kind = library.wasm_functype_new(_types(params), _types(results))
        space, text = module.encode(), name.encode()
        error = library.wasmtime_linker_define_func_unchecked(
            self.pointer, space, len(space), text, len(text), kind, callback, None, None
        )
        library.wasm_functype_delete(kind)
        check(error)

    def prepare(self, module: Module) -> Prepared:
        """Resolves the module's imports once. Raises WasmError for one we do not have."""
        library = capi.load()
        out = ctypes.c_void_p()
        check(
            library.wasmtime_linker_instantiate_pre(self.pointer, module.pointer, ctypes.byref(out))
        )
        assert out.value is not None
        return Prepared(out.value, library.wasmtime_instance_pre_delete)


def _types(letters: str) -> Any:
    """A vector of value types, which wasm_functype_new takes over."""
    library = capi.load()
    each = (ctypes.c_void_p * len(letters))(
        *(library.wasm_valtype_new(_TYPES[letter]) for letter in letters)
    )
    vec = capi.ByteVec()
    library.wasm_valtype_vec_new(ctypes.byref(vec), len(letters), each)
    return ctypes.byref(vec)


def _error(message: bytes) -> int:
    return int(capi.load().wasmtime_error_new(message) or 0)


def _slots_callback(function: HostFunction, widths: list[int]) -> Callable[..., int]:
    indexed = [(2 * i, width) for i, width in enumerate(widths)]  # a value slot is 16 bytes

    def callback(_env: int, _caller: int, slots: Any, _count: int) -> int:
        try:
            result = function(current.process, [slots[i] & width for i, width in indexed])
        except BaseException:  # noqa: BLE001 - must not cross the C frames
            result = None
        if result is None:
            return int(capi.load().wasmtime_trap_new(b"ended", 5) or 0)
        slots[0] = result & 0xFFFF_FFFF
        return 0

    return callback


def _address(callback: Any) -> int | None:
    return ctypes.cast(callback, ctypes.c_void_p).value


def _new_memory(
    _env: int, _type: Any, minimum: int, _maximum: int, reserved: int, guard: int, into: Any
) -> int:
    try:
        owner = current.owner
        memory = LinearMemory.map(owner, minimum, reserved, guard) if owner else None
    except Exception:  # noqa: BLE001 - must not cross the C frames
        memory = None
    if memory is None:
        return _error(b"memory limit")
    slot = into[0]
    slot.env = memory.base
    slot.get_memory = _address(_GET)
    slot.grow_memory = _address(_GROW)
    slot.finalizer = _address(_DROP)
    return 0


def _get_memory(base: int, size: Any, capacity: Any) -> int:
    memory = LinearMemory.live[base]
    size[0] = memory.size
    capacity[0] = memory.capacity
    return base


def _grow_memory(base: int, size: int) -> int:
    try:
        if LinearMemory.live[base].grow(size):
            return 0
    except Exception:  # noqa: BLE001, S110 - must not cross the C frames; refused below
        pass
    return _error(b"memory limit")


def _drop_memory(base: int) -> None:
    LinearMemory.live[base].unmap()


_GET = capi.GET_MEMORY(_get_memory)
_GROW = capi.GROW_MEMORY(_grow_memory)
_DROP = capi.FINALIZER(_drop_memory)
_NEW = capi.NEW_MEMORY(_new_memory)
_creator = capi.MemoryCreator(env=None, new_memory=_address(_NEW), finalizer=None)
