"""Preview 1: descriptors and what is known of the things behind them."""

from __future__ import annotations

from typing import Final

from magicrune.backends.wasi import wasi_abi as abi
from magicrune.backends.wasi.handles import DirectoryHandle, FileHandle, Handle
from magicrune.backends.wasi.nodes import Node
from magicrune.backends.wasi.wasi_abi import Errno, FunctionTable, Memory, Process, WasiError

_DEVICE: Final = 1  # all nodes lie on one
_ADVICE_MAX: Final = 5


def fd_advise(process: Process, _memory: Memory, args: list[int]) -> int:
    """Advice about a file in memory changes nothing; it is only checked."""
    fd, _offset, _length, advice = args
    _file(process, fd)
    if advice > _ADVICE_MAX:
        raise WasiError(Errno.INVAL)
    return 0


def fd_allocate(process: Process, _memory: Memory, args: list[int]) -> int:
    """As posix_fallocate(3): the file is at least so long afterwards."""
    fd, offset, length = args
    handle = _file(process, fd)
    if not handle.writable:
        raise WasiError(Errno.BADF)
    if not length:
        raise WasiError(Errno.INVAL)
    if offset + length > handle.node.size:
        handle.resize(offset + length)
    return 0


def fd_close(process: Process, _memory: Memory, args: list[int]) -> int:
    process.fds.close(args[0])
    return 0


def fd_sync(process: Process, _memory: Memory, args: list[int]) -> int:
    """All is in memory: there is nothing to wait for."""
    if process.fds.get(args[0]).node is None:
        raise WasiError(Errno.BADF)
    return 0


def fd_fdstat_get(process: Process, memory: Memory, args: list[int]) -> int:
    fd, out = args
    handle = process.fds.get(fd)
    base, inheriting = handle.rights()
    memory.write(out, abi.FDSTAT.pack(handle.filetype, handle.fdflags, base, inheriting))
    return 0


def fd_fdstat_set_flags(process: Process, _memory: Memory, args: list[int]) -> int:
    """APPEND and NONBLOCK can be changed, as with F_SETFL and in wasmtime."""
    fd, flags = args
    handle = process.fds.get(fd)
    if isinstance(handle, DirectoryHandle):
        raise WasiError(Errno.BADF)
    if flags & ~(abi.FDFLAG_APPEND | abi.FDFLAG_NONBLOCK):
        raise WasiError(Errno.INVAL)
    handle.fdflags = flags
    return 0


def fd_fdstat_set_rights(process: Process, _memory: Memory, args: list[int]) -> int:
    """Rights are told, never given away: as in wasmtime, NOTSUP."""
    process.fds.get(args[0])
    raise WasiError(Errno.NOTSUP)


def fd_filestat_get(process: Process, memory: Memory, args: list[int]) -> int:
    fd, out = args
    memory.write(out, pack_handle(process.fds.get(fd)))
    return 0


def fd_filestat_set_size(process: Process, _memory: Memory, args: list[int]) -> int:
    fd, size = args
    handle = _file(process, fd)
    if size > abi.FILE_BYTES_MAX:
        raise WasiError(Errno.INVAL)
    handle.resize(size)
    return 0


def fd_filestat_set_times(process: Process, _memory: Memory, args: list[int]) -> int:
    fd, atim, mtim, flags = args
    times = choose_times(process, atim, mtim, flags)
    node = process.fds.get(fd).node
    if node is None:
        raise WasiError(Errno.BADF)
    process.vfs.set_times(node, *times)
    return 0


def fd_prestat_get(process: Process, memory: Memory, args: list[int]) -> int:
    fd, out = args
    memory.write(out, abi.PRESTAT.pack(0, len(_preopen(process, fd, Errno.BADF))))
    return 0


def fd_prestat_dir_name(process: Process, memory: Memory, args: list[int]) -> int:
    fd, pointer, length = args
    name = _preopen(process, fd, Errno.NOTDIR)
    if len(name) > length:
        raise WasiError(Errno.NAMETOOLONG)
    memory.write(pointer, name)
    return 0


def fd_renumber(process: Process, _memory: Memory, args: list[int]) -> int:
    process.fds.renumber(args[0], args[1])
    return 0


def choose_times(
    process: Process, atim: int, mtim: int, flags: int
) -> tuple[int | None, int | None]:
    """New times (ns) by `fstflags`; None: unchanged. Raises WasiError(INVAL)."""
    if flags & ~abi.FSTFLAGS_ALL:
        raise WasiError(Errno.INVAL)
    now = process.clock_ns(abi.CLOCK_REALTIME)
    return (
        _choose(flags & abi.FST_ATIM, atim, flags & abi.FST_ATIM_NOW, now),
        _choose(flags & abi.FST_MTIM, mtim, flags & abi.FST_MTIM_NOW, now),
    )


def _choose(given: int, time: int, now_given: int, now: int) -> int | None:
    if given and now_given:
        raise WasiError(Errno.INVAL)
    if given:
        return time
    return now if now_given else None


def pack_node(node: Node) -> bytes:
    """A `filestat`."""
    return abi.FILESTAT.pack(
        _DEVICE,
        node.ino,
        node.filetype,
        node.nlink,
        node.size,
        node.atim,
        node.mtim,
        node.ctim,
    )


def pack_handle(handle: Handle) -> bytes:
    """The `filestat` of what is open; of a stream, all zeros but the type."""
    node = handle.node
    if node is not None:
        return pack_node(node)
    return abi.FILESTAT.pack(0, 0, handle.filetype, 0, 0, 0, 0, 0)


def _file(process: Process, fd: int) -> FileHandle:
    handle = process.fds.get(fd)
    if not isinstance(handle, FileHandle):
        raise WasiError(Errno.BADF)
    return handle


def _preopen(process: Process, fd: int, otherwise: Errno) -> bytes:
    handle = process.fds.get(fd)
    if not isinstance(handle, DirectoryHandle) or handle.preopen is None:
        raise WasiError(otherwise)
    return handle.preopen


FUNCTIONS: FunctionTable = {
    "fd_advise": ("iIIi>i", fd_advise),
    "fd_allocate": ("iII>i", fd_allocate),
    "fd_close": ("i>i", fd_close),
    "fd_datasync": ("i>i", fd_sync),
    "fd_fdstat_get": ("ii>i", fd_fdstat_get),
    "fd_fdstat_set_flags": ("ii>i", fd_fdstat_set_flags),
    "fd_fdstat_set_rights": ("iII>i", fd_fdstat_set_rights),
    "fd_filestat_get": ("ii>i", fd_filestat_get),
    "fd_filestat_set_size": ("iI>i", fd_filestat_set_size),
    "fd_filestat_set_times": ("iIIi>i", fd_filestat_set_times),
    "fd_prestat_get": ("ii>i", fd_prestat_get),
    "fd_prestat_dir_name": ("iii>i", fd_prestat_dir_name),
    "fd_renumber": ("ii>i", fd_renumber),
    "fd_sync": ("i>i", fd_sync),
}
