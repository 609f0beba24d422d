"""Preview 1: path_open."""

from __future__ import annotations

from typing import Final

from magicrune.backends.wasi import wasi_abi as abi
from magicrune.backends.wasi.handles import DirectoryHandle, FileHandle, Handle
from magicrune.backends.wasi.lookup import Last, Lookup
from magicrune.backends.wasi.nodes import Device, Directory, RegularFile, Symlink
from magicrune.backends.wasi.preview1_path import attempt, find, text
from magicrune.backends.wasi.streams import DeviceHandle
from magicrune.backends.wasi.vfs import MODE_READ, MODE_WRITE
from magicrune.backends.wasi.wasi_abi import Errno, FunctionTable, Memory, Process, WasiError
from magicrune.observation import EventKind

_SYNC_FLAGS: Final = abi.FDFLAG_DSYNC | abi.FDFLAG_RSYNC | abi.FDFLAG_SYNC
_DIRECTORY_EXCLUDES: Final = abi.OFLAG_CREAT | abi.OFLAG_EXCL | abi.OFLAG_TRUNC


class _Wish:
    """How a path is to be opened."""

    __slots__ = ("fdflags", "oflags", "readable", "writable")

    def __init__(self, oflags: int, rights: int, fdflags: int) -> None:
        self.oflags = oflags
        self.fdflags = fdflags
        self.readable = bool(rights & abi.RIGHT_FD_READ)
        self.writable = bool(rights & abi.RIGHT_FD_WRITE)

    @property
    def op(self) -> str:
        """What an event calls it."""
        if self.oflags & abi.OFLAG_CREAT:
            return "create"
        return "open_write" if self.writable or self.oflags & abi.OFLAG_TRUNC else "open"


def path_open(process: Process, memory: Memory, args: list[int]) -> int:
    fd, lookup_flags, pointer, length, oflags, rights, inheriting, fdflags, out = args
    _check_flags(lookup_flags, oflags, rights | inheriting, fdflags)
    path = text(memory, pointer, length)
    base = process.fds.get(fd)
    if isinstance(base, FileHandle):
        raise WasiError(Errno.NOTDIR)
    if not isinstance(base, DirectoryHandle):
        raise WasiError(Errno.BADF)
    wish = _Wish(oflags, rights, fdflags)
    exclusive = oflags & abi.OFLAG_CREAT and oflags & abi.OFLAG_EXCL
    follow = Last.FOLLOW if lookup_flags and not exclusive else Last.KEEP
    at = find(process, base, path, wish.op, follow)
    handle = _open(process, base, at, wish)
    memory.store_u32(out, process.fds.insert(handle))
    return 0


def _check_flags(lookup_flags: int, oflags: int, rights: int, fdflags: int) -> None:
    if (
        lookup_flags & ~abi.LOOKUP_SYMLINK_FOLLOW
        or oflags & ~abi.OFLAGS_ALL
        or rights & ~abi.RIGHTS_ALL
        or fdflags & ~abi.FDFLAGS_ALL
    ):
        raise WasiError(Errno.INVAL)
    if fdflags & _SYNC_FLAGS:
        raise WasiError(Errno.NOTSUP)  # as wasmtime
    if oflags & abi.OFLAG_DIRECTORY and oflags & _DIRECTORY_EXCLUDES:
        raise WasiError(Errno.INVAL)


def _open(process: Process, base: DirectoryHandle, at: Lookup, wish: _Wish) -> Handle:
    node = at.node
    if node is None:
        return _create(process, at, wish)
    if wish.oflags & abi.OFLAG_CREAT and wish.oflags & abi.OFLAG_EXCL:
        raise WasiError(Errno.EXIST)
    if isinstance(node, Symlink):
        raise WasiError(Errno.LOOP)
    if isinstance(node, Directory):
        return _open_directory(process, base, at, node, wish)
    if wish.oflags & abi.OFLAG_DIRECTORY:
        raise WasiError(Errno.NOTDIR)
    if isinstance(node, Device):
        return _open_device(process, node, wish)
    assert isinstance(node, RegularFile)
    return _open_file(process, at, node, wish)


def _create(process: Process, at: Lookup, wish: _Wish) -> Handle:
    if not wish.oflags & abi.OFLAG_CREAT:
        raise WasiError(Errno.NOENT)
    made: list[RegularFile] = []
    attempt(process, "create", at, lambda: made.append(process.vfs.create_file(at)))
    process.record(EventKind.OPEN_WRITE, path=at.place)
    return _file_handle(process, made[0], wish)


def _open_directory(
    process: Process, base: DirectoryHandle, at: Lookup, node: Directory, wish: _Wish
) -> Handle:
    if wish.writable or wish.oflags & (abi.OFLAG_CREAT | abi.OFLAG_TRUNC):
        raise WasiError(Errno.ISDIR)
    if wish.readable:
        attempt(process, "open", at, lambda: process.vfs.check_mode(node, MODE_READ))
    return DirectoryHandle(node, rooted=base.rooted)


def _open_file(process: Process, at: Lookup, node: RegularFile, wish: _Wish) -> Handle:
    truncates = wish.oflags & abi.OFLAG_TRUNC
    wanted = (MODE_READ if wish.readable else 0) | (MODE_WRITE if wish.writable or truncates else 0)
    op = "open_write" if wanted & MODE_WRITE else "open"
    attempt(process, op, at, lambda: process.vfs.check_mode(node, wanted))
    if wanted & MODE_WRITE:
        process.record(EventKind.OPEN_WRITE, path=at.place)
    if truncates:
        node.resize(0, process.vfs.quota)
        node.mtim = node.ctim = process.vfs.clock()
    return _file_handle(process, node, wish)


def _file_handle(process: Process, node: RegularFile, wish: _Wish) -> Handle:
    return FileHandle(
        node,
        process.vfs,
        readable=wish.readable,
        writable=wish.writable,
        fdflags=wish.fdflags,
    )


def _open_device(process: Process, node: Device, wish: _Wish) -> Handle:
    """/dev/fd/N, /dev/stdin ...: the same open file under another number."""
    if node.kind == "tty":
        raise WasiError(Errno.NXIO)
    if node.kind != "fd":
        return DeviceHandle(node, process.random, readable=wish.readable, writable=wish.writable)
    handle = process.fds.find(node.number)
    if handle is None:
        raise WasiError(Errno.NOENT)
    if (wish.readable and not handle.readable) or (wish.writable and not handle.writable):
        raise WasiError(Errno.ACCES)
    return handle


FUNCTIONS: FunctionTable = {"path_open": ("iiiiiIIii>i", path_open)}
