"""The stream to init: packets and the sockets that come with them in, verdicts out."""

from __future__ import annotations

import asyncio
import os
import socket
from collections import deque
from collections.abc import Callable, Sequence

from magicrune.broker.wire import (
    MAX_PACKET,
    Dropped,
    PacketInvalid,
    Socket,
    Wish,
    read_packet,
)

_BURST = 64
_UNSENT_MAX = 1024
"""Verdicts that init has not taken; meanwhile no further wish is read."""
_DESCRIPTORS = 8
"""Room for more than init ever sends with a packet: what is too many is closed, not lost."""

Take = Callable[[Wish | Socket | Dropped, socket.socket | None], None]


class Line:
    """Gives packets to `take` until its other side is gone or `leave`.

    `take` gets a socket with a `Socket` packet, or None where no descriptor was free for it.
    Within the loop PacketInvalid is raised for what init never sends.
    """

    def __init__(self, stream: socket.socket, take: Take) -> None:
        self._stream = stream
        self._take = take
        self._loop = asyncio.get_running_loop()
        self._unsent: deque[bytes] = deque()
        self._reading = False
        self.gone = False
        """Nothing is read or sent any more."""
        stream.setblocking(False)
        self._read_more()

    def put(self, packet: bytes) -> None:
        """Sends it, as soon as init takes it."""
        if self.gone:
            return
        self._unsent.append(packet)
        self._flush()
        if self._unsent:
            self._loop.add_writer(self._stream, self._flush)
        if len(self._unsent) >= _UNSENT_MAX:
            self._read_no_more()

    def leave(self) -> None:
        """Reads and sends no more."""
        if not self.gone:
            self._read_no_more()
            self._loop.remove_writer(self._stream)
            self._unsent.clear()
            self.gone = True

    def close(self) -> None:
        """Leaves, and lets go of the stream."""
        self.leave()
        self._stream.close()

    def _read_more(self) -> None:
        if not self.gone and not self._reading and len(self._unsent) < _UNSENT_MAX:
            self._reading = True
            self._loop.add_reader(self._stream, self._receive)

    def _read_no_more(self) -> None:
        if self._reading:
            self._reading = False
            self._loop.remove_reader(self._stream)

    def _receive(self) -> None:
        for _ in range(_BURST):
            if not self._reading:
                return
            try:
                data, descriptors, flags = _receive_packet(self._stream)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                data, descriptors, flags = b"", [], 0
            if not data:
                _close_all(descriptors)
                self.leave()
                return
            self._take(*_read(data, descriptors, flags))

    def _flush(self) -> None:
        while self._unsent:
            try:
                self._stream.send(self._unsent[0])
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                self.leave()
                return
            self._unsent.popleft()
        self._loop.remove_writer(self._stream)
        self._read_more()


def _read(
    data: bytes, descriptors: list[int], flags: int
) -> tuple[Wish | Socket | Dropped, socket.socket | None]:
    """The packet and its socket. Whatever else came along is closed."""
    try:
        packet = read_packet(data)
        if isinstance(packet, Socket):
            taken, descriptors = descriptors, []
            return packet, _sandbox_end(taken, flags)
        if descriptors or flags & (socket.MSG_CTRUNC | socket.MSG_TRUNC):
            raise PacketInvalid("it has descriptors, or an end that is missing")
        return packet, None
    finally:
        _close_all(descriptors)


def _receive_packet(stream: socket.socket) -> tuple[bytes, list[int], int]:
    data, extra, flags, _ = stream.recvmsg(
        MAX_PACKET, socket.CMSG_SPACE(4 * _DESCRIPTORS), socket.MSG_CMSG_CLOEXEC
    )
    descriptors: list[int] = []
    for level, kind, content in extra:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            usable = len(content) - len(content) % 4
            descriptors += memoryview(content[:usable]).cast("i").tolist()
    return data, descriptors, flags


def _sandbox_end(descriptors: list[int], flags: int) -> socket.socket | None:
    """The socket that came along; None where the kernel had no free descriptor for it.
    Whatever else came is closed. Raises PacketInvalid."""
    if not descriptors and flags & socket.MSG_CTRUNC:
        return None
    if len(descriptors) != 1:
        _close_all(descriptors)
        raise PacketInvalid(f"{len(descriptors)} descriptors, wanted one")
    try:
        end = socket.socket(fileno=descriptors[0])
    except OSError as error:
        _close_all(descriptors)
        raise PacketInvalid("a descriptor that is no socket") from error
    if end.family not in (socket.AF_INET, socket.AF_INET6) or end.type != socket.SOCK_STREAM:
        end.close()
        raise PacketInvalid(f"a socket of {end.family!r}, {end.type!r}")
    return end


def _close_all(descriptors: Sequence[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)
