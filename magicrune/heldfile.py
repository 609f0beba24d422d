"""Private files and directories through descriptors: no symlink followed, nothing half written."""

from __future__ import annotations

import contextlib
import os
import stat

from magicrune.errors import QuarantineFailed

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def open_directory(
    opened: contextlib.ExitStack, parent: int | None, name: str, *, private: bool = True
) -> int:
    """A descriptor of directory `name` in `parent`; `opened` closes it.

    Raises OSError where it is a symlink or no directory, and QuarantineFailed where it is
    to be `private` and others own it or may look into it.
    """
    descriptor = os.open(name, _DIRECTORY, dir_fd=parent)
    opened.callback(os.close, descriptor)
    found = os.fstat(descriptor)
    if private and (found.st_uid != os.geteuid() or found.st_mode & 0o077):
        raise QuarantineFailed(
            "belongs to another user or is open to others", where=name, hint="chmod 700 it"
        )
    return descriptor


def make_directory(parent: int, name: str, *, exist_ok: bool = False) -> None:
    """Makes directory `name` (0700) in `parent`. Raises FileExistsError unless `exist_ok`."""
    with contextlib.suppress(FileExistsError) if exist_ok else contextlib.nullcontext():
        os.mkdir(name, 0o700, dir_fd=parent)


def write_file(directory: int, name: str, content: bytes) -> None:
    """Writes the new file `name` (0600) and waits until it is on disk.

    Raises FileExistsError where there is anything of that name, a symlink too.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(name, flags, 0o600, dir_fd=directory)
    try:
        left = memoryview(content)
        while left:
            left = left[os.write(descriptor, left) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_file(directory: int, name: str, limit: int) -> bytes:
    """The content of the regular file `name`.

    Raises OSError where it is a symlink, QuarantineFailed where it is no regular file or
    longer than `limit` bytes.
    """
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor = os.open(name, flags, dir_fd=directory)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise QuarantineFailed("is not a regular file", where=name)
        content = file.read(limit + 1)
    if len(content) > limit:
        raise QuarantineFailed(f"is longer than {limit} bytes", where=name)
    return content


def names_in(directory: int) -> list[str]:
    """The names of everything in `directory`."""
    with os.scandir(directory) as entries:
        return [entry.name for entry in entries]


def sync(directory: int) -> None:
    """Waits until the names in `directory` are on disk."""
    os.fsync(directory)


def remove_tree(parent: int, name: str) -> None:
    """Removes what this module made under `name`, as far as possible; follows no symlink."""
    with contextlib.ExitStack() as opened, contextlib.suppress(OSError):
        here = os.open(name, _DIRECTORY, dir_fd=parent)
        opened.callback(os.close, here)
        for entry in names_in(here):
            try:
                os.unlink(entry, dir_fd=here)
            except OSError:
                remove_tree(here, entry)
        os.rmdir(name, dir_fd=parent)
