"""How much the files of a job may take. Every byte and entry is charged before it exists."""

from __future__ import annotations

from collections.abc import Callable

from magicrune.backends.wasi.wasi_abi import Errno, WasiError


class Quota:
    """The ceiling of all writable mounts of one job together.

    `bytes_max` counts file content (holes in full) and symlink targets; `files_max`
    counts directory entries, and unlinked files until they are closed. `on_limit` is
    told "disk" or "files" each time something is refused.
    """

    __slots__ = (
        "bytes_max",
        "bytes_peak",
        "bytes_used",
        "files_max",
        "files_peak",
        "files_used",
        "on_limit",
    )

    def __init__(self, bytes_max: int, files_max: int, on_limit: Callable[[str], None]) -> None:
        self.bytes_max = bytes_max
        self.files_max = files_max
        self.on_limit = on_limit
        self.bytes_used = self.bytes_peak = 0
        self.files_used = self.files_peak = 0

    def charge_bytes(self, count: int) -> None:
        """Takes `count` bytes. Raises WasiError(NOSPC) and takes nothing if they do not fit."""
        used = self.bytes_used + count
        if used > self.bytes_max:
            self.on_limit("disk")
            raise WasiError(Errno.NOSPC)
        self.bytes_used = used
        self.bytes_peak = max(self.bytes_peak, used)

    def charge_up_to(self, count: int, least: int) -> int:
        """Takes as many of `count` bytes as fit, at least `least`; returns how many.

        Raises WasiError(NOSPC) where not so many fit: a write fills the space before it
        fails.
        """
        room = self.bytes_max - self.bytes_used
        self.charge_bytes(taken := min(count, max(room, least)))
        return taken

    def release_bytes(self, count: int) -> None:
        self.bytes_used -= count

    def charge_file(self) -> None:
        """Takes one entry. Raises WasiError(NOSPC) if there is none left."""
        used = self.files_used + 1
        if used > self.files_max:
            self.on_limit("files")
            raise WasiError(Errno.NOSPC)
        self.files_used = used
        self.files_peak = max(self.files_peak, used)

    def release_file(self) -> None:
        self.files_used -= 1
