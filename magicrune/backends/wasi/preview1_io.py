"""Preview 1: reading, writing and moving in open files and streams."""

from __future__ import annotations

from typing import Final

from magicrune.backends.wasi import wasi_abi as abi
from magicrune.backends.wasi.handles import Chunk, DirectoryHandle, Handle
from magicrune.backends.wasi.wasi_abi import Errno, FunctionTable, Memory, Process, WasiError

_TRANSFER_MAX: Final = 0x7FFF_F000  # Linux: MAX_RW_COUNT, the most that one call moves
_SIGPIPE: Final = 13
_SIGN: Final = 1 << 63


def fd_read(process: Process, memory: Memory, args: list[int]) -> int:
    fd, iovecs, count, out = args
    handle = process.fds.get(fd)
    buffers = _buffers(memory, iovecs, count)
    wanted = sum(map(len, buffers))
    chunk = handle.read(wanted)
    while chunk is None:
        _wait(process, handle, handle.read_ready)
        chunk = handle.read(wanted)
    memory.store_u32(out, _scatter(chunk, buffers))
    return 0


def fd_pread(process: Process, memory: Memory, args: list[int]) -> int:
    fd, iovecs, count, offset, out = args
    handle = process.fds.get(fd)
    buffers = _buffers(memory, iovecs, count)
    if offset > abi.FILE_BYTES_MAX:
        raise WasiError(Errno.INVAL)
    chunk = handle.read_at(sum(map(len, buffers)), offset)
    memory.store_u32(out, _scatter(chunk, buffers))
    return 0


def fd_write(process: Process, memory: Memory, args: list[int]) -> int:
    fd, iovecs, count, out = args
    handle = process.fds.get(fd)
    buffers = _buffers(memory, iovecs, count)
    if not handle.writable:
        raise WasiError(Errno.BADF)
    memory.store_u32(out, _write_all(process, handle, buffers))
    return 0


def fd_pwrite(process: Process, memory: Memory, args: list[int]) -> int:
    fd, iovecs, count, offset, out = args
    handle = process.fds.get(fd)
    buffers = _buffers(memory, iovecs, count)
    if offset > abi.FILE_BYTES_MAX:
        raise WasiError(Errno.INVAL)
    if not buffers:
        handle.write_at(memoryview(b""), offset)
    done = 0
    for buffer in buffers:
        try:
            written = handle.write_at(buffer, offset + done)
        except WasiError:
            if not done:
                raise
            break
        done += written
        if written < len(buffer):
            break
    memory.store_u32(out, done)
    return 0


def fd_seek(process: Process, memory: Memory, args: list[int]) -> int:
    fd, offset, whence, out = args
    handle = process.fds.get(fd)
    moved = handle.seek(offset - (1 << 64) if offset >= _SIGN else offset, whence)
    memory.store_u64(out, moved)
    return 0


def fd_tell(process: Process, memory: Memory, args: list[int]) -> int:
    fd, out = args
    memory.store_u64(out, process.fds.get(fd).seek(0, abi.WHENCE_CUR))
    return 0


def _buffers(memory: Memory, iovecs: int, count: int) -> list[memoryview]:
    """The buffers that are not empty, cut after _TRANSFER_MAX bytes.

    Raises WasiError(INVAL) for more than IOVECS_MAX, FAULT for one out of bounds.
    """
    if count > abi.IOVECS_MAX:
        raise WasiError(Errno.INVAL)
    room = _TRANSFER_MAX
    buffers: list[memoryview] = []
    for pointer, length in abi.IOVEC.iter_unpack(memory.view(iovecs, count * abi.IOVEC.size)):
        if length:
            buffer = memory.view(pointer, length)
            buffers.append(buffer if length <= room else buffer[:room])
            room -= length
            if room <= 0:
                break
    return buffers


def _scatter(chunk: Chunk, buffers: list[memoryview]) -> int:
    """Copies `chunk` into the buffers, which hold at least so much. Returns its length."""
    length = len(chunk)
    if len(buffers) == 1:
        buffers[0][:length] = chunk
    else:
        done = 0
        for buffer in buffers:
            part = chunk[done : done + len(buffer)]
            buffer[: len(part)] = part
            done += len(part)
    if isinstance(chunk, memoryview):
        chunk.release()
    return length


def _write_all(process: Process, handle: Handle, buffers: list[memoryview]) -> int:
    """Writes all that can be written, waiting where needed; returns how much.

    An error after the first byte is not raised: the next call will meet it again.
    """
    done = 0
    try:
        for buffer in buffers:
            rest = buffer
            while rest:
                written = handle.write(rest)
                if written is None:
                    _wait(process, handle, handle.write_ready)
                    continue
                done += written
                rest = rest[written:]
    except WasiError as error:
        if done:
            return done
        if error.errno is Errno.PIPE:
            process.raise_signal(_SIGPIPE)
        raise
    return done


def _wait(process: Process, handle: Handle, ready: abi.Ready) -> None:
    if handle.fdflags & abi.FDFLAG_NONBLOCK:
        raise WasiError(Errno.AGAIN)
    process.wait_until(ready, None)


def fd_readdir(process: Process, memory: Memory, args: list[int]) -> int:
    """Fills the buffer with entries; the last one may be cut, as wasi-libc expects."""
    fd, pointer, length, cookie, out = args
    handle = process.fds.get(fd)
    if not isinstance(handle, DirectoryHandle):
        raise WasiError(Errno.BADF)
    window = memory.view(pointer, length)
    packed = _pack_entries(process, handle, cookie, length)
    window[: len(packed)] = packed
    memory.store_u32(out, len(packed))
    return 0


def _pack_entries(process: Process, handle: DirectoryHandle, cookie: int, room: int) -> bytes:
    node = handle.node
    packed = bytearray()
    if cookie == abi.DIRCOOKIE_START:
        packed += abi.DIRENT.pack(1, node.ino, 1, abi.Filetype.DIRECTORY) + b"."
    if cookie <= 1:
        above = process.vfs.parent_of(node) or node
        packed += abi.DIRENT.pack(2, above.ino, 2, abi.Filetype.DIRECTORY) + b".."
    for following, name in node.listing_after(cookie, room // abi.DIRENT.size + 1):
        if len(packed) >= room:
            break
        entry = node.entries[name]
        encoded = name.encode()
        packed += abi.DIRENT.pack(following, entry.ino, len(encoded), entry.filetype) + encoded
    return bytes(packed[:room])


FUNCTIONS: FunctionTable = {
    "fd_read": ("iiii>i", fd_read),
    "fd_pread": ("iiiIi>i", fd_pread),
    "fd_write": ("iiii>i", fd_write),
    "fd_pwrite": ("iiiIi>i", fd_pwrite),
    "fd_seek": ("iIii>i", fd_seek),
    "fd_tell": ("ii>i", fd_tell),
    "fd_readdir": ("iiiIi>i", fd_readdir),
}
