"""What the file system of a job is made of: directories, files, links, devices, programs.

Nodes of an image (everything outside the writable mounts) are shared by all jobs and
never change; `writable` tells the two apart.
"""

from __future__ import annotations

from bisect import bisect_right
from mmap import mmap
from typing import ClassVar, Final, TypeAlias

from magicrune.backends.wasi.quota import Quota
from magicrune.backends.wasi.wasi_abi import FILE_BYTES_MAX, Errno, Filetype, WasiError

MODE_MASK: Final = 0o7777
MODE_DIRECTORY: Final = 0o755
MODE_FILE: Final = 0o644  # what open(2) gives with the usual umask; WASI has no mode argument
MODE_PROGRAM: Final = 0o555
_FIRST_COOKIE: Final = 3  # 1 and 2 stand after "." and ".."
_ZEROS: Final = bytes(1 << 20)

Content: TypeAlias = bytes | bytearray | mmap


class Node:
    """One inode. Times are nanoseconds since 1970; `mode` holds permission bits only."""

    __slots__ = ("__weakref__", "atim", "ctim", "ino", "mode", "mtim", "nlink", "writable")
    filetype: ClassVar[Filetype] = Filetype.UNKNOWN

    def __init__(self, ino: int, mode: int, now: int, *, writable: bool) -> None:
        self.ino = ino
        self.mode = mode
        self.nlink = 1
        self.atim = self.mtim = self.ctim = now
        self.writable = writable

    @property
    def size(self) -> int:
        return 0


class Directory(Node):
    """Entries in order of creation. `parent` is None for a root and for a removed one."""

    __slots__ = ("_cookies", "_listing", "_next_cookie", "entries", "name", "parent", "removed")
    filetype: ClassVar[Filetype] = Filetype.DIRECTORY

    def __init__(self, ino: int, mode: int, now: int, *, writable: bool) -> None:
        super().__init__(ino, mode, now, writable=writable)
        self.nlink = 2
        self.entries: dict[str, Node] = {}
        self.name = ""
        self.parent: Directory | None = None
        self.removed = False
        self._cookies: dict[str, int] = {}
        self._next_cookie = _FIRST_COOKIE
        self._listing: tuple[list[int], list[str]] | None = None

    def child(self, name: str) -> Node | None:
        return self.entries.get(name)

    def insert(self, name: str, node: Node) -> None:
        """Puts `node` under a name that is free. Does not touch times."""
        self.adopt(name, node)
        if isinstance(node, Directory):
            node.name = name
            node.parent = self
            self.nlink += 1

    def adopt(self, name: str, node: Node) -> None:
        """As insert(), but a directory keeps the parent that it has."""
        self.entries[name] = node
        self._cookies[name] = self._next_cookie
        self._next_cookie += 1
        self._listing = None

    def remove(self, name: str) -> None:
        if isinstance(self.entries.pop(name), Directory):
            self.nlink -= 1
        del self._cookies[name]
        self._listing = None

    def forget(self) -> None:
        """Drops all entries and the parent: the end of the tree it was in."""
        self.entries.clear()
        self._cookies.clear()
        self._listing = None
        self.parent = None

    def listing_after(self, cookie: int, count: int) -> list[tuple[int, str]]:
        """At most `count` entries (cookie, name) that come after `cookie`.

        A cookie never changes while its entry lives and is never given again, so a
        listing in pieces neither skips nor repeats what was there all the time.
        """
        if self._listing is None:
            self._listing = (list(self._cookies.values()), list(self._cookies))
        cookies, names = self._listing
        start = bisect_right(cookies, cookie)
        end = start + count
        return list(zip(cookies[start:end], names[start:end], strict=True))


class RegularFile(Node):
    """A file. Content of a writable one is a bytearray charged to the job's quota."""

    __slots__ = ("data", "opens")
    filetype: ClassVar[Filetype] = Filetype.REGULAR_FILE

    def __init__(self, ino: int, mode: int, now: int, *, writable: bool, data: Content) -> None:
        super().__init__(ino, mode, now, writable=writable)
        self.data = data
        self.opens = 0

    @property
    def size(self) -> int:
        return len(self.data)

    def resize(self, size: int, quota: Quota) -> None:
        """Cuts or fills with zeros. Raises WasiError(FBIG | NOSPC), then nothing changed."""
        data = self.data
        if not isinstance(data, bytearray):
            raise WasiError(Errno.ROFS)
        if size > FILE_BYTES_MAX:
            raise WasiError(Errno.FBIG)
        have = len(data)
        if size <= have:
            del data[size:]
            quota.release_bytes(have - size)
            return
        quota.charge_bytes(size - have)
        _append_zeros(data, size - have)

    def write_at(self, offset: int, source: memoryview, quota: Quota) -> int:
        """Writes as much of `source` as there is space for; returns how much.

        Raises WasiError(FBIG | NOSPC) if not even one byte (or the hole before it) fits.
        """
        data = self.data
        if not isinstance(data, bytearray):
            raise WasiError(Errno.ROFS)
        count = len(source)
        if not count:
            return 0
        if offset + count > FILE_BYTES_MAX:
            raise WasiError(Errno.FBIG)
        have = len(data)
        over = max(0, min(count, have - offset))
        taken = 0
        if over < count:
            hole = max(0, offset - have)
            try:
                taken = quota.charge_up_to(hole + count - over, hole + 1) - hole
            except WasiError:
                if not over:
                    raise
            else:
                _append_zeros(data, hole)
        if over:
            with memoryview(data) as whole, whole[offset : offset + over] as part:
                part[:] = source[:over]
        data += source[over : over + taken]
        return over + taken


def _append_zeros(data: bytearray, count: int) -> None:
    whole, rest = divmod(count, len(_ZEROS))
    for _ in range(whole):
        data += _ZEROS
    data += bytes(rest)


class Symlink(Node):
    __slots__ = ("target",)
    filetype: ClassVar[Filetype] = Filetype.SYMBOLIC_LINK

    def __init__(self, ino: int, now: int, *, writable: bool, target: str) -> None:
        super().__init__(ino, 0o777, now, writable=writable)
        self.target = target

    @property
    def size(self) -> int:
        return len(self.target.encode())


class Device(Node):
    """A character device. `kind`: null zero full random tty, or fd (then `number`)."""

    __slots__ = ("kind", "number")
    filetype: ClassVar[Filetype] = Filetype.CHARACTER_DEVICE

    def __init__(self, ino: int, kind: str, now: int, *, number: int = -1) -> None:
        super().__init__(ino, 0o666, now, writable=False)
        self.kind = kind
        self.number = number


class DescriptorDirectory(Directory):
    """/dev/fd: each decimal number is an entry; whether it is open, the caller looks."""

    __slots__ = ()

    def child(self, name: str) -> Node | None:
        if not (name.isascii() and name.isdecimal() and len(name) <= 9):
            return None
        if name[0] == "0" and len(name) > 1:
            return None
        return Device((1 << 32) + int(name), "fd", self.mtim, number=int(name))


class Program(RegularFile):
    """A virtual executable (/bin/cat, /usr/bin/python3): `program` names what runs.

    Reading it gives one line that says so.
    """

    __slots__ = ("program",)

    def __init__(self, ino: int, program: str, now: int) -> None:
        line = f"MagicRune program: {program}\n".encode()
        super().__init__(ino, MODE_PROGRAM, now, writable=False, data=line)
        self.program = program
