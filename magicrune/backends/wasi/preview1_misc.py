"""Preview 1: arguments, environment, clocks, randomness, the process, sockets."""

from __future__ import annotations

from itertools import accumulate
from struct import pack
from typing import Final

from magicrune.backends.wasi import wasi_abi as abi
from magicrune.backends.wasi.wasi_abi import Errno, FunctionTable, Memory, Process, WasiError
from magicrune.observation import EventKind

_CLOCK_RESOLUTION_NS: Final = 1
_RANDOM_CHUNK: Final = 1 << 20  # others, and the deadline, get their turn in between
# The order of preview 1's enum `signal`, which is that of Linux on x86.
_SIGNAL_MAX: Final = 30


def args_get(process: Process, memory: Memory, args: list[int]) -> int:
    return _put_strings(memory, process.args, args)


def args_sizes_get(process: Process, memory: Memory, args: list[int]) -> int:
    return _put_sizes(memory, process.args, args)


def environ_get(process: Process, memory: Memory, args: list[int]) -> int:
    return _put_strings(memory, process.env, args)


def environ_sizes_get(process: Process, memory: Memory, args: list[int]) -> int:
    return _put_sizes(memory, process.env, args)


def _put_sizes(memory: Memory, strings: list[bytes], args: list[int]) -> int:
    count, size = args
    memory.store_u32(count, len(strings))
    memory.store_u32(size, sum(map(len, strings)) + len(strings))
    return 0


def _put_strings(memory: Memory, strings: list[bytes], args: list[int]) -> int:
    table, buffer = args
    if not strings:
        return 0
    ends = accumulate((len(string) + 1 for string in strings), initial=buffer)
    starts = list(ends)[:-1]
    memory.write(buffer, b"\0".join(strings) + b"\0")
    memory.write(table, pack(f"<{len(starts)}I", *starts))
    return 0


def clock_res_get(process: Process, memory: Memory, args: list[int]) -> int:
    clock, out = args
    if clock > abi.CLOCK_THREAD_CPUTIME:
        raise WasiError(Errno.INVAL)
    process.clock_ns(clock)
    memory.store_u64(out, _CLOCK_RESOLUTION_NS)
    return 0


def clock_time_get(process: Process, memory: Memory, args: list[int]) -> int:
    clock, _precision, out = args
    if clock > abi.CLOCK_THREAD_CPUTIME:
        raise WasiError(Errno.INVAL)
    memory.store_u64(out, process.clock_ns(clock))
    return 0


def proc_exit(process: Process, _memory: Memory, args: list[int]) -> int:
    process.exit(args[0])


def proc_raise(process: Process, _memory: Memory, args: list[int]) -> int:
    if args[0] > _SIGNAL_MAX:
        raise WasiError(Errno.INVAL)
    if args[0]:
        process.raise_signal(args[0])
    return 0


def sched_yield(process: Process, _memory: Memory, _args: list[int]) -> int:
    _let_others_run(process)
    return 0


def random_get(process: Process, memory: Memory, args: list[int]) -> int:
    pointer, length = args
    memory.view(pointer, length)  # FAULT before anything is made
    for start in range(0, length, _RANDOM_CHUNK):
        if start:
            _let_others_run(process)
        count = min(_RANDOM_CHUNK, length - start)
        memory.write(pointer + start, process.random(count))
    return 0


def _let_others_run(process: Process) -> None:
    process.wait_until(lambda: False, 0)


def sock_call(process: Process, _memory: Memory, args: list[int]) -> int:
    """No descriptor of this lane is a socket: NOTSOCK, or BADF where none is open."""
    process.fds.get(args[0])
    process.record(EventKind.CONNECT, host="", port=0, outcome="denied")
    raise WasiError(Errno.NOTSOCK)


FUNCTIONS: FunctionTable = {
    "args_get": ("ii>i", args_get),
    "args_sizes_get": ("ii>i", args_sizes_get),
    "environ_get": ("ii>i", environ_get),
    "environ_sizes_get": ("ii>i", environ_sizes_get),
    "clock_res_get": ("ii>i", clock_res_get),
    "clock_time_get": ("iIi>i", clock_time_get),
    "proc_exit": ("i>", proc_exit),
    "proc_raise": ("i>i", proc_raise),
    "sched_yield": (">i", sched_yield),
    "random_get": ("ii>i", random_get),
    "sock_accept": ("iii>i", sock_call),
    "sock_recv": ("iiiiii>i", sock_call),
    "sock_send": ("iiiii>i", sock_call),
    "sock_shutdown": ("ii>i", sock_call),
}
