"""Signals of the lane: their numbers, what they do by default, and which a fault is."""

from __future__ import annotations

SIGABRT, SIGFPE, SIGKILL, SIGSEGV = 6, 8, 9, 11
SIGNAL_MAX = 64
IGNORED_BY_DEFAULT = frozenset({17, 18, 23, 28})  # CHLD CONT URG WINCH, as on Linux
STOPPING = frozenset({19, 20, 21, 22})  # STOP TSTP TTIN TTOU
DEFAULT, IGNORE, CATCH = 0, 1, 2  # host.h: MR_SIG_*

_FAULTS = {
    # By wasmtime_trap_code_t: the signal that the same fault would bring on Linux, so that a
    # shell's $? agrees.
    0: (SIGSEGV, "stack overflow"),
    1: (SIGSEGV, "memory access out of bounds"),
    3: (SIGSEGV, "table access out of bounds"),
    4: (SIGSEGV, "indirect call to null"),
    5: (SIGSEGV, "indirect call of another type"),
    6: (SIGFPE, "integer overflow"),
    7: (SIGFPE, "integer division by zero"),
    8: (SIGFPE, "bad conversion to integer"),
    9: (SIGABRT, "unreachable code (abort)"),
}


def fault_of(error: Exception) -> tuple[int, str]:
    """The signal that stands for a trap, and the fault in words."""
    code = getattr(error, "code", None)
    return (SIGABRT, "fault") if code is None else _FAULTS.get(code, (SIGABRT, "fault"))
