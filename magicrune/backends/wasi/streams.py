"""Handles that are no files: pipes, the job's input and output, devices."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Final

from magicrune.backends.wasi import wasi_abi as abi
from magicrune.backends.wasi.handles import Chunk, Handle
from magicrune.backends.wasi.nodes import Device
from magicrune.backends.wasi.wasi_abi import Errno, Filetype, WasiError

PIPE_BYTES: Final = 65536  # as Linux
PIPE_ATOMIC: Final = 4096  # PIPE_BUF of Linux: so much is written at once or not at all
_DEVICE_CHUNK: Final = 1 << 20  # one read of /dev/zero or /dev/random gives no more
_ZEROS: Final = bytes(_DEVICE_CHUNK)


class Pipe:
    """The buffer between two ends. An end is open until its last descriptor is closed."""

    __slots__ = ("buffer", "reader_open", "writer_open")

    def __init__(self) -> None:
        self.buffer = bytearray()
        self.reader_open = True
        self.writer_open = True


class PipeReader(Handle):
    __slots__ = ("pipe",)

    def __init__(self, pipe: Pipe) -> None:
        super().__init__(readable=True, writable=False)
        self.pipe = pipe

    def close(self) -> None:
        self.pipe.reader_open = False
        self.pipe.buffer.clear()

    def read(self, count: int, /) -> Chunk | None:
        buffer = self.pipe.buffer
        if not buffer:
            return None if self.pipe.writer_open and count else b""
        chunk = bytes(buffer[:count])
        del buffer[:count]
        return chunk

    def read_ready(self) -> bool:
        return bool(self.pipe.buffer) or not self.pipe.writer_open

    def readable_bytes(self) -> int:
        return len(self.pipe.buffer)

    def hung_up(self) -> bool:
        return not self.pipe.writer_open


class PipeWriter(Handle):
    """Writing where nobody can read is WasiError(PIPE); the signal is the caller's part."""

    __slots__ = ("pipe",)

    def __init__(self, pipe: Pipe) -> None:
        super().__init__(readable=False, writable=True)
        self.pipe = pipe

    def close(self) -> None:
        self.pipe.writer_open = False

    def write(self, data: memoryview, /) -> int | None:
        pipe = self.pipe
        if not pipe.reader_open:
            raise WasiError(Errno.PIPE)
        room = PIPE_BYTES - len(pipe.buffer)
        count = len(data)
        if count > room:
            if not room or count <= PIPE_ATOMIC:
                return None
            count = room
        pipe.buffer += data[:count]
        return count

    def write_ready(self) -> bool:
        pipe = self.pipe
        return not pipe.reader_open or PIPE_BYTES - len(pipe.buffer) >= PIPE_ATOMIC

    def hung_up(self) -> bool:
        return not self.pipe.reader_open


def make_pipe() -> tuple[PipeReader, PipeWriter]:
    pipe = Pipe()
    return PipeReader(pipe), PipeWriter(pipe)


class InputStream(Handle):
    """The job's stdin: bytes that are there from the start, read once."""

    __slots__ = ("_content", "_offset")

    def __init__(self, content: bytes) -> None:
        super().__init__(readable=True, writable=False)
        self._content = content
        self._offset = 0

    def read(self, count: int, /) -> Chunk:
        start = self._offset
        chunk = self._content[start : start + count]
        self._offset = start + len(chunk)
        return chunk

    def readable_bytes(self) -> int:
        return len(self._content) - self._offset

    def hung_up(self) -> bool:
        return self._offset >= len(self._content)


class OutputBudget:
    """What stdout and stderr may hold together, in bytes."""

    __slots__ = ("left", "on_limit")

    def __init__(self, bytes_max: int, on_limit: Callable[[str], None]) -> None:
        self.left = bytes_max
        self.on_limit = on_limit


class OutputStream(Handle):
    """The job's stdout or stderr. Keeps what fits in the budget; `on_limit("output")`
    is called for what does not, which is dropped and makes it `truncated`."""

    __slots__ = ("_budget", "content", "truncated")

    def __init__(self, budget: OutputBudget) -> None:
        super().__init__(readable=False, writable=True)
        self._budget = budget
        self.content = bytearray()
        self.truncated = False

    def write(self, data: memoryview, /) -> int:
        budget = self._budget
        count = len(data)
        if count > budget.left:
            self.content += data[: budget.left]
            budget.left = 0
            self.truncated = True
            budget.on_limit("output")
            return count
        self.content += data
        budget.left -= count
        return count


class DeviceHandle(Handle):
    """/dev/null, zero, full, random. `random` gives so many bytes."""

    __slots__ = ("_node", "_random")
    filetype: ClassVar[Filetype] = Filetype.CHARACTER_DEVICE

    def __init__(
        self, node: Device, random: Callable[[int], bytes], *, readable: bool, writable: bool
    ) -> None:
        super().__init__(readable=readable, writable=writable)
        self._node = node
        self._random = random

    @property
    def node(self) -> Device:
        return self._node

    def rights(self) -> tuple[int, int]:
        """With the rights to seek: by their absence wasi-libc tells a terminal."""
        base = super().rights()[0] | abi.RIGHT_FD_SEEK | abi.RIGHT_FD_TELL
        return base, base

    def read(self, count: int, /) -> Chunk:
        if not self.readable:
            raise WasiError(Errno.BADF)
        count = min(count, _DEVICE_CHUNK)
        kind = self._node.kind
        if kind == "null":
            return b""
        return self._random(count) if kind == "random" else _ZEROS[:count]

    def write(self, data: memoryview, /) -> int:
        if not self.writable:
            raise WasiError(Errno.BADF)
        if self._node.kind == "full":
            raise WasiError(Errno.NOSPC)
        return len(data)

    def read_at(self, count: int, _offset: int, /) -> Chunk:
        return self.read(count)

    def write_at(self, data: memoryview, _offset: int, /) -> int:
        return self.write(data)

    def seek(self, _offset: int, _whence: int, /) -> int:
        """As Linux: there is no place to go to."""
        return 0
