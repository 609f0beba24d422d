"""A process of the WASI lane without an engine: calls of preview 1 on plain memory."""

from __future__ import annotations

from collections.abc import Callable
from struct import pack, unpack
from typing import NoReturn

from magicrune.backends.wasi import wasi_abi as abi
from magicrune.backends.wasi.fdtable import FdTable
from magicrune.backends.wasi.handles import DirectoryHandle
from magicrune.backends.wasi.image import Image, build_image
from magicrune.backends.wasi.preview1 import FUNCTIONS
from magicrune.backends.wasi.quota import Quota
from magicrune.backends.wasi.streams import InputStream, OutputBudget, OutputStream
from magicrune.backends.wasi.vfs import Vfs
from magicrune.backends.wasi.wasi_abi import Errno, ProcessEnded, WasiError
from magicrune.observation import EventKind
from magicrune.spec import Mount

MEMORY_BYTES = 256 * 1024
OUT, STAT, PATH, PATH2, IOVEC, DATA = 0, 64, 4096, 12288, 1024, 65536


def make_image() -> Image:
    return build_image({"/bin/cat": "cat"}, [("/etc/motd", b"hello\n", 0o644)], now=7)


class Memory:
    def __init__(self, size: int = MEMORY_BYTES) -> None:
        self.data = bytearray(size)

    def view(self, ptr: int, length: int) -> memoryview:
        if ptr + length > len(self.data):
            raise WasiError(Errno.FAULT)
        return memoryview(self.data)[ptr : ptr + length]

    def read(self, ptr: int, length: int) -> bytes:
        return bytes(self.view(ptr, length))

    def write(self, ptr: int, data: bytes | bytearray | memoryview) -> None:
        self.view(ptr, len(data))[:] = data

    def store_u32(self, ptr: int, value: int) -> None:
        self.write(ptr, pack("<I", value & 0xFFFF_FFFF))

    def store_u64(self, ptr: int, value: int) -> None:
        self.write(ptr, pack("<Q", value & 0xFFFF_FFFF_FFFF_FFFF))


class Exited(ProcessEnded):
    def __init__(self, code: int) -> None:
        self.code = code


class Process:
    """Implements wasi_abi.Process. Time passes only while it waits."""

    def __init__(
        self, *, bytes_max: int = 1 << 20, files_max: int = 500, open_max: int = 64
    ) -> None:
        self.memory = Memory()
        self.args = [b"prog", b"one"]
        self.env = [b"A=1"]
        self.events: list[tuple[EventKind, dict[str, str | int]]] = []
        self.limits: list[str] = []
        self.signals: list[int] = []
        self.now = 1_000_000_000
        self.while_waiting: Callable[[], None] | None = None
        quota = Quota(bytes_max, files_max, self.limits.append)
        self.vfs = Vfs([Mount("/tmp"), Mount("/ro", False)], make_image(), quota, lambda: self.now)
        self.fds = FdTable(open_max, self.limits.append)
        budget = OutputBudget(1000, self.limits.append)
        self.stdout, self.stderr = OutputStream(budget), OutputStream(budget)
        for handle in (InputStream(b"input"), self.stdout, self.stderr):
            self.fds.insert(handle)
        root = DirectoryHandle(self.vfs.root, rooted=True, preopen=b"/")
        tmp = DirectoryHandle(
            self.vfs.lookup("/tmp").parent.entries["tmp"], rooted=False, preopen=b"/tmp"
        )  # type: ignore[arg-type]
        self.root, self.tmp = self.fds.insert(root), self.fds.insert(tmp)

    def wait_until(self, ready: Callable[[], bool], timeout_ns: int | None) -> bool:
        if ready():
            return True
        if self.while_waiting is not None:
            step, self.while_waiting = self.while_waiting, None
            step()
            if ready():
                return True
        if timeout_ns is None:
            raise WasiError(Errno.INTR)  # nobody else is there who could end this
        self.now += timeout_ns
        return False

    def exit(self, code: int) -> NoReturn:
        raise Exited(code)

    def record(self, kind: EventKind, **detail: str | int) -> None:
        self.events.append((kind, detail))

    def clock_ns(self, clock_id: int) -> int:
        return self.now

    def random(self, count: int) -> bytes:
        return b"\x5a" * count

    def raise_signal(self, number: int) -> None:
        self.signals.append(number)

    def is_sensitive(self, path: str) -> bool:
        return "secret" in path

    # --- calls ------------------------------------------------------------------------

    def call(self, name: str, *args: int) -> Errno:
        """Calls a function; the errno, also where it was raised."""
        try:
            return Errno(FUNCTIONS[name][1](self, self.memory, list(args)))
        except WasiError as error:
            return error.errno

    def text(self, path: str | bytes, at: int = PATH) -> tuple[int, int]:
        encoded = path if isinstance(path, bytes) else path.encode()
        self.memory.write(at, encoded)
        return at, len(encoded)

    def u32(self, at: int = OUT) -> int:
        return int(unpack("<I", self.memory.read(at, 4))[0])

    def u64(self, at: int = OUT) -> int:
        return int(unpack("<Q", self.memory.read(at, 8))[0])

    def try_open(
        self, path: str | bytes, mode: str = "r", *, oflags: int = 0, fd: int | None = None
    ) -> Errno:
        rights = abi.RIGHT_FD_READ * ("r" in mode) | abi.RIGHT_FD_WRITE * ("w" in mode)
        flags = abi.FDFLAG_APPEND * ("a" in mode)
        base = self.tmp if fd is None else fd
        pointer = self.text(path)
        return self.call("path_open", base, 1, *pointer, oflags, rights, 0, flags, OUT)

    def open(
        self, path: str | bytes, mode: str = "r", *, oflags: int = 0, fd: int | None = None
    ) -> int:
        assert self.try_open(path, mode, oflags=oflags, fd=fd) is Errno.SUCCESS
        return self.u32()

    def create(self, path: str, content: bytes = b"", *, fd: int | None = None) -> None:
        opened = self.open(path, "w", oflags=abi.OFLAG_CREAT | abi.OFLAG_TRUNC, fd=fd)
        if content:
            assert self.write(opened, content) == (Errno.SUCCESS, len(content))
        self.call("fd_close", opened)

    def write(self, fd: int, content: bytes) -> tuple[Errno, int]:
        self.memory.write(DATA, content)
        self.memory.write(IOVEC, pack("<II", DATA, len(content)))
        return self.call("fd_write", fd, IOVEC, 1, OUT), self.u32()

    def read(self, fd: int, count: int) -> tuple[Errno, bytes]:
        self.memory.write(IOVEC, pack("<II", DATA, count))
        errno = self.call("fd_read", fd, IOVEC, 1, OUT)
        return errno, self.memory.read(DATA, self.u32()) if errno is Errno.SUCCESS else b""

    def kinds(self) -> list[EventKind]:
        return [kind for kind, _ in self.events]
