"""The descriptors of one process."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from magicrune.backends.wasi.handles import Handle
from magicrune.backends.wasi.streams import make_pipe
from magicrune.backends.wasi.wasi_abi import Errno, WasiError

NUMBER_MAX = 4096
"""The shell keeps descriptors of its own from 900 on, out of the way of a script's; so the
limit counts what is open, and the numbers have a ceiling of their own."""


class FdTable:
    """Number → open file description. At most `open_max` of them, numbers below NUMBER_MAX.

    `on_limit` is told "open_files" when a descriptor is refused (MFILE). `peak` is the most
    that were open at one time.
    """

    __slots__ = ("_handles", "_lowest", "on_limit", "open_max", "peak")

    def __init__(self, open_max: int, on_limit: Callable[[str], None]) -> None:
        self.open_max = open_max
        self.on_limit = on_limit
        self._handles: dict[int, Handle] = {}
        self._lowest = 0  # no number below it is free
        self.peak = 0

    def __len__(self) -> int:
        return len(self._handles)

    def find(self, fd: int) -> Handle | None:
        return self._handles.get(fd)

    def get(self, fd: int) -> Handle:
        """Raises WasiError(BADF) where `fd` is not open."""
        handle = self._handles.get(fd)
        if handle is None:
            raise WasiError(Errno.BADF)
        return handle

    def insert(self, handle: Handle, lowest: int = 0) -> int:
        """Opens the lowest free number that is not below `lowest`.

        Raises WasiError(MFILE); a handle that nobody else holds is then closed.
        """
        fd = max(lowest, self._lowest)
        while fd in self._handles:
            fd += 1
        handle.acquire()
        if fd >= NUMBER_MAX or len(self._handles) >= self.open_max:
            handle.release()
            self.on_limit("open_files")
            raise WasiError(Errno.MFILE)
        self._handles[fd] = handle
        self.peak = max(self.peak, len(self._handles))
        if lowest <= self._lowest:
            self._lowest = fd + 1
        return fd

    def close(self, fd: int) -> None:
        handle = self._handles.pop(fd, None)
        if handle is None:
            raise WasiError(Errno.BADF)
        self._lowest = min(self._lowest, fd)
        handle.release()

    def dup(self, fd: int, lowest: int = 0) -> int:
        """As fcntl(F_DUPFD): WasiError(INVAL) where `lowest` can never be reached."""
        handle = self.get(fd)
        if lowest >= NUMBER_MAX:
            raise WasiError(Errno.INVAL)
        return self.insert(handle, lowest)

    def dup2(self, fd: int, onto: int) -> None:
        """`onto` stands for what `fd` stands for; what it was before is closed."""
        handle = self.get(fd)
        if onto >= NUMBER_MAX:
            raise WasiError(Errno.BADF)
        if fd == onto:
            return
        before = self._handles.get(onto)
        if before is None and len(self._handles) >= self.open_max:
            self.on_limit("open_files")
            raise WasiError(Errno.MFILE)
        handle.acquire()
        self._handles[onto] = handle
        self.peak = max(self.peak, len(self._handles))
        if before is not None:
            before.release()

    def renumber(self, fd: int, onto: int) -> None:
        """Moves `fd` to `onto`, which must be open too (as wasmtime has it)."""
        self.get(fd)
        self.get(onto)
        if fd != onto:
            self.dup2(fd, onto)
            self.close(fd)

    def open_pipe(self) -> tuple[int, int]:
        """Reading and writing end. Raises WasiError(MFILE), then neither is open."""
        reader, writer = make_pipe()
        reading = self.insert(reader)
        try:
            return reading, self.insert(writer)
        except WasiError:
            self.close(reading)
            raise

    def copy(self) -> FdTable:
        """The table of a fork: same numbers, same handles."""
        copied = FdTable(self.open_max, self.on_limit)
        copied._handles = dict(self._handles)
        copied._lowest = self._lowest
        copied.peak = len(copied._handles)
        for handle in copied._handles.values():
            handle.acquire()
        return copied

    def keep_standard(self, preopens: Iterable[Handle] = ()) -> None:
        """For a new program: closes all but 0, 1 and 2 and opens `preopens` from 3 on."""
        for fd in [fd for fd in self._handles if fd > 2]:
            self.close(fd)
        for handle in preopens:
            self.insert(handle, 3)

    def close_all(self) -> None:
        handles, self._handles = self._handles, {}
        self._lowest = 0
        for handle in handles.values():
            handle.release()
