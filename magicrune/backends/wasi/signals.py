"""Signals of the lane: their numbers, what they do by default, and which a fault is."""

from __future__ import annotations

from typing import Any

import wasmtime

SIGABRT, SIGFPE, SIGKILL, SIGSEGV = 6, 8, 9, 11
SIGNAL_MAX = 64
IGNORED_BY_DEFAULT = frozenset({17, 18, 23, 28})  # CHLD CONT URG WINCH, as on Linux
STOPPING = frozenset({19, 20, 21, 22})  # STOP TSTP TTIN TTOU
DEFAULT, IGNORE, CATCH = 0, 1, 2  # host.h: MR_SIG_*

_FAULTS = {
    # The signal that the same fault would bring on Linux, so that a shell's $? agrees.
    wasmtime.TrapCode.STACK_OVERFLOW: (SIGSEGV, "stack overflow"),
    wasmtime.TrapCode.MEMORY_OUT_OF_BOUNDS: (SIGSEGV, "memory access out of bounds"),
    wasmtime.TrapCode.TABLE_OUT_OF_BOUNDS: (SIGSEGV, "table access out of bounds"),
    wasmtime.TrapCode.INDIRECT_CALL_TO_NULL: (SIGSEGV, "indirect call to null"),
    wasmtime.TrapCode.BAD_SIGNATURE: (SIGSEGV, "indirect call of another type"),
    wasmtime.TrapCode.INTEGER_OVERFLOW: (SIGFPE, "integer overflow"),
    wasmtime.TrapCode.INTEGER_DIVISION_BY_ZERO: (SIGFPE, "integer division by zero"),
    wasmtime.TrapCode.BAD_CONVERSION_TO_INTEGER: (SIGFPE, "bad conversion to integer"),
    wasmtime.TrapCode.UNREACHABLE: (SIGABRT, "unreachable code (abort)"),
}


def fault_of(error: Exception) -> tuple[int, str]:
    """The signal that stands for a trap, and the fault in words."""
    code: Any = getattr(error, "trap_code", None)
    return _FAULTS.get(code, (SIGABRT, "fault"))
