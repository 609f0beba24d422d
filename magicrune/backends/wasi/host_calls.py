"""The calls of images/shell/src/host.h: what the shell needs beyond preview 1.

Any module could be made to import them only by us: they are linked for the shell alone.
The shell runs hostile scripts, so every argument is checked as if it were hostile.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from magicrune.backends.wasi.lookup import Refused
from magicrune.backends.wasi.process import Process
from magicrune.backends.wasi.signals import CATCH, DEFAULT, SIGKILL, SIGNAL_MAX
from magicrune.backends.wasi.start import Start
from magicrune.backends.wasi.wasi_abi import Errno, ProcessEnded, WasiError
from magicrune.observation import EventKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from magicrune.backends.wasi.linear import LinearMemory

    HostCall = Callable[[Process, LinearMemory, list[int]], int]

_ARGUMENTS_MAX = 1 << 20  # bytes of argv and env together; Linux: 2 MB with an 8 MB stack
_PATH_MAX = 4096
_WNOHANG = 1


def proc_fork(process: Process, _memory: LinearMemory, args: list[int]) -> int:
    job = process.job
    if not job.charge_process():
        raise WasiError(Errno.AGAIN)
    start = process.start
    continued = Start(
        start.program, start.args, start.env, start.cwd, "mr_child", _signed(args[0]), process
    )
    child = Process(job, job.next_pid(), process.pid, process.fds.copy(), continued)
    child.actions = dict(process.actions)
    try:
        child.launch()
    except BaseException:
        child.fds.close_all()
        raise
    return child.pid


def proc_exec(process: Process, memory: LinearMemory, args: list[int]) -> int:
    path = _text(memory, args[0], args[1])
    if args[3] + args[5] > _ARGUMENTS_MAX:
        process.record(EventKind.EXEC, path=path, argv=shlex.quote(path), outcome="TOOBIG")
        raise WasiError(Errno.TOOBIG)
    argv = _strings(memory, args[2], args[3])
    env = _strings(memory, args[4], args[5])
    cwd = memory.read(args[6], min(args[7], _PATH_MAX))
    words = shlex.join(word.decode(errors="replace") for word in argv)
    try:
        if "/" not in path:
            raise WasiError(Errno.NOENT)
        start = process.job.programs.find(process, path, argv, env, cwd)
    except WasiError as error:
        if error.errno != Errno.NOEXEC:  # a script: its interpreter follows
            process.record(EventKind.EXEC, path=path, argv=words, outcome=error.errno.name)
        raise
    process.record(EventKind.EXEC, path=path, argv=words, outcome="ok")
    process.fds.keep_standard(process.job.programs.preopens(process, start))
    process.replacement = start
    raise ProcessEnded


def proc_wait(process: Process, memory: LinearMemory, args: list[int]) -> int:
    pid = _signed(args[0])
    job = process.job

    def mine() -> list[Process]:
        children = (p for p in job.processes.values() if p.ppid == process.pid)
        return [p for p in children if pid in (-1, p.pid)]

    def ended() -> bool:
        return any(p.status is not None for p in mine())

    if not mine():
        raise WasiError(Errno.CHILD)
    if not ended():
        if args[1] & _WNOHANG:
            return 0
        process.wait_until(ended, None)
    child = next(p for p in mine() if p.status is not None)
    assert child.status is not None
    memory.store_u32(args[2], child.status | (child.killed_by or 0) << 8)
    process.children_cpu_ns += child.cpu_ns + child.children_cpu_ns
    del job.processes[child.pid]
    return child.pid


def proc_kill(process: Process, _memory: LinearMemory, args: list[int]) -> int:
    pid, number = _signed(args[0]), args[1]
    if number > SIGNAL_MAX:
        raise WasiError(Errno.INVAL)
    alive = process.job.alive()
    targets = [p for p in alive if p.pid == pid] if pid > 0 else alive
    if pid == -1:
        targets = [p for p in alive if p is not process]
    if not targets:
        raise WasiError(Errno.SRCH)
    if number == 0:
        return 0
    process.record(EventKind.SIGNAL, signal=number, target=pid)
    for target in targets:
        target.receive(number)
    if process.killed_by is not None:
        raise ProcessEnded
    return 0


def proc_pid(process: Process, _memory: LinearMemory, _args: list[int]) -> int:
    return process.pid


def proc_ppid(process: Process, _memory: LinearMemory, _args: list[int]) -> int:
    return process.ppid


def proc_cwd(process: Process, memory: LinearMemory, args: list[int]) -> int:
    cwd = process.start.cwd
    if len(cwd) > args[1]:
        raise WasiError(Errno.RANGE)
    memory.write(args[0], cwd)
    return len(cwd)


def proc_cpu_ms(process: Process, _memory: LinearMemory, args: list[int]) -> int:
    used = process.children_cpu_ns if args[0] else process.cpu_ns + process.turn_cpu_ns()
    return used // 1_000_000


def sig_action(process: Process, _memory: LinearMemory, args: list[int]) -> int:
    number, action = args
    if not 0 < number <= SIGNAL_MAX or action > CATCH or number == SIGKILL:
        raise WasiError(Errno.INVAL)
    previous = process.actions.get(number, DEFAULT)
    process.actions[number] = action
    return previous


def sig_take(process: Process, _memory: LinearMemory, _args: list[int]) -> int:
    return process.pending.pop(0) if process.pending else 0


def fd_pipe(process: Process, memory: LinearMemory, args: list[int]) -> int:
    reading, writing = process.fds.open_pipe()
    memory.store_u32(args[0], reading)
    memory.store_u32(args[0] + 4, writing)
    return 0


def fd_dup(process: Process, _memory: LinearMemory, args: list[int]) -> int:
    return process.fds.dup(args[0], args[1])


def fd_dup2(process: Process, _memory: LinearMemory, args: list[int]) -> int:
    process.fds.dup2(args[0], args[1])
    return args[1]


def path_mode(process: Process, memory: LinearMemory, args: list[int]) -> int:
    return process.vfs.mode(_text(memory, args[0], args[1]))


def path_chmod(process: Process, memory: LinearMemory, args: list[int]) -> int:
    path = _text(memory, args[0], args[1])
    try:
        process.vfs.chmod(path, args[2])
    except Refused:
        process.record(EventKind.DENIED, op="chmod", path=path)
        raise
    return 0


CALLS: dict[str, tuple[str, HostCall]] = {
    "proc_fork": ("i>i", proc_fork),
    "proc_exec": ("iiiiiiii>i", proc_exec),
    "proc_wait": ("iii>i", proc_wait),
    "proc_kill": ("ii>i", proc_kill),
    "proc_pid": (">i", proc_pid),
    "proc_ppid": (">i", proc_ppid),
    "proc_cwd": ("ii>i", proc_cwd),
    "proc_cpu_ms": ("i>i", proc_cpu_ms),
    "sig_action": ("ii>i", sig_action),
    "sig_take": (">i", sig_take),
    "fd_pipe": ("i>i", fd_pipe),
    "fd_dup": ("ii>i", fd_dup),
    "fd_dup2": ("ii>i", fd_dup2),
    "path_mode": ("ii>i", path_mode),
    "path_chmod": ("iii>i", path_chmod),
}
"""Name → (signature, function). A WasiError becomes -errno."""


def _signed(value: int) -> int:
    return value - (1 << 32) if value >= 1 << 31 else value


def _text(memory: LinearMemory, ptr: int, length: int) -> str:
    if length > _PATH_MAX:
        raise WasiError(Errno.NAMETOOLONG)
    try:
        return memory.read(ptr, length).decode()
    except UnicodeDecodeError as error:
        raise WasiError(Errno.ILSEQ) from error


def _strings(memory: LinearMemory, ptr: int, length: int) -> list[bytes]:
    content = memory.read(ptr, length)
    return content.split(b"\0")[:-1] if content else []
