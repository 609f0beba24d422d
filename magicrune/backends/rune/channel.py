"""A stream socket to init: whole frames in, queued bytes out, neither waiting for the other."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import time
from collections import deque

from magicrune.backends.rune.frames import Decoder, Frame

_CHUNK = 1 << 18


class DeadlinePassed(Exception):
    """Init said nothing (more) until the deadline."""


class Channel:
    """One connection to one init. Closing it ends whatever runs in the sandbox."""

    def __init__(self, connection: socket.socket, *, descriptors: int = 0) -> None:
        """`descriptors`: how many init is to hand over. Of more, and of any that are not
        waited for, the kernel lets none in."""
        connection.setblocking(False)
        self._socket = connection
        self._awaited = descriptors
        self._descriptors: list[int] = []
        self._unsent: deque[memoryview] = deque()
        self._frames: deque[Frame] = deque()
        self._decoder = Decoder()
        self._ended = False

    def queue(self, data: bytes) -> None:
        """Puts bytes in line; they are sent while frames are waited for."""
        if data:
            self._unsent.append(memoryview(data))

    def next(self, deadline: float) -> Frame | None:
        """The next frame; None when the other side is gone.

        `deadline` is of time.monotonic(). Raises DeadlinePassed, or FrameInvalid for what
        init never sends. While bytes are unsent they are sent, whatever comes in.
        """
        while not self._frames and not self._ended:
            left = deadline - time.monotonic()
            if left <= 0:
                raise DeadlinePassed
            self._exchange(left)
        return self._frames.popleft() if self._frames else None

    def cut(self) -> None:
        """As if the other side were gone, for another thread to call: init sees the end of the
        stream and kills everything, and whoever waits in `next` is woken."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def take_descriptors(self) -> tuple[int, ...]:
        """Those that init has handed over so far: the caller's to close from now on."""
        taken, self._descriptors = tuple(self._descriptors), []
        return taken

    def close(self) -> None:
        """Lets go of init, which kills everything when it sees that."""
        self._socket.close()
        for descriptor in self.take_descriptors():
            os.close(descriptor)

    def _exchange(self, patience_s: float) -> None:
        poll = select.poll()
        poll.register(self._socket, select.POLLIN | (select.POLLOUT if self._unsent else 0))
        for _, happened in poll.poll(patience_s * 1000):
            if happened & select.POLLOUT:
                self._send()
            if happened & ~select.POLLOUT:
                self._receive()

    def _send(self) -> None:
        try:
            sent = self._socket.send(self._unsent[0])
        except BlockingIOError:
            return
        except OSError:
            # Gone; what it said before that is still to be read.
            self._unsent.clear()
            return
        rest = self._unsent.popleft()[sent:]
        if rest:
            self._unsent.appendleft(rest)

    def _receive(self) -> None:
        try:
            data = self._read()
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._ended = True
            return
        self._frames.extend(self._decoder.feed(data))

    def _read(self) -> bytes:
        if not self._awaited:
            return self._socket.recv(_CHUNK)
        data, found, _, _ = socket.recv_fds(self._socket, _CHUNK, self._awaited)
        self._awaited -= len(found)
        self._descriptors.extend(found)
        return data
