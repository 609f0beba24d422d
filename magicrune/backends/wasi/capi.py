"""The functions of wasmtime's C interface that the lane uses, declared for ctypes.

The library is the one in the wheel `wasmtime`; its Python wrappers are not imported (they
declare a thousand functions: 90 ms of every start). All pointers to opaque things are
`c_void_p`. tests/unit/test_wasi_capi.py holds each line to the wheel's own declarations.
"""

from __future__ import annotations

import ctypes
import functools
import importlib.util
import platform
from ctypes import POINTER, c_bool, c_char_p, c_int64, c_size_t, c_uint8, c_uint64, c_void_p
from pathlib import Path
from typing import Any

from magicrune.errors import ProgramInvalid

MAJOR = "50"
"""Of the wheel: struct layouts and signatures below are those of this version."""

_P = c_void_p
_OUT = POINTER(c_void_p)


class ByteVec(ctypes.Structure):
    """wasm_byte_vec_t, and the same for vectors of pointers."""

    _fields_ = (("size", c_size_t), ("data", c_void_p))


class Instance(ctypes.Structure):
    """wasmtime_instance_t."""

    _fields_ = (("store_id", c_uint64), ("private", c_size_t))


class Extern(ctypes.Structure):
    """wasmtime_extern_t; `of` is a func, global or memory by `kind`."""

    _fields_ = (("kind", c_uint8), ("of", c_uint64 * 3))


class Val(ctypes.Structure):
    """wasmtime_val_t holding an i32 or i64 in the first 8 bytes of `of`."""

    _fields_ = (("kind", c_uint8), ("of", c_int64), ("rest", c_uint64 * 2))


class MemoryCreator(ctypes.Structure):
    """wasmtime_memory_creator_t."""

    _fields_ = (("env", c_void_p), ("new_memory", c_void_p), ("finalizer", c_void_p))


class HostMemory(ctypes.Structure):
    """wasmtime_linear_memory_t."""

    _fields_ = (
        ("env", c_void_p),
        ("get_memory", c_void_p),
        ("grow_memory", c_void_p),
        ("finalizer", c_void_p),
    )


FUNC, GLOBAL, MEMORY = 0, 1, 3
"""Kinds of `Extern` (WASMTIME_EXTERN_*)."""
I32, I64 = 0, 1
"""Kinds of `Val` (WASMTIME_I32 ...), and of wasm_valtype_new."""

NEW_MEMORY = ctypes.CFUNCTYPE(
    c_size_t, _P, _P, c_size_t, c_size_t, c_size_t, c_size_t, POINTER(HostMemory)
)
GET_MEMORY = ctypes.CFUNCTYPE(c_size_t, _P, POINTER(c_size_t), POINTER(c_size_t))
GROW_MEMORY = ctypes.CFUNCTYPE(c_size_t, _P, c_size_t)
FINALIZER = ctypes.CFUNCTYPE(None, _P)
SLOTS = ctypes.CFUNCTYPE(c_size_t, _P, _P, POINTER(c_uint64), c_size_t)
EPOCH = ctypes.CFUNCTYPE(c_size_t, _P, _P, POINTER(c_uint64), POINTER(c_uint8))

SIGNATURES: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "wasm_byte_vec_delete": (None, (POINTER(ByteVec),)),
    "wasm_config_new": (_P, ()),
    "wasm_engine_delete": (None, (_P,)),
    "wasm_engine_new_with_config": (_P, (_P,)),
    "wasm_exporttype_name": (_P, (_P,)),
    "wasm_exporttype_type": (_P, (_P,)),
    "wasm_exporttype_vec_delete": (None, (POINTER(ByteVec),)),
    "wasm_externtype_as_functype_const": (_P, (_P,)),
    "wasm_functype_delete": (None, (_P,)),
    "wasm_functype_new": (_P, (POINTER(ByteVec), POINTER(ByteVec))),
    "wasm_functype_params": (_P, (_P,)),
    "wasm_functype_results": (_P, (_P,)),
    "wasm_trap_delete": (None, (_P,)),
    "wasm_trap_message": (None, (_P, POINTER(ByteVec))),
    "wasm_valtype_new": (_P, (c_uint8,)),
    "wasm_valtype_vec_new": (None, (POINTER(ByteVec), c_size_t, POINTER(c_void_p))),
    "wasmtime_config_epoch_interruption_set": (None, (_P, c_bool)),
    "wasmtime_config_host_memory_creator_set": (None, (_P, POINTER(MemoryCreator))),
    "wasmtime_config_max_wasm_stack_set": (None, (_P, c_size_t)),
    "wasmtime_config_memory_init_cow_set": (None, (_P, c_bool)),
    "wasmtime_config_wasm_exceptions_set": (None, (_P, c_bool)),
    "wasmtime_config_wasm_function_references_set": (None, (_P, c_bool)),
    "wasmtime_config_wasm_gc_set": (None, (_P, c_bool)),
    "wasmtime_config_wasm_memory64_set": (None, (_P, c_bool)),
    "wasmtime_config_wasm_multi_memory_set": (None, (_P, c_bool)),
    "wasmtime_config_wasm_threads_set": (None, (_P, c_bool)),
    "wasmtime_context_set_epoch_deadline": (None, (_P, c_uint64)),
    "wasmtime_engine_increment_epoch": (None, (_P,)),
    "wasmtime_error_delete": (None, (_P,)),
    "wasmtime_error_message": (None, (_P, POINTER(ByteVec))),
    "wasmtime_error_new": (_P, (c_char_p,)),
    "wasmtime_func_call": (
        _P,
        (_P, _P, POINTER(Val), c_size_t, POINTER(Val), c_size_t, _OUT),
    ),
    "wasmtime_global_get": (None, (_P, _P, POINTER(Val))),
    "wasmtime_global_set": (_P, (_P, _P, POINTER(Val))),
    "wasmtime_instance_export_get": (
        c_bool,
        (_P, POINTER(Instance), c_char_p, c_size_t, POINTER(Extern)),
    ),
    "wasmtime_instance_pre_delete": (None, (_P,)),
    "wasmtime_instance_pre_instantiate": (_P, (_P, _P, POINTER(Instance), _OUT)),
    "wasmtime_linker_define_func_unchecked": (
        _P,
        (_P, c_char_p, c_size_t, c_char_p, c_size_t, _P, SLOTS, _P, _P),
    ),
    "wasmtime_linker_delete": (None, (_P,)),
    "wasmtime_linker_instantiate_pre": (_P, (_P, _P, _OUT)),
    "wasmtime_linker_new": (_P, (_P,)),
    "wasmtime_memory_grow": (_P, (_P, _P, c_uint64, POINTER(c_uint64))),
    "wasmtime_module_delete": (None, (_P,)),
    "wasmtime_module_deserialize": (_P, (_P, c_char_p, c_size_t, _OUT)),
    "wasmtime_module_deserialize_file": (_P, (_P, c_char_p, _OUT)),
    "wasmtime_module_exports": (None, (_P, POINTER(ByteVec))),
    "wasmtime_module_new": (_P, (_P, c_char_p, c_size_t, _OUT)),
    "wasmtime_module_serialize": (_P, (_P, POINTER(ByteVec))),
    "wasmtime_store_context": (_P, (_P,)),
    "wasmtime_store_delete": (None, (_P,)),
    "wasmtime_store_epoch_deadline_callback": (None, (_P, EPOCH, _P, _P)),
    "wasmtime_store_limiter": (None, (_P, c_int64, c_int64, c_int64, c_int64, c_int64)),
    "wasmtime_store_new": (_P, (_P, _P, _P)),
    "wasmtime_trap_code": (c_bool, (_P, POINTER(c_uint8))),
    "wasmtime_trap_new": (_P, (c_char_p, c_size_t)),
    "wasmtime_wat2wasm": (_P, (c_char_p, c_size_t, POINTER(ByteVec))),
}


def find_library() -> Path:
    """The library in the installed wheel. Raises ProgramInvalid where it is not `MAJOR`'s."""
    found = importlib.util.find_spec("wasmtime")
    if found is None or found.origin is None:
        raise ProgramInvalid("wasmtime is not installed", hint=f"pip install 'wasmtime=={MAJOR}.*'")
    package = Path(found.origin).parent
    # The metadata's name, not its text: importlib.metadata takes 15 ms to import.
    if not any(package.parent.glob(f"wasmtime-{MAJOR}.*.dist-info")):
        raise ProgramInvalid(
            f"is not wasmtime {MAJOR}",
            where=str(package),
            hint=f"pip install 'wasmtime=={MAJOR}.*'",
        )
    library = package / f"linux-{platform.machine()}" / "_libwasmtime.so"
    if not library.exists():
        raise ProgramInvalid("is missing", where=str(library), hint="reinstall wasmtime")
    return library


@functools.cache
def load() -> Any:
    """The library with its functions declared. Raises ProgramInvalid."""
    path = find_library()
    try:
        library = ctypes.CDLL(str(path))
        for name, (result, arguments) in SIGNATURES.items():
            function = getattr(library, name)
            function.restype = result
            function.argtypes = arguments
    except (OSError, AttributeError) as error:
        raise ProgramInvalid(str(error), where=str(path), hint="reinstall wasmtime") from error
    return library
