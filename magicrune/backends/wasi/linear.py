"""Linear memory that we map, count and read ourselves.

Mapping it ourselves makes two things exact: every growth is asked of the job's owner, so
the memory limit counts all processes together and a refusal is seen; and a program's
initial memory is mapped copy-on-write from a cached image, so that starting one costs no
copy (CPython's is 7 MB).
"""

from __future__ import annotations

import ctypes
import mmap
import struct
from typing import ClassVar, Protocol

from magicrune.backends.wasi.wasi_abi import Errno, WasiError

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = [
    ctypes.c_void_p,
    ctypes.c_size_t,
    ctypes.c_int,
    ctypes.c_int,
    ctypes.c_int,
    ctypes.c_int64,
]
_libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
_libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]

_MAP_FIXED = 0x10
_MAP_NORESERVE = 0x4000
_FAILED = ctypes.c_void_p(-1).value
_READ_WRITE = mmap.PROT_READ | mmap.PROT_WRITE
_U16, _U32, _U64 = struct.Struct("<H"), struct.Struct("<I"), struct.Struct("<Q")


class MemoryOwner(Protocol):
    """Pays for a memory: a process, in the name of its job."""

    image: tuple[int, int] | None
    """(file descriptor, size) of the initial content, mapped privately; None: zeroes."""

    def charge_memory(self, delta: int) -> bool:
        """Whether `delta` more bytes may be had; negative amounts are given back."""

    def attach_memory(self, memory: LinearMemory, /) -> None:
        """Is told its memory."""


class LinearMemory:
    """The memory of one instance. Offsets are unsigned 32-bit integers from the module."""

    __slots__ = ("_bytes", "_mapped", "base", "capacity", "owner", "size")
    live: ClassVar[dict[int, LinearMemory]] = {}

    def __init__(self, base: int, size: int, capacity: int, mapped: int, owner: MemoryOwner):
        self.base = base
        self.size = size
        self.capacity = capacity
        self.owner = owner
        self._mapped = mapped
        self._bytes = self._whole()

    @classmethod
    def map(
        cls, owner: MemoryOwner, minimum: int, reserved: int, guard: int
    ) -> LinearMemory | None:
        """A memory of `minimum` bytes, or None where its owner does not grant them.

        `reserved` and `guard` are what compiled code relies on: addresses up to their sum
        are ours and fault unless granted.
        """
        if not owner.charge_memory(minimum):
            return None
        capacity = max(reserved, minimum)
        mapped = capacity + guard
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _MAP_NORESERVE
        base = _libc.mmap(None, mapped, 0, flags, -1, 0)
        if base in (None, _FAILED):
            owner.charge_memory(-minimum)
            raise MemoryError("the host has no address space left for a sandbox")
        memory = cls.__new__(cls)
        try:
            _fill(base, minimum, owner.image)
        except MemoryError:
            _libc.munmap(base, mapped)
            owner.charge_memory(-minimum)
            raise
        memory.__init__(base, minimum, capacity, mapped, owner)  # type: ignore[misc]
        cls.live[base] = memory
        owner.attach_memory(memory)
        return memory

    @classmethod
    def none(cls) -> LinearMemory:
        """The memory of a module that has none: every access is out of bounds."""
        memory = cls.__new__(cls)
        memory.base = memory.size = memory.capacity = 0
        memory._bytes = memoryview(b"")
        return memory

    def grow(self, size: int) -> bool:
        """Makes the memory `size` bytes long, if its owner grants the difference."""
        if size > self.capacity or not self.owner.charge_memory(size - self.size):
            return False
        if _libc.mprotect(self.base, size, _READ_WRITE):
            self.owner.charge_memory(self.size - size)
            return False
        self.size = size
        self._bytes = self._whole()
        return True

    def unmap(self) -> None:
        """Gives everything back; the memory is not used afterwards."""
        self._bytes = memoryview(b"")
        del self.live[self.base]
        _libc.munmap(self.base, self._mapped)
        self.owner.charge_memory(-self.size)

    def copy_from(self, other: LinearMemory) -> None:
        """Takes over the content of a memory that is not larger than this one."""
        ctypes.memmove(self.base, other.base, other.size)

    def _whole(self) -> memoryview:
        return memoryview((ctypes.c_ubyte * self.size).from_address(self.base)).cast("B")

    # -- what WASI functions use (wasi_abi.Memory): out of bounds is WasiError(FAULT) --

    def view(self, ptr: int, length: int) -> memoryview:
        if ptr + length > self.size:
            raise WasiError(Errno.FAULT)
        return self._bytes[ptr : ptr + length]

    def read(self, ptr: int, length: int) -> bytes:
        return self.view(ptr, length).tobytes()

    def write(self, ptr: int, data: bytes | bytearray | memoryview) -> None:
        self.view(ptr, len(data))[:] = data

    def load_u8(self, ptr: int) -> int:
        return self.view(ptr, 1)[0]

    def load_u16(self, ptr: int) -> int:
        return int(_U16.unpack_from(self.view(ptr, 2))[0])

    def load_u32(self, ptr: int) -> int:
        return int(_U32.unpack_from(self.view(ptr, 4))[0])

    def load_u64(self, ptr: int) -> int:
        return int(_U64.unpack_from(self.view(ptr, 8))[0])

    def store_u8(self, ptr: int, value: int) -> None:
        self.view(ptr, 1)[0] = value & 0xFF

    def store_u16(self, ptr: int, value: int) -> None:
        _U16.pack_into(self.view(ptr, 2), 0, value & 0xFFFF)

    def store_u32(self, ptr: int, value: int) -> None:
        _U32.pack_into(self.view(ptr, 4), 0, value & 0xFFFF_FFFF)

    def store_u64(self, ptr: int, value: int) -> None:
        _U64.pack_into(self.view(ptr, 8), 0, value & 0xFFFF_FFFF_FFFF_FFFF)


def _fill(base: int, minimum: int, image: tuple[int, int] | None) -> None:
    """Grants the first `minimum` bytes, the image at their start. Raises MemoryError."""
    mapped = 0
    if image is not None:
        fd, size = image
        mapped = min(-(-size // mmap.PAGESIZE) * mmap.PAGESIZE, minimum)
        flags = mmap.MAP_PRIVATE | _MAP_FIXED
        if _libc.mmap(base, mapped, _READ_WRITE, flags, fd, 0) != base:
            raise MemoryError("cannot map the initial memory of a program")
    rest = minimum - mapped
    if rest and _libc.mprotect(base + mapped, rest, _READ_WRITE):
        raise MemoryError("cannot grant the initial memory of a program")
