"""Open file descriptions: what a descriptor stands for, shared by dup and fork.

Nothing here blocks. `read` and `write` return None where they would have to wait; the
caller then waits for `read_ready` or `write_ready` and tries again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final, TypeAlias

from magicrune.backends.wasi import wasi_abi as abi
from magicrune.backends.wasi.nodes import Directory, Node, RegularFile
from magicrune.backends.wasi.wasi_abi import Errno, Filetype, WasiError

if TYPE_CHECKING:
    from magicrune.backends.wasi.vfs import Vfs

Chunk: TypeAlias = bytes | memoryview

_RIGHTS_STREAM: Final = abi.RIGHT_FD_FDSTAT_SET_FLAGS | abi.RIGHT_FD_FILESTAT_GET
_RIGHTS_READ: Final = abi.RIGHT_FD_READ | abi.RIGHT_POLL_FD_READWRITE
_RIGHTS_WRITE: Final = abi.RIGHT_FD_WRITE | abi.RIGHT_POLL_FD_READWRITE
_RIGHTS_SEEK: Final = abi.RIGHT_FD_SEEK | abi.RIGHT_FD_TELL
_RIGHTS_FILE: Final = (
    _RIGHTS_STREAM
    | _RIGHTS_SEEK
    | abi.RIGHT_FD_ADVISE
    | abi.RIGHT_FD_ALLOCATE
    | abi.RIGHT_FD_DATASYNC
    | abi.RIGHT_FD_SYNC
    | abi.RIGHT_FD_FILESTAT_SET_SIZE
    | abi.RIGHT_FD_FILESTAT_SET_TIMES
)
_RIGHTS_DIRECTORY: Final = (
    abi.RIGHT_PATH_CREATE_DIRECTORY
    | abi.RIGHT_PATH_CREATE_FILE
    | abi.RIGHT_PATH_LINK_SOURCE
    | abi.RIGHT_PATH_LINK_TARGET
    | abi.RIGHT_PATH_OPEN
    | abi.RIGHT_FD_READDIR
    | abi.RIGHT_PATH_READLINK
    | abi.RIGHT_PATH_RENAME_SOURCE
    | abi.RIGHT_PATH_RENAME_TARGET
    | abi.RIGHT_PATH_SYMLINK
    | abi.RIGHT_PATH_REMOVE_DIRECTORY
    | abi.RIGHT_PATH_UNLINK_FILE
    | abi.RIGHT_PATH_FILESTAT_GET
    | abi.RIGHT_PATH_FILESTAT_SET_TIMES
    | abi.RIGHT_FD_FILESTAT_GET
    | abi.RIGHT_FD_FILESTAT_SET_TIMES
)
_RIGHTS_INHERITED: Final = _RIGHTS_DIRECTORY | _RIGHTS_FILE | _RIGHTS_READ | _RIGHTS_WRITE


class Handle:
    """The base of all: a thing that can do nothing. `refs` counts the descriptors."""

    __slots__ = ("fdflags", "readable", "refs", "writable")
    filetype: ClassVar[Filetype] = Filetype.UNKNOWN

    def __init__(self, *, readable: bool, writable: bool, fdflags: int = 0) -> None:
        self.refs = 0
        self.readable = readable
        self.writable = writable
        self.fdflags = fdflags

    def acquire(self) -> None:
        self.refs += 1

    def release(self) -> None:
        """One descriptor less; with the last one the handle is closed."""
        self.refs -= 1
        if self.refs == 0:
            self.close()

    def close(self) -> None:
        """Called once."""

    @property
    def node(self) -> Node | None:
        """The node behind it; None where there is none (pipes, streams)."""
        return None

    def rights(self) -> tuple[int, int]:
        """What fd_fdstat_get tells (base, inheriting). Rights follow from the way of
        opening and cannot be given away, as in wasmtime."""
        base = _RIGHTS_STREAM
        if self.readable:
            base |= _RIGHTS_READ
        if self.writable:
            base |= _RIGHTS_WRITE
        return base, base

    def read(self, _count: int, /) -> Chunk | None:
        """At most so many bytes; b"" at the end. A memoryview is to be released soon."""
        raise WasiError(Errno.BADF)

    def write(self, _data: memoryview, /) -> int | None:
        """Takes some of the data (which is not empty); returns how much."""
        raise WasiError(Errno.BADF)

    def read_at(self, _count: int, _offset: int, /) -> Chunk:
        raise WasiError(Errno.SPIPE)

    def write_at(self, _data: memoryview, _offset: int, /) -> int:
        raise WasiError(Errno.SPIPE)

    def seek(self, _offset: int, _whence: int, /) -> int:
        raise WasiError(Errno.SPIPE)

    def read_ready(self) -> bool:
        return True

    def write_ready(self) -> bool:
        return True

    def readable_bytes(self) -> int:
        """How many bytes a read would give now (poll)."""
        return 0

    def hung_up(self) -> bool:
        """The other side is gone (poll)."""
        return False


class FileHandle(Handle):
    """An open regular file (or virtual program) with an offset."""

    __slots__ = ("_node", "offset", "vfs")
    filetype: ClassVar[Filetype] = Filetype.REGULAR_FILE

    def __init__(
        self, node: RegularFile, vfs: Vfs, *, readable: bool, writable: bool, fdflags: int
    ) -> None:
        super().__init__(readable=readable, writable=writable, fdflags=fdflags)
        self._node = node
        self.vfs = vfs
        self.offset = 0
        vfs.open_node(node)

    @property
    def node(self) -> RegularFile:
        return self._node

    def close(self) -> None:
        self.vfs.close_node(self._node)

    def rights(self) -> tuple[int, int]:
        base = super().rights()[0] | _RIGHTS_FILE
        return base, base

    def read(self, count: int, /) -> Chunk:
        chunk = self.read_at(count, self.offset)
        self.offset += len(chunk)
        return chunk

    def read_at(self, count: int, offset: int, /) -> Chunk:
        if not self.readable:
            raise WasiError(Errno.BADF)
        data = self._node.data
        if offset >= len(data):
            return b""
        return memoryview(data)[offset : offset + count]

    def write(self, data: memoryview, /) -> int:
        if self.fdflags & abi.FDFLAG_APPEND:
            self.offset = len(self._node.data)
        written = self._write(data, self.offset)
        self.offset += written
        return written

    def write_at(self, data: memoryview, offset: int, /) -> int:
        """As Linux: a file that is open for appending is appended to."""
        if self.fdflags & abi.FDFLAG_APPEND:
            offset = len(self._node.data)
        return self._write(data, offset)

    def _write(self, data: memoryview, offset: int) -> int:
        if not self.writable:
            raise WasiError(Errno.BADF)
        node = self._node
        written = node.write_at(offset, data, self.vfs.quota)
        node.mtim = node.ctim = self.vfs.clock()
        return written

    def resize(self, size: int) -> None:
        """As ftruncate(2)."""
        if not self.writable:
            raise WasiError(Errno.INVAL)
        node = self._node
        node.resize(size, self.vfs.quota)
        node.mtim = node.ctim = self.vfs.clock()

    def seek(self, offset: int, whence: int, /) -> int:
        if whence == abi.WHENCE_CUR:
            offset += self.offset
        elif whence == abi.WHENCE_END:
            offset += len(self._node.data)
        elif whence != abi.WHENCE_SET:
            raise WasiError(Errno.INVAL)
        if not 0 <= offset <= abi.FILE_BYTES_MAX:
            raise WasiError(Errno.INVAL)
        self.offset = offset
        return offset

    def readable_bytes(self) -> int:
        return max(0, len(self._node.data) - self.offset)


class DirectoryHandle(Handle):
    """An open directory. `rooted`: paths from it may use the whole tree (see lookup.py).

    `preopen` is the path that the program is told for it, None if it opened it itself.
    """

    __slots__ = ("_node", "preopen", "rooted")
    filetype: ClassVar[Filetype] = Filetype.DIRECTORY

    def __init__(self, node: Directory, *, rooted: bool, preopen: bytes | None = None) -> None:
        super().__init__(readable=False, writable=False)
        self._node = node
        self.rooted = rooted
        self.preopen = preopen

    @property
    def node(self) -> Directory:
        return self._node

    def rights(self) -> tuple[int, int]:
        return _RIGHTS_DIRECTORY, _RIGHTS_INHERITED

    def seek(self, _offset: int, _whence: int, /) -> int:
        raise WasiError(Errno.BADF)

    def read_at(self, _count: int, _offset: int, /) -> Chunk:
        raise WasiError(Errno.BADF)

    def write_at(self, _data: memoryview, _offset: int, /) -> int:
        raise WasiError(Errno.BADF)
