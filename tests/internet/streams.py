"""TCP and UDP services that count what reaches them. One loop, in the servers' namespace."""

from __future__ import annotations

import asyncio
import hashlib
import socket
import threading
from collections import Counter
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Protocol, cast

ECHO, SINK, SOURCE, DRIP, CLOSE = 7, 9, 19, 1900, 1901
"""Ports: what comes goes back; it is counted; `N` and a newline brings N bytes; a byte each
100 ms for ever; the connection is reset at once."""
OPEN_PORTS = (81, 8079, 8080, 8085, 8090, 8091)
"""Ports at which a banner is all there is."""
_BLOCK = bytes(range(256)) * 4096


class Closable(Protocol):
    def close(self) -> None: ...


@dataclass
class Tally:
    """What reached the services; keys are (address, port)."""

    accepted: Counter[tuple[str, int]] = field(default_factory=Counter)
    received: Counter[tuple[str, int]] = field(default_factory=Counter)
    open_now: Counter[tuple[str, int]] = field(default_factory=Counter)
    datagrams: Counter[tuple[str, int]] = field(default_factory=Counter)
    peak: Counter[tuple[str, int]] = field(default_factory=Counter)
    payloads: list[bytes] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def clear(self) -> None:
        with self.lock:
            for each in (self.accepted, self.received, self.datagrams, self.peak):
                each.clear()
            self.payloads.clear()


def source_digest(count: int) -> str:
    """SHA-256 of the `count` bytes that SOURCE sends."""
    found = hashlib.sha256()
    while count > 0:
        found.update(_BLOCK[:count])
        count -= len(_BLOCK)
    return found.hexdigest()


class Streams:
    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self.made: list[Closable] = []

    async def serve(self) -> None:
        """Every port, on every address of this namespace, both families."""
        acts = {ECHO: _echo, SINK: _sink, SOURCE: _source, DRIP: _drip, CLOSE: _reset}
        acts |= dict.fromkeys(OPEN_PORTS, _banner)
        for port, act in acts.items():
            await self.listen(port, act)
        loop = asyncio.get_running_loop()
        listener = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        listener.bind(("::", ECHO))
        made = await loop.create_datagram_endpoint(lambda: _UdpEcho(self._tally), sock=listener)
        self.made.append(made[0])

    async def listen(self, port: int, act: object, host: str = "::") -> int:
        """Starts a service; returns its port."""
        listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        server = await asyncio.start_server(self._counted(act), sock=listener, backlog=4096)
        self.made.append(server)
        return int(server.sockets[0].getsockname()[1])

    def _counted(self, act):  # type: ignore[no-untyped-def]
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            key = _key(writer.get_extra_info("sockname"))
            with self._tally.lock:
                self._tally.accepted[key] += 1
                self._tally.open_now[key] += 1
                self._tally.peak[key] = max(self._tally.peak[key], self._tally.open_now[key])
            try:
                await act(reader, writer, lambda data: self._count(key, data))
            except (ConnectionError, asyncio.IncompleteReadError, TimeoutError):
                pass
            finally:
                with self._tally.lock:
                    self._tally.open_now[key] -= 1
                writer.close()

        return serve

    def _count(self, key: tuple[str, int], data: bytes) -> None:
        with self._tally.lock:
            self._tally.received[key] += len(data)
            if len(self._tally.payloads) < 10_000:
                self._tally.payloads.append(data[:200])


def _key(sockname: tuple[str, int]) -> tuple[str, int]:
    found = ip_address(sockname[0].partition("%")[0])
    return str(getattr(found, "ipv4_mapped", None) or found), sockname[1]


async def _echo(reader, writer, count) -> None:  # type: ignore[no-untyped-def]
    while data := await reader.read(1 << 18):
        count(data)
        writer.write(data)
        await writer.drain()
    writer.write_eof()


async def _sink(reader, writer, count) -> None:  # type: ignore[no-untyped-def]
    digest, size = hashlib.sha256(), 0
    while data := await reader.read(1 << 20):
        count(data)
        digest.update(data)
        size += len(data)
    writer.write(f"{size} {digest.hexdigest()}\n".encode())
    await writer.drain()


async def _source(reader, writer, count) -> None:  # type: ignore[no-untyped-def]
    line = await reader.readline()
    count(line)
    left = int(line)
    while left > 0:
        writer.write(_BLOCK[:left])
        left -= len(_BLOCK)
        await writer.drain()


async def _drip(reader, writer, count) -> None:  # type: ignore[no-untyped-def]
    while True:
        writer.write(b".")
        await writer.drain()
        await asyncio.sleep(0.1)


async def _reset(reader, writer, count) -> None:  # type: ignore[no-untyped-def]
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    writer.transport.abort()


async def _banner(reader, writer, count) -> None:  # type: ignore[no-untyped-def]
    writer.write(b"here\n")
    await writer.drain()
    while data := await reader.read(65536):
        count(data)


banner = _banner


class _UdpEcho(asyncio.DatagramProtocol):
    def __init__(self, tally: Tally) -> None:
        self._tally = tally

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        with self._tally.lock:
            self._tally.datagrams["", ECHO] += 1
        self._transport.sendto(data, addr)
