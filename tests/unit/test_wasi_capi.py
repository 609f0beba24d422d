"""Our declarations of wasmtime's C functions, held to those that its own wheel carries."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import pytest
from wasmtime import TrapCode, _ffi
from wasmtime import _bindings as theirs

from magicrune.backends.wasi import capi, signals
from magicrune.backends.wasi.engine import Trap, WasmError, wat_to_wasm
from magicrune.errors import ProgramInvalid

POINTER = type(ctypes.POINTER(ctypes.c_int))
CALLBACK = type(ctypes.CFUNCTYPE(None))


def shape(kind: Any) -> Any:
    """Size and nature of a C type: pointers to opaque things are all alike."""
    if kind is None:
        return None
    if kind in (ctypes.c_void_p, ctypes.c_char_p) or isinstance(kind, (POINTER, CALLBACK)):
        return "pointer"
    return ctypes.sizeof(kind), kind(-1).value == -1


@pytest.mark.parametrize("name", sorted(capi.SIGNATURES))
def test_signature(name: str) -> None:
    result, arguments = capi.SIGNATURES[name]
    real = getattr(theirs, f"_{name}")
    assert shape(result) == shape(real.restype)
    assert [shape(each) for each in arguments] == [shape(each) for each in real.argtypes]


def test_signature_of_another_function_differs() -> None:
    """The comparison can fail."""
    assert shape(ctypes.c_uint64) != shape(ctypes.c_uint8)
    assert shape(ctypes.c_uint64) != shape(ctypes.c_int64)
    assert shape(ctypes.c_void_p) != shape(ctypes.c_size_t)


def offsets(kind: Any) -> list[tuple[int, int]]:
    return [
        (getattr(kind, field[0]).offset, getattr(kind, field[0]).size) for field in kind._fields_
    ]


@pytest.mark.parametrize(
    ("ours", "real"),
    [
        (capi.ByteVec, theirs.wasm_byte_vec_t),
        (capi.ByteVec, theirs.wasm_exporttype_vec_t),
        (capi.ByteVec, theirs.wasm_valtype_vec_t),
        (capi.MemoryCreator, theirs.wasmtime_memory_creator_t),
        (capi.HostMemory, theirs.wasmtime_linear_memory_t),
        (capi.Instance, theirs.wasmtime_instance_t),
    ],
)
def test_structure(ours: Any, real: Any) -> None:
    assert offsets(ours) == [
        (getattr(real, field[0]).offset, getattr(real, field[0]).size) for field in real._fields_
    ]


@pytest.mark.parametrize(
    ("ours", "real"), [(capi.Extern, theirs.wasmtime_extern_t), (capi.Val, theirs.wasmtime_val_t)]
)
def test_union_structure(ours: Any, real: Any) -> None:
    assert ctypes.sizeof(ours) == ctypes.sizeof(real)
    assert ours.of.offset == real.of.offset


@pytest.mark.parametrize(
    ("ours", "real"),
    [
        (capi.NEW_MEMORY, theirs.wasmtime_new_memory_callback_t),
        (capi.GET_MEMORY, theirs.wasmtime_memory_get_callback_t),
        (capi.GROW_MEMORY, theirs.wasmtime_memory_grow_callback_t),
        (capi.SLOTS, theirs.wasmtime_func_unchecked_callback_t),
        (capi.EPOCH, theirs._wasmtime_store_epoch_deadline_callback.argtypes[1]),
    ],
)
def test_callback(ours: Any, real: Any) -> None:
    assert len(ours._argtypes_) == len(real._argtypes_)
    assert [shape(each) for each in ours._argtypes_] == [shape(each) for each in real._argtypes_]
    assert ctypes.sizeof(ours._restype_) == ctypes.sizeof(real._restype_)


def test_kinds() -> None:
    assert (
        _ffi.WASMTIME_EXTERN_FUNC.value,
        _ffi.WASMTIME_EXTERN_GLOBAL.value,
        _ffi.WASMTIME_EXTERN_MEMORY.value,
    ) == (capi.FUNC, capi.GLOBAL, capi.MEMORY)
    assert (_ffi.WASMTIME_I32.value, _ffi.WASMTIME_I64.value) == (capi.I32, capi.I64)


@pytest.mark.parametrize(
    ("code", "word"),
    [
        (TrapCode.STACK_OVERFLOW, "stack overflow"),
        (TrapCode.MEMORY_OUT_OF_BOUNDS, "memory"),
        (TrapCode.TABLE_OUT_OF_BOUNDS, "table"),
        (TrapCode.INDIRECT_CALL_TO_NULL, "null"),
        (TrapCode.BAD_SIGNATURE, "another type"),
        (TrapCode.INTEGER_OVERFLOW, "integer overflow"),
        (TrapCode.INTEGER_DIVISION_BY_ZERO, "division by zero"),
        (TrapCode.BAD_CONVERSION_TO_INTEGER, "conversion"),
        (TrapCode.UNREACHABLE, "unreachable"),
    ],
)
def test_fault_numbers(code: TrapCode, word: str) -> None:
    assert word in signals.fault_of(Trap(code.value, ""))[1]


def test_fault_unknown() -> None:
    assert signals.fault_of(Trap(None, ""))[1] == "fault"
    assert signals.fault_of(WasmError("x"))[1] == "fault"


def test_bad_text_is_refused() -> None:
    with pytest.raises(WasmError, match="expected"):
        wat_to_wasm("(module (func")


def wheel(directory: Path, version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    package = directory / "wasmtime"
    package.mkdir()
    (package / "__init__.py").touch()
    (directory / f"wasmtime-{version}.dist-info").mkdir()
    spec = type("Spec", (), {"origin": str(package / "__init__.py")})
    monkeypatch.setattr(capi.importlib.util, "find_spec", lambda _name: spec)


def test_other_major_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel(tmp_path, "51.0.0", monkeypatch)
    with pytest.raises(ProgramInvalid, match="is not wasmtime 50"):
        capi.find_library()


def test_wheel_without_library_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel(tmp_path, "50.0.1", monkeypatch)
    with pytest.raises(ProgramInvalid, match="is missing"):
        capi.find_library()


def test_absent_wheel_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capi.importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(ProgramInvalid, match="not installed"):
        capi.find_library()
