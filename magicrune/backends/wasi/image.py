"""The read-only tree that every job sees: devices, virtual programs, libraries.

An image is built once and shared by all jobs of a process; a `Vfs` puts its mounts on it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from magicrune.backends.wasi.nodes import (
    Content,
    DescriptorDirectory,
    Device,
    Directory,
    Program,
    RegularFile,
)
from magicrune.errors import BackendBroken

MODE_IMAGE: Final = 0o555
_DEVICES: Final = {
    "full": "full",
    "null": "null",
    "random": "random",
    "tty": "tty",
    "urandom": "random",
    "zero": "zero",
}
_STREAMS: Final = ("stdin", "stdout", "stderr")


class Numbering(Protocol):
    """Where inode numbers and times come from."""

    def take_ino(self) -> int: ...

    def clock(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Image:
    """`root` and all below it never change; `next_ino` is free for a job's own nodes."""

    root: Directory
    next_ino: int


def build_image(
    programs: Mapping[str, str], files: Iterable[tuple[str, Content, int]], now: int
) -> Image:
    """Programs by path (`{"/bin/cat": "cat"}`), files as (path, content, mode), and /dev.

    Content is shared, not copied. Raises BackendBroken where two of them collide.
    """
    builder = _Builder(now)
    builder.add_devices()
    for path, program in programs.items():
        directory, name = builder.place(path)
        directory.insert(name, Program(builder.take_ino(), program, now))
    for path, content, mode in files:
        directory, name = builder.place(path)
        ino = builder.take_ino()
        shown = mode & MODE_IMAGE
        directory.insert(name, RegularFile(ino, shown, now, writable=False, data=content))
    return Image(builder.root, builder.next_ino)


class _Builder:
    def __init__(self, now: int) -> None:
        self.now = now
        self.next_ino = 1
        self.root = Directory(self.take_ino(), MODE_IMAGE, now, writable=False)

    def take_ino(self) -> int:
        ino = self.next_ino
        self.next_ino += 1
        return ino

    def place(self, path: str) -> tuple[Directory, str]:
        """Directory and free name for `path`, with what is missing above it."""
        *above, name = path.removeprefix("/").split("/")
        here = self.root
        for part in above:
            found = here.child(part)
            if found is None:
                found = add_directory(self, here, part, MODE_IMAGE, writable=False)
            if not isinstance(found, Directory):
                raise BackendBroken("a file of the image lies below a file", where=path)
            here = found
        if here.child(name) is not None:
            raise BackendBroken("two files of the image have the same path", where=path)
        return here, name

    def add_devices(self) -> None:
        dev, name = self.place("/dev/fd")
        dev.insert(name, DescriptorDirectory(self.take_ino(), MODE_IMAGE, self.now, writable=False))
        for name, kind in _DEVICES.items():
            dev.insert(name, Device(self.take_ino(), kind, self.now))
        for number, name in enumerate(_STREAMS):
            dev.insert(name, Device(self.take_ino(), "fd", self.now, number=number))

    def clock(self) -> int:
        return self.now


def add_directory(
    numbers: Numbering, parent: Directory, name: str, mode: int, *, writable: bool
) -> Directory:
    """A new empty directory in `parent`."""
    made = Directory(numbers.take_ino(), mode, numbers.clock(), writable=writable)
    parent.insert(name, made)
    return made
