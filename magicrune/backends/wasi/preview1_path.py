"""Preview 1: everything that names a path. Here is watched what a job looks at and changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from magicrune.backends.wasi import wasi_abi as abi
from magicrune.backends.wasi.handles import DirectoryHandle
from magicrune.backends.wasi.lookup import Last, Lookup, LookupFailed, Refused, normalise
from magicrune.backends.wasi.nodes import Device, Symlink
from magicrune.backends.wasi.preview1_fd import choose_times, pack_handle, pack_node
from magicrune.backends.wasi.vfs import Vfs
from magicrune.backends.wasi.wasi_abi import Errno, FunctionTable, Memory, Process, WasiError
from magicrune.observation import EventKind

_SYSTEM_NAMES: Final = frozenset(
    "bin boot dev etc home lib lib32 lib64 media mnt opt proc root run sbin srv sys usr var".split()
)
"""Directories in "/" of the Filesystem Hierarchy Standard 3.0 and of Linux."""
_MAKES: Final = frozenset({"create", "open_write", "mkdir", "link", "symlink", "rename"})


def path_create_directory(process: Process, memory: Memory, args: list[int]) -> int:
    fd, pointer, length = args
    at = find(process, directory(process, fd), text(memory, pointer, length), "mkdir", Last.ENTRY)
    attempt(process, "mkdir", at, lambda: process.vfs.make_directory(at))
    return 0


def path_filestat_get(process: Process, memory: Memory, args: list[int]) -> int:
    fd, flags, pointer, length, out = args
    at = _existing(process, fd, flags, text(memory, pointer, length), "stat")
    memory.write(out, _pack(process, at))
    return 0


def path_filestat_set_times(process: Process, memory: Memory, args: list[int]) -> int:
    fd, flags, pointer, length, atim, mtim, fstflags = args
    times = choose_times(process, atim, mtim, fstflags)
    at = _existing(process, fd, flags, text(memory, pointer, length), "utimes")
    node = at.node
    assert node is not None
    attempt(process, "utimes", at, lambda: process.vfs.set_times(node, *times))
    return 0


def path_link(process: Process, memory: Memory, args: list[int]) -> int:
    old_fd, flags, old, old_length, new_fd, new, new_length = args
    old_base, new_base = directory(process, old_fd), directory(process, new_fd)
    old_path, new_path = text(memory, old, old_length), text(memory, new, new_length)
    if flags:
        raise WasiError(Errno.INVAL)  # as wasmtime: a link is never followed
    source = find(process, old_base, old_path, "link", Last.KEEP)
    node = source.node
    if node is None:
        raise WasiError(Errno.NOENT)
    target = find(process, new_base, new_path, "link", Last.ENTRY)
    attempt(process, "link", target, lambda: process.vfs.make_link(node, target))
    return 0


def path_readlink(process: Process, memory: Memory, args: list[int]) -> int:
    fd, pointer, length, out, room, out_length = args
    at = find(process, directory(process, fd), text(memory, pointer, length), "readlink", Last.KEEP)
    if at.node is None:
        raise WasiError(Errno.NOENT)
    if not isinstance(at.node, Symlink):
        raise WasiError(Errno.INVAL)
    target = at.node.target.encode()[:room]
    memory.write(out, target)
    memory.store_u32(out_length, len(target))
    return 0


def path_remove_directory(process: Process, memory: Memory, args: list[int]) -> int:
    return _remove(process, memory, args, "rmdir", process.vfs.remove_directory)


def path_unlink_file(process: Process, memory: Memory, args: list[int]) -> int:
    return _remove(process, memory, args, "unlink", process.vfs.unlink)


def _remove(
    process: Process, memory: Memory, args: list[int], op: str, act: Callable[[Lookup], None]
) -> int:
    fd, pointer, length = args
    at = find(process, directory(process, fd), text(memory, pointer, length), op, Last.ENTRY)
    attempt(process, op, at, lambda: act(at))
    process.record(EventKind.REMOVE, path=at.place, op=op)
    return 0


def path_rename(process: Process, memory: Memory, args: list[int]) -> int:
    old_fd, old, old_length, new_fd, new, new_length = args
    old_base, new_base = directory(process, old_fd), directory(process, new_fd)
    old_path, new_path = text(memory, old, old_length), text(memory, new, new_length)
    source = find(process, old_base, old_path, "rename", Last.ENTRY)
    target = find(process, new_base, new_path, "rename", Last.ENTRY)
    attempt(process, "rename", source, lambda: process.vfs.rename(source, target))
    process.record(EventKind.REMOVE, path=source.place, op="rename", to=target.place)
    return 0


def path_symlink(process: Process, memory: Memory, args: list[int]) -> int:
    target_pointer, target_length, fd, pointer, length = args
    base = directory(process, fd)
    target = text(memory, target_pointer, target_length)
    path = text(memory, pointer, length)
    if target.startswith("/") and not base.rooted:
        process.record(EventKind.DENIED, op="symlink", path=target)
        raise WasiError(Errno.PERM)
    at = find(process, base, path, "symlink", Last.ENTRY)
    attempt(process, "symlink", at, lambda: process.vfs.make_symlink(at, target))
    return 0


# --- shared with path_open ------------------------------------------------------------


def directory(process: Process, fd: int) -> DirectoryHandle:
    """The directory that a path is relative to. Raises WasiError(BADF)."""
    handle = process.fds.get(fd)
    if not isinstance(handle, DirectoryHandle):
        raise WasiError(Errno.BADF)
    return handle


def text(memory: Memory, pointer: int, length: int) -> str:
    """A path argument. Raises WasiError: NAMETOOLONG, ILSEQ (no UTF-8), INVAL (NUL)."""
    if length > abi.PATH_BYTES_MAX:
        raise WasiError(Errno.NAMETOOLONG)
    try:
        path = memory.read(pointer, length).decode()
    except UnicodeDecodeError:
        raise WasiError(Errno.ILSEQ) from None
    if "\0" in path:
        raise WasiError(Errno.INVAL)
    return path


def find(process: Process, base: DirectoryHandle, path: str, op: str, last: Last) -> Lookup:
    """Walks a path and reports sensitive places (also missing ones) and refusals.

    Both the path as said and the place it really leads to are looked at, so neither a
    symlink to a secret nor a symlink named like one goes unseen. To make something below
    a directory that is missing outside the mounts is a refusal as well: only the error
    differs from that below one which is there.
    """
    vfs = process.vfs
    try:
        at = vfs.walk(base.node, path, last, rooted=base.rooted)
    except LookupFailed as failure:
        _watch(process, op, *_said(vfs, base, path), failure.place)
        if failure.refused or (failure.fixed and op in _MAKES):
            process.record(EventKind.DENIED, op=op, path=failure.place)
        elif op in _MAKES and base.preopen == b"." and _means_system(path):
            process.record(EventKind.DENIED, op=op, path=normalise("/", path), asked=path)
        raise
    if at.links or base.preopen == b".":
        _watch(process, op, *_said(vfs, base, path), at.place)
    else:
        _watch(process, op, at.place)
    return at


def _said(vfs: Vfs, base: DirectoryHandle, path: str) -> tuple[str, ...]:
    """What the program named. wasi-libc hands over an absolute path that no other preopen
    holds as one from ".", so there it may be one or the other."""
    place = normalise(vfs.path_of(base.node), path)
    return (normalise("/", path), place) if base.preopen == b"." else (place,)


def _means_system(path: str) -> bool:
    """Whether a path that failed from "." was an absolute one, as far as that can be known:
    its first name is a system directory's, and nothing of that name lies in "."."""
    return path.lstrip("/").partition("/")[0] in _SYSTEM_NAMES


def _watch(process: Process, op: str, *places: str) -> None:
    """Reports the first sensitive one of the places that one act is about."""
    for place in dict.fromkeys(places):
        if process.is_sensitive(place):
            process.record(EventKind.SENSITIVE, path=place, op=op)
            return


def attempt(process: Process, op: str, at: Lookup, act: Callable[[], object]) -> None:
    """Does it, and reports it where it is out of bounds."""
    try:
        act()
    except Refused:
        process.record(EventKind.DENIED, op=op, path=at.place)
        raise


def _last(flags: int) -> Last:
    if flags & ~abi.LOOKUP_SYMLINK_FOLLOW:
        raise WasiError(Errno.INVAL)
    return Last.FOLLOW if flags else Last.KEEP


def _existing(process: Process, fd: int, flags: int, path: str, op: str) -> Lookup:
    at = find(process, directory(process, fd), path, op, _last(flags))
    if at.node is None:
        raise WasiError(Errno.NOENT)
    return at


def _pack(process: Process, at: Lookup) -> bytes:
    """The filestat of a node; /dev/stdin and the like are what the descriptor is."""
    node = at.node
    assert node is not None
    if isinstance(node, Device) and node.kind == "fd":
        handle = process.fds.find(node.number)
        if handle is None:
            raise WasiError(Errno.NOENT)
        return pack_handle(handle)
    return pack_node(node)


FUNCTIONS: FunctionTable = {
    "path_create_directory": ("iii>i", path_create_directory),
    "path_filestat_get": ("iiiii>i", path_filestat_get),
    "path_filestat_set_times": ("iiiiIIi>i", path_filestat_set_times),
    "path_link": ("iiiiiii>i", path_link),
    "path_readlink": ("iiiiii>i", path_readlink),
    "path_remove_directory": ("iii>i", path_remove_directory),
    "path_rename": ("iiiiii>i", path_rename),
    "path_symlink": ("iiiii>i", path_symlink),
    "path_unlink_file": ("iii>i", path_unlink_file),
}
