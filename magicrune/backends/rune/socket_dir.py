"""Where a daemon's container meets us: a directory with init and a socket, mounted read-only.

Container root has no DAC_OVERRIDE, so it could not open a socket of another user's: the socket
is open to all, in a directory that only we can reach from outside. One connection is taken;
then there is no listener and no name any more, so nobody in the container can follow init.

Whoever made such a directory holds a lock on it (flock(2)) for as long as it lives. A pid says
that within its own namespace only, and workers in several containers may share one volume.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import shutil
import socket
import time
from collections.abc import Callable
from pathlib import Path

from magicrune.backends.rune.container import SHARED_TEXTS
from magicrune.backends.rune.init_binary import init_path
from magicrune.errors import BackendFailed
from magicrune.locations import private_dir, state_dir
from magicrune.owner import sign

SOCKET_NAME = "sock"
_LOOK_S = 0.5


def sweep_sockets() -> tuple[str, ...]:
    """Removes directories whose owner has ended; their names."""
    removed = []
    for place in sorted(private_dir(state_dir() / "sockets").glob("run-*")):
        lock = _locked(place)
        if lock is not None:  # while we hold it nobody takes it for his own
            shutil.rmtree(place, ignore_errors=True)
            os.close(lock)
            removed.append(place.name)
    return tuple(removed)


def _locked(place: Path) -> int | None:
    """A descriptor that holds the lock of a directory; None where another one has it, or where
    it is gone."""
    try:
        descriptor = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if place.exists():  # a sweep may have been faster
            return descriptor
    except BlockingIOError:
        pass
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None


def _made(home: Path) -> tuple[Path, int]:
    """A new directory, ours by its name and by the lock."""
    while True:
        place = home / sign(f"run-{secrets.token_hex(4)}")
        place.mkdir(mode=0o700)
        lock = _locked(place)
        if lock is not None:
            return place, lock


class SocketDir:
    """`path` is what is mounted at container.INIT_DIR."""

    def __init__(self) -> None:
        self._outer, self._lock = _made(private_dir(state_dir() / "sockets"))
        try:
            self.path = self._outer / "shared"
            self.path.mkdir(mode=0o711)
            self.path.chmod(0o711)
            shutil.copyfile(init_path(), self.path / "init")
            (self.path / "init").chmod(0o755)
            for name, text in SHARED_TEXTS.items():
                (self.path / name).write_text(text)
                (self.path / name).chmod(0o644)
            self._listener = self._listen()
        except BaseException:
            self._leave()
            raise

    def _listen(self) -> socket.socket:
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        directory = os.open(self.path, os.O_PATH | os.O_DIRECTORY)
        try:
            # By descriptor: a socket's path may have 107 bytes only (unix(7)).
            name = f"/proc/self/fd/{directory}/{SOCKET_NAME}"
            listener.bind(name)
            os.chmod(name, 0o666)  # noqa: S103, PTH101 - see above
            listener.listen(1)
        except BaseException:
            listener.close()
            raise
        finally:
            os.close(directory)
        return listener

    def accept(self, patience_s: float, is_alive: Callable[[], bool]) -> socket.socket:
        """Init's connection. Raises BackendFailed where none comes, or the container ends."""
        deadline = time.monotonic() + patience_s
        while True:
            self._listener.settimeout(_LOOK_S)
            try:
                connection, _ = self._listener.accept()
                break
            except TimeoutError:
                pass
            if time.monotonic() > deadline or not is_alive():
                raise BackendFailed("did not connect", where="rune-init")
        self._listener.close()
        (self.path / SOCKET_NAME).unlink()
        return connection

    def remove(self) -> None:
        """Closes the listener, if it is open, and removes all of it."""
        with contextlib.suppress(OSError):
            self._listener.close()
        self._leave()

    def _leave(self) -> None:
        shutil.rmtree(self._outer, ignore_errors=True)
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1
