"""The C interface of wasmtime where wasmtime-py's own wrappers are too slow or absent.

Measured on the machine this was written on: a host function through `Linker.define_func`
costs 21 us a call, through the unchecked interface 3 us. Growth of linear memory and the
epoch callback have no wrapper at all. Everything that touches wasmtime-py's private
`_ffi` is in this file and in `linear.py`; pyproject.toml pins the major version for it.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from typing import Any

import wasmtime
from wasmtime import _bindings as ffi

from magicrune.backends.wasi.linear import LinearMemory, MemoryOwner

HostFunction = Callable[[Any, list[int]], int | None]
"""Called with the running process and the unsigned arguments; returns the i32 result.

None ends the process: the call does not come back to the module (a trap).
"""

_SLOTS = ctypes.CFUNCTYPE(
    ctypes.c_size_t,
    ctypes.c_void_p,
    ctypes.c_void_p,
    ctypes.POINTER(ctypes.c_uint64),
    ctypes.c_size_t,
)
_EPOCH = ctypes.CFUNCTYPE(
    ctypes.c_size_t,
    ctypes.c_void_p,
    ctypes.c_void_p,
    ctypes.POINTER(ctypes.c_uint64),
    ctypes.POINTER(ctypes.c_uint8),
)
_FINALIZER = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
_NO_FINALIZER: Any = ctypes.cast(0, _FINALIZER)
_WIDTH = {"i": 0xFFFF_FFFF, "I": 0xFFFF_FFFF_FFFF_FFFF}
_TYPES = {"i": wasmtime.ValType.i32, "I": wasmtime.ValType.i64}

_keep: list[Any] = []
"""Callbacks that C holds pointers to; they live as long as the process."""


class _Current(threading.local):
    process: Any = None
    owner: MemoryOwner | None = None


current = _Current()
"""`process`: the process whose module runs in this thread. `owner`: pays for its memory."""


def make_engine(tick: Callable[[Any], bool]) -> Engine:
    """An engine whose memories are counted and whose modules are interruptible.

    `tick(process)` runs inside a running module at each epoch; False ends the process.
    """
    config = wasmtime.Config()
    config.epoch_interruption = True
    # Shared, 64-bit and multiple memories would need other accounting; nothing in
    # preview 1 uses them. GC heaps would not be counted at all.
    config.wasm_threads = False
    config.wasm_memory64 = False
    config.wasm_multi_memory = False
    config.wasm_gc = False
    config.wasm_function_references = False
    config.wasm_exceptions = False
    config.max_wasm_stack = 1 << 20
    config.memory_init_cow = False  # linear.py maps images itself
    ffi.wasmtime_config_host_memory_creator_set(config.ptr(), ctypes.byref(_creator))
    return Engine(config, tick)


class Engine:
    """A wasmtime engine with our epoch callback."""

    def __init__(self, config: wasmtime.Config, tick: Callable[[Any], bool]) -> None:
        self.raw = wasmtime.Engine(config)

        def on_epoch(_context: int, _data: int, delta: Any, kind: Any) -> int:
            try:
                alive = tick(current.process)
            except BaseException:  # noqa: BLE001 - must not cross the C frames
                alive = False
            if not alive:
                error = ffi.wasmtime_error_new(b"ended by magicrune")
                return ctypes.cast(error, ctypes.c_void_p).value or 0
            delta[0] = 1
            kind[0] = 0  # WASMTIME_UPDATE_DEADLINE_CONTINUE
            return 0

        callback = _EPOCH(on_epoch)
        _keep.append(callback)
        kind = ffi._wasmtime_store_epoch_deadline_callback.argtypes[1]
        self._on_epoch: Any = ctypes.cast(callback, kind)  # type: ignore[type-var]

    def make_store(self) -> wasmtime.Store:
        """A store for one process: a single instance, bounded tables, epoch callback on."""
        store = wasmtime.Store(self.raw)
        # Memory is limited by its owner; a table element costs 8 bytes outside of it.
        store.set_limits(table_elements=100_000, instances=1, tables=4, memories=1)
        ffi.wasmtime_store_epoch_deadline_callback(store.ptr(), self._on_epoch, None, _NO_FINALIZER)
        store.set_epoch_deadline(1)
        return store


class HostLinker:
    """A linker that holds host functions of one kind of process."""

    def __init__(self, engine: Engine) -> None:
        self._linker = wasmtime.Linker(engine.raw)

    def define(self, module: str, name: str, signature: str, function: HostFunction) -> None:
        """Defines a host function; `signature` is like ``iiI>i`` (i: i32, I: i64)."""
        params, _, results = signature.partition(">")
        callback = _SLOTS(_slots_callback(function, [_WIDTH[p] for p in params]))
        _keep.append(callback)
        kind = wasmtime.FuncType([_TYPES[p]() for p in params], [_TYPES[r]() for r in results])
        error = ffi.wasmtime_linker_define_func_unchecked(
            self._linker.ptr(),
            ctypes.create_string_buffer(module.encode()),
            len(module.encode()),
            ctypes.create_string_buffer(name.encode()),
            len(name.encode()),
            kind.ptr(),
            ctypes.cast(callback, ffi.wasmtime_func_unchecked_callback_t),
            None,
            _NO_FINALIZER,
        )
        if error:
            raise wasmtime.WasmtimeError._from_ptr(error)

    def prepare(self, module: wasmtime.Module) -> wasmtime.InstancePre:
        """Resolves the module's imports once. Raises WasmtimeError for one we do not have."""
        return self._linker.instantiate_pre(module)


def _slots_callback(function: HostFunction, widths: list[int]) -> Callable[..., int]:
    indexed = [(2 * i, width) for i, width in enumerate(widths)]  # a value slot is 16 bytes

    def callback(_env: int, _caller: int, slots: Any, _count: int) -> int:
        try:
            result = function(current.process, [slots[i] & width for i, width in indexed])
        except BaseException:  # noqa: BLE001 - must not cross the C frames
            result = None
        if result is None:
            trap = ffi.wasmtime_trap_new(ctypes.create_string_buffer(b"ended"), 5)
            return ctypes.cast(trap, ctypes.c_void_p).value or 0
        slots[0] = result & 0xFFFF_FFFF
        return 0

    return callback


def _new_memory(
    _env: int, _type: Any, minimum: int, _maximum: int, reserved: int, guard: int, into: Any
) -> int:
    try:
        owner = current.owner
        memory = LinearMemory.map(owner, minimum, reserved, guard) if owner else None
    except Exception:  # noqa: BLE001 - must not cross the C frames
        memory = None
    if memory is None:
        error = ffi.wasmtime_error_new(b"memory limit")
        return ctypes.cast(error, ctypes.c_void_p).value or 0
    slot = into[0]
    slot.env = memory.base
    slot.get_memory = _GET
    slot.grow_memory = _GROW
    slot.finalizer = _DROP
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
    error = ffi.wasmtime_error_new(b"memory limit")
    return ctypes.cast(error, ctypes.c_void_p).value or 0


def _drop_memory(base: int) -> None:
    LinearMemory.live[base].unmap()


_GET = ffi.wasmtime_memory_get_callback_t(_get_memory)
_GROW = ffi.wasmtime_memory_grow_callback_t(_grow_memory)
_DROP = _FINALIZER(_drop_memory)
_creator = ffi.wasmtime_memory_creator_t(
    env=None,
    new_memory=ffi.wasmtime_new_memory_callback_t(_new_memory),
    finalizer=_NO_FINALIZER,
)
