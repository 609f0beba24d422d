"""Engine, stores, modules and instances of wasmtime, as thin as the lane needs them."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from typing import Any

from magicrune.backends.wasi import capi

PAGE = 65536
"""Bytes of a page of linear memory."""


class WasmError(Exception):
    """Wasmtime refused something (a module, a link, an instance); `str()` says why."""


class Trap(Exception):
    """A running module was ended. `code` is wasmtime_trap_code_t; None: not by a fault."""

    def __init__(self, code: int | None, message: str) -> None:
        super().__init__(message)
        self.code = code


class Owned:
    """Something of wasmtime's that is given back once: by close(), or with this object."""

    __slots__ = ("_delete", "_pointer")

    def __init__(self, pointer: int, delete: Callable[[int], None]) -> None:
        self._pointer: int | None = pointer
        self._delete = delete

    @property
    def pointer(self) -> int:
        if self._pointer is None:
            raise ValueError("used after close()")
        return self._pointer

    def close(self) -> None:
        """Gives it back; it is not used afterwards."""
        pointer, self._pointer = self._pointer, None
        if pointer is not None:
            self._delete(pointer)

    def __del__(self) -> None:
        # At the interpreter's end our callbacks (memory is unmapped by one) are gone already.
        if not sys.is_finalizing():
            self.close()


class Module(Owned):
    """Compiled code."""

    __slots__ = ()

    @classmethod
    def compile(cls, engine: Owned, wasm: bytes) -> Module:
        """Raises WasmError where `wasm` is not valid."""
        return cls._made("wasmtime_module_new", engine.pointer, wasm, len(wasm))

    @classmethod
    def deserialize(cls, engine: Owned, code: bytes) -> Module:
        """What serialize() gave. Raises WasmError for another version, CPU or configuration.

        Trusts `code`: it is run as it is.
        """
        return cls._made("wasmtime_module_deserialize", engine.pointer, code, len(code))

    @classmethod
    def deserialize_file(cls, engine: Owned, path: str) -> Module:
        """As deserialize(), mapped from a file."""
        return cls._made("wasmtime_module_deserialize_file", engine.pointer, path.encode())

    @classmethod
    def _made(cls, function: str, *arguments: Any) -> Module:
        library = capi.load()
        out = ctypes.c_void_p()
        check(getattr(library, function)(*arguments, ctypes.byref(out)))
        assert out.value is not None
        return cls(out.value, library.wasmtime_module_delete)

    def serialize(self) -> bytes:
        """The code as bytes."""
        vec = capi.ByteVec()
        check(capi.load().wasmtime_module_serialize(self.pointer, ctypes.byref(vec)))
        return _take(vec)

    def has_plain_function(self, name: str) -> bool:
        """Whether it exports a function `name` that takes and gives nothing."""
        library = capi.load()
        exports = capi.ByteVec()
        library.wasmtime_module_exports(self.pointer, ctypes.byref(exports))
        try:
            each = (ctypes.c_void_p * exports.size).from_address(exports.data or 0)
            return (
                any(_is_plain(library, export, name) for export in each) if exports.size else False
            )
        finally:
            library.wasm_exporttype_vec_delete(ctypes.byref(exports))


def _is_plain(library: Any, export: int, name: str) -> bool:
    if _text(_vec_at(library.wasm_exporttype_name(export))) != name.encode():
        return False
    kind = library.wasm_externtype_as_functype_const(library.wasm_exporttype_type(export))
    if not kind:
        return False
    ends = (library.wasm_functype_params(kind), library.wasm_functype_results(kind))
    return all(_vec_at(end).size == 0 for end in ends)


class Store(Owned):
    """What one instance lives in."""

    __slots__ = ("context",)

    def __init__(self, engine: Owned) -> None:
        library = capi.load()
        super().__init__(
            library.wasmtime_store_new(engine.pointer, None, None), library.wasmtime_store_delete
        )
        self.context: int = library.wasmtime_store_context(self.pointer)

    def set_epoch_deadline(self, ticks: int) -> None:
        """From now on, so many ticks until the engine's callback is asked."""
        capi.load().wasmtime_context_set_epoch_deadline(self.context, ticks)


class Instance:
    """A module in a store. Every method needs the store to be open."""

    __slots__ = ("_raw", "_store")

    def __init__(self, store: Store, raw: capi.Instance) -> None:
        self._store = store
        self._raw = raw

    def call(self, name: str, *arguments: int, results: int = 0) -> int | None:
        """Calls an exported function with i32 arguments; its i32 result, if `results` is 1.

        Raises Trap or WasmError as the module ends, WasmError where there is none.
        """
        library = capi.load()
        function = self._export(name, capi.FUNC)
        given = (capi.Val * len(arguments))(*(capi.Val(capi.I32, value) for value in arguments))
        got = (capi.Val * results)()
        trap = ctypes.c_void_p()
        error = library.wasmtime_func_call(
            self._store.context,
            ctypes.byref(function.of),
            given,
            len(arguments),
            got,
            results,
            ctypes.byref(trap),
        )
        check(error, trap)
        return ctypes.c_int32(got[0].of & 0xFFFF_FFFF).value if results else None

    def grow_memory(self, pages: int) -> bool:
        """Whether the exported ``memory`` could grow by so many pages."""
        memory = self._export("memory", capi.MEMORY)
        before = ctypes.c_uint64()
        error = capi.load().wasmtime_memory_grow(
            self._store.context, ctypes.byref(memory.of), pages, ctypes.byref(before)
        )
        try:
            check(error)
        except WasmError:
            return False
        return True

    def global_value(self, name: str) -> capi.Val:
        """The value of an exported global."""
        found = self._export(name, capi.GLOBAL)
        value = capi.Val()
        capi.load().wasmtime_global_get(
            self._store.context, ctypes.byref(found.of), ctypes.byref(value)
        )
        return value

    def set_global(self, name: str, value: capi.Val) -> None:
        """Raises WasmError where it is constant or of another type."""
        found = self._export(name, capi.GLOBAL)
        check(
            capi.load().wasmtime_global_set(
                self._store.context, ctypes.byref(found.of), ctypes.byref(value)
            )
        )

    def _export(self, name: str, kind: int) -> capi.Extern:
        found = capi.Extern()
        text = name.encode()
        exists = capi.load().wasmtime_instance_export_get(
            self._store.context, ctypes.byref(self._raw), text, len(text), ctypes.byref(found)
        )
        if not exists or found.kind != kind:
            raise WasmError(f"exports no {name}")
        return found


class Prepared(Owned):
    """A module with its imports resolved."""

    __slots__ = ()

    def instantiate(self, store: Store) -> Instance:
        """Raises WasmError (no memory for it) or Trap (its start function)."""
        raw = capi.Instance()
        trap = ctypes.c_void_p()
        error = capi.load().wasmtime_instance_pre_instantiate(
            self.pointer, store.context, ctypes.byref(raw), ctypes.byref(trap)
        )
        check(error, trap)
        return Instance(store, raw)


def wat_to_wasm(text: str) -> bytes:
    """Text format to binary. Raises WasmError."""
    vec = capi.ByteVec()
    content = text.encode()
    check(capi.load().wasmtime_wat2wasm(content, len(content), ctypes.byref(vec)))
    return _take(vec)


def check(error: int | None, trap: ctypes.c_void_p | None = None) -> None:
    """Raises WasmError or Trap for what a C function gave, and frees it."""
    library = capi.load()
    vec = capi.ByteVec()
    if error:
        library.wasmtime_error_message(error, ctypes.byref(vec))
        library.wasmtime_error_delete(error)
        raise WasmError(_take(vec).decode(errors="replace"))
    if trap is not None and trap.value:
        number = ctypes.c_uint8()
        known = library.wasmtime_trap_code(trap, ctypes.byref(number))
        library.wasm_trap_message(trap, ctypes.byref(vec))
        library.wasm_trap_delete(trap)
        message = _take(vec).rstrip(b"\0").decode(errors="replace")
        raise Trap(number.value if known else None, message)


def _take(vec: capi.ByteVec) -> bytes:
    try:
        return _text(vec)
    finally:
        capi.load().wasm_byte_vec_delete(ctypes.byref(vec))


def _text(vec: capi.ByteVec) -> bytes:
    return ctypes.string_at(vec.data, vec.size) if vec.size else b""


def _vec_at(address: int) -> capi.ByteVec:
    return capi.ByteVec.from_address(address)
