"""The numbers and shapes of `wasi_snapshot_preview1`, and what its functions ask of a process.

All values are those of the witx files of WASI preview 1. Structures are packed with
`struct` in the layouts below (little endian, padding written as zero).
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from struct import Struct
from typing import TYPE_CHECKING, Any, Final, NoReturn, Protocol, TypeAlias

if TYPE_CHECKING:
    from magicrune.backends.wasi.fdtable import FdTable
    from magicrune.backends.wasi.vfs import Vfs
    from magicrune.observation import EventKind


class Errno(IntEnum):
    """`errno` of preview 1."""

    SUCCESS = 0
    TOOBIG = 1
    ACCES = 2
    AGAIN = 6
    BADF = 8
    BUSY = 10
    CHILD = 12
    DEADLK = 16
    DOM = 18
    EXIST = 20
    FAULT = 21
    FBIG = 22
    ILSEQ = 25
    INTR = 27
    INVAL = 28
    IO = 29
    ISCONN = 30
    ISDIR = 31
    LOOP = 32
    MFILE = 33
    MLINK = 34
    NAMETOOLONG = 37
    NFILE = 41
    NODEV = 43
    NOENT = 44
    NOEXEC = 45
    NOMEM = 48
    NOSPC = 51
    NOSYS = 52
    NOTCONN = 53
    NOTDIR = 54
    NOTEMPTY = 55
    NOTSOCK = 57
    NOTSUP = 58
    NOTTY = 59
    NXIO = 60
    OVERFLOW = 61
    PERM = 63
    PIPE = 64
    RANGE = 68
    ROFS = 69
    SPIPE = 70
    SRCH = 71
    TXTBSY = 74
    XDEV = 75
    NOTCAPABLE = 76


class WasiError(Exception):
    """A call fails with `errno`: the job sees the number, nobody sees a traceback."""

    def __init__(self, errno: Errno) -> None:
        self.errno = errno
        super().__init__(errno.name)


class ProcessEnded(BaseException):
    """Unwinds a process that is over (exit, signal, limit). No error, so no `Exception`."""


class Filetype(IntEnum):
    """`filetype` of preview 1."""

    UNKNOWN = 0
    BLOCK_DEVICE = 1
    CHARACTER_DEVICE = 2
    DIRECTORY = 3
    REGULAR_FILE = 4
    SOCKET_DGRAM = 5
    SOCKET_STREAM = 6
    SYMBOLIC_LINK = 7


# rights
RIGHT_FD_DATASYNC: Final = 1 << 0
RIGHT_FD_READ: Final = 1 << 1
RIGHT_FD_SEEK: Final = 1 << 2
RIGHT_FD_FDSTAT_SET_FLAGS: Final = 1 << 3
RIGHT_FD_SYNC: Final = 1 << 4
RIGHT_FD_TELL: Final = 1 << 5
RIGHT_FD_WRITE: Final = 1 << 6
RIGHT_FD_ADVISE: Final = 1 << 7
RIGHT_FD_ALLOCATE: Final = 1 << 8
RIGHT_PATH_CREATE_DIRECTORY: Final = 1 << 9
RIGHT_PATH_CREATE_FILE: Final = 1 << 10
RIGHT_PATH_LINK_SOURCE: Final = 1 << 11
RIGHT_PATH_LINK_TARGET: Final = 1 << 12
RIGHT_PATH_OPEN: Final = 1 << 13
RIGHT_FD_READDIR: Final = 1 << 14
RIGHT_PATH_READLINK: Final = 1 << 15
RIGHT_PATH_RENAME_SOURCE: Final = 1 << 16
RIGHT_PATH_RENAME_TARGET: Final = 1 << 17
RIGHT_PATH_FILESTAT_GET: Final = 1 << 18
RIGHT_PATH_FILESTAT_SET_SIZE: Final = 1 << 19
RIGHT_PATH_FILESTAT_SET_TIMES: Final = 1 << 20
RIGHT_FD_FILESTAT_GET: Final = 1 << 21
RIGHT_FD_FILESTAT_SET_SIZE: Final = 1 << 22
RIGHT_FD_FILESTAT_SET_TIMES: Final = 1 << 23
RIGHT_PATH_SYMLINK: Final = 1 << 24
RIGHT_PATH_REMOVE_DIRECTORY: Final = 1 << 25
RIGHT_PATH_UNLINK_FILE: Final = 1 << 26
RIGHT_POLL_FD_READWRITE: Final = 1 << 27
RIGHT_SOCK_SHUTDOWN: Final = 1 << 28
RIGHT_SOCK_ACCEPT: Final = 1 << 29
RIGHTS_ALL: Final = (1 << 30) - 1

# fdflags
FDFLAG_APPEND: Final = 1
FDFLAG_DSYNC: Final = 2
FDFLAG_NONBLOCK: Final = 4
FDFLAG_RSYNC: Final = 8
FDFLAG_SYNC: Final = 16
FDFLAGS_ALL: Final = 31

# oflags
OFLAG_CREAT: Final = 1
OFLAG_DIRECTORY: Final = 2
OFLAG_EXCL: Final = 4
OFLAG_TRUNC: Final = 8
OFLAGS_ALL: Final = 15

LOOKUP_SYMLINK_FOLLOW: Final = 1

# fstflags
FST_ATIM: Final = 1
FST_ATIM_NOW: Final = 2
FST_MTIM: Final = 4
FST_MTIM_NOW: Final = 8
FSTFLAGS_ALL: Final = 15

# whence
WHENCE_SET: Final = 0
WHENCE_CUR: Final = 1
WHENCE_END: Final = 2

# clockid
CLOCK_REALTIME: Final = 0
CLOCK_MONOTONIC: Final = 1
CLOCK_PROCESS_CPUTIME: Final = 2
CLOCK_THREAD_CPUTIME: Final = 3

# eventtype, subclockflags, eventrwflags
EVENT_CLOCK: Final = 0
EVENT_FD_READ: Final = 1
EVENT_FD_WRITE: Final = 2
SUBCLOCK_ABSTIME: Final = 1
EVENT_FD_HANGUP: Final = 1

DIRCOOKIE_START: Final = 0

# Layouts of structures.
FDSTAT: Final = Struct("<BxHxxxxQQ")  # filetype, flags, rights base, rights inheriting
FILESTAT: Final = Struct("<QQBxxxxxxxQQQQQ")  # dev ino type nlink size atim mtim ctim
DIRENT: Final = Struct("<QQIBxxx")  # next cookie, inode, name length, type
PRESTAT: Final = Struct("<BxxxI")  # tag (0: directory), name length
IOVEC: Final = Struct("<II")  # pointer, length
SUBSCRIPTION_SIZE: Final = 48
SUBSCRIPTION_HEAD: Final = Struct("<QBxxxxxxx")  # userdata, eventtype
SUBSCRIPTION_CLOCK: Final = Struct("<IxxxxQQHxxxxxx")  # at 16: id, timeout, precision, flags
SUBSCRIPTION_FD: Final = Struct("<I")  # at 16: fd
EVENT: Final = Struct("<QHBxxxxxQHxxxxxx")  # userdata, errno, type, nbytes, flags

# Ceilings of ours.
PATH_BYTES_MAX: Final = 4095  # PATH_MAX of Linux, without its NUL
NAME_BYTES_MAX: Final = 255  # NAME_MAX of Linux
SYMLINKS_MAX: Final = 40  # Linux: MAXSYMLINKS
IOVECS_MAX: Final = 1024  # IOV_MAX of Linux
SUBSCRIPTIONS_MAX: Final = 4096
FILE_BYTES_MAX: Final = (1 << 63) - 1  # filesize is unsigned, off_t is not


class Memory(Protocol):
    """The linear memory of the calling process.

    Pointers and lengths are unsigned 32 bit. All raise WasiError(FAULT) where the range
    does not lie within the memory.
    """

    def read(self, ptr: int, length: int) -> bytes: ...

    def write(self, ptr: int, data: bytes | bytearray | memoryview) -> None: ...

    def view(self, ptr: int, length: int) -> memoryview:
        """Writable, format "B", valid until the call returns or blocks."""
        ...

    def load_u8(self, ptr: int) -> int: ...

    def load_u16(self, ptr: int) -> int: ...

    def load_u32(self, ptr: int) -> int: ...

    def load_u64(self, ptr: int) -> int: ...

    def store_u8(self, ptr: int, value: int) -> None: ...

    def store_u16(self, ptr: int, value: int) -> None: ...

    def store_u32(self, ptr: int, value: int) -> None: ...

    def store_u64(self, ptr: int, value: int) -> None: ...


class Process(Protocol):
    """The calling process, as far as these functions need it."""

    @property
    def fds(self) -> FdTable: ...

    @property
    def vfs(self) -> Vfs: ...

    @property
    def args(self) -> list[bytes]: ...

    @property
    def env(self) -> list[bytes]: ...

    def wait_until(self, ready: Callable[[], bool], timeout_ns: int | None) -> bool:
        """Lets others run until `ready()` (True) or the time is over (False).

        Returns at once where `ready()` holds already. A timeout of 0 lets others run
        once. Raises WasiError(INTR) on a caught signal, ProcessEnded to unwind.
        """
        ...

    def exit(self, code: int) -> NoReturn: ...

    def record(self, kind: EventKind, **detail: str | int) -> None: ...

    def clock_ns(self, clock_id: int) -> int: ...

    def random(self, count: int) -> bytes: ...

    def raise_signal(self, number: int) -> None:
        """Sends this process a signal (wasi-libc's number); may raise ProcessEnded."""
        ...

    def is_sensitive(self, path: str) -> bool: ...


Ready: TypeAlias = Callable[[], bool]
Impl: TypeAlias = Callable[[Any, Memory, list[int]], int]
"""A function of preview 1: process, memory, arguments as unsigned integers → errno.

The process is a `Process` (typed Any, so that an engine's own class fits). May raise
WasiError, whose errno is then the result, and ProcessEnded; nothing else.
"""
FunctionTable: TypeAlias = dict[str, tuple[str, Impl]]
"""Name → (signature such as "iiIi>i": i is i32, I is i64, result after ">"; function)."""
