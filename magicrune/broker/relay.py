"""Bytes both ways between two TCP connections: back pressure, half-close, resets.

Measured on loopback (tests/benchmarks/broker.py): recv and send through one buffer of
1 MiB carry more than splice(2) through a pipe of any size, so that is all there is.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable

_WHOLE = 1 << 20
_SMALL = 1 << 16
_HELD_MAX = 64 << 20
_NOTHING = memoryview(b"")
_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER of a socket whose close() sends RST."""


class Buffer:
    """What one loop reads into, and how much its flows hold back for slow receivers."""

    def __init__(self) -> None:
        self._view = memoryview(bytearray(_WHOLE))
        self.held = 0

    def room(self) -> memoryview:
        """Small once much is held back, so that hundreds of slow receivers cost megabytes."""
        return self._view if self.held < _HELD_MAX else self._view[:_SMALL]


Admit = Callable[[int], int]
Count = Callable[[int], None]


class _Way:
    """One direction. Reads only while nothing waits to be sent."""

    def __init__(self, source: socket.socket, sink: socket.socket, admit: Admit, count: Count):
        self.source = source
        self.sink = sink
        self.admit = admit
        self.count = count
        self.pending = _NOTHING
        self.ended = False
        """All that will come has come, and has gone on."""
        self.refused = False
        """The other side takes nothing any more."""


class Flow:
    """A connection of the job (`inner`) carried on to `outer`. Owns both sockets.

    `on_end` is called once with ``closed``, ``reset`` or ``cut``, when both are closed.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        inner: socket.socket,
        outer: socket.socket,
        *,
        buffer: Buffer,
        admit: tuple[Admit, Admit],
        count: tuple[Count, Count],
        on_end: Callable[[str], None],
    ) -> None:
        self._loop = loop
        self._buffer = buffer
        self._on_end = on_end
        self._out = _Way(inner, outer, admit[0], count[0])
        self._in = _Way(outer, inner, admit[1], count[1])
        self._over = False
        self._draining = False
        for end in (inner, outer):
            end.setblocking(False)
            with contextlib.suppress(OSError):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for way in (self._out, self._in):
            loop.add_reader(way.source, self._read, way)

    def drain(self) -> None:
        """The job is gone: only what it sent still matters."""
        if self._over:
            return
        self._draining = True
        if not self._in.ended:
            self._loop.remove_reader(self._in.source)
        self._loop.remove_writer(self._in.sink)
        if self._out.ended:
            self._finish("closed")

    def abort(self, outcome: str = "cut") -> None:
        """Both ends are reset, now."""
        for end in (self._out.source, self._out.sink):
            with contextlib.suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self._finish(outcome)

    def _read(self, way: _Way) -> None:
        room = self._buffer.room()
        try:
            size = way.source.recv_into(room)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self.abort("reset")
            return
        if size == 0:
            self._loop.remove_reader(way.source)
            self._end(way)
            return
        allowed = way.admit(size)
        if not self._over:
            self._send(way, room[:allowed], fresh=True)

    def _send(self, way: _Way, data: memoryview, *, fresh: bool) -> None:
        try:
            while data:
                sent = way.sink.send(data)
                way.count(sent)
                data = data[sent:]
        except (BlockingIOError, InterruptedError):
            if fresh:
                # The buffer is everybody's: what is left moves to one of its own.
                data = memoryview(bytes(data))
                self._loop.remove_reader(way.source)
                self._loop.add_writer(way.sink, self._resume, way)
            self._hold(way, data)
            return
        except OSError:
            self._refuse(way, reading=fresh)
            return
        if not fresh:
            self._hold(way, _NOTHING)
            self._loop.remove_writer(way.sink)
            self._loop.add_reader(way.source, self._read, way)

    def _resume(self, way: _Way) -> None:
        self._send(way, way.pending, fresh=False)

    def _refuse(self, way: _Way, *, reading: bool) -> None:
        """The sink is gone. What it had said before is still carried to the source."""
        if reading:
            self._loop.remove_reader(way.source)
        else:
            self._loop.remove_writer(way.sink)
        self._hold(way, _NOTHING)
        way.refused = way.ended = True
        if self._draining or self._other(way).ended:
            self.abort("reset")

    def _end(self, way: _Way) -> None:
        way.ended = True
        other = self._other(way)
        if other.refused:
            self.abort("reset")
            return
        if not way.refused:
            with contextlib.suppress(OSError):
                way.sink.shutdown(socket.SHUT_WR)
        if other.ended or (self._draining and way is self._out):
            self._finish("closed")

    def _hold(self, way: _Way, data: memoryview) -> None:
        self._buffer.held += len(data) - len(way.pending)
        way.pending = data

    def _other(self, way: _Way) -> _Way:
        return self._in if way is self._out else self._out

    def _finish(self, outcome: str) -> None:
        if self._over:
            return
        self._over = True
        for way in (self._out, self._in):
            self._hold(way, _NOTHING)
        for end in (self._out.source, self._out.sink):
            self._loop.remove_reader(end)
            self._loop.remove_writer(end)
            end.close()
        self._on_end(outcome)
