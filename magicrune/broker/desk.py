"""The wishes of one job: judged, dialled, answered; each granted one becomes a flow."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Any

from magicrune.broker.dial import dial
from magicrune.broker.relay import Buffer, Flow
from magicrune.broker.resolver import LookupFailed, NoSuchName, Resolver
from magicrune.broker.wire import (
    MAX_PACKET,
    OWN_LOOPBACK,
    Dropped,
    PacketInvalid,
    Socket,
    Wish,
    read_packet,
    write_kill,
    write_verdict,
)
from magicrune.special import canonical_address, is_synthetic

if TYPE_CHECKING:
    from magicrune.broker.account import Account, Connection
    from magicrune.broker.judge import Judge
    from magicrune.broker.names import Names
    from magicrune.hosts import Address

_BURST = 64
_UNSENT_MAX = 1024
"""Verdicts that init has not taken; meanwhile no further wish is read."""
_DESCRIPTORS = 8
"""Room for more than init ever sends with a packet: what is too many is closed, not lost."""


class Desk:
    """Serves one stream until its other side is gone or `close`."""

    def __init__(
        self,
        stream: socket.socket,
        *,
        judge: Judge,
        names: Names,
        resolver: Resolver,
        account: Account,
        dial_s: float,
        room: int,
        spawn: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        self._stream = stream
        self._judge = judge
        self._names = names
        self._resolver = resolver
        self._account = account
        self._dial_s = dial_s
        self._room = room
        self._spawn = spawn
        self._loop = asyncio.get_running_loop()
        self._buffer = Buffer()
        self._unsent: deque[bytes] = deque()
        self._seen: set[int] = set()
        self._dialled: dict[int, tuple[socket.socket, Connection]] = {}
        self._flows: set[Flow] = set()
        self._reading = False
        self._gone = False
        self.idle = asyncio.Event()
        """Set while there is no flow."""
        self.idle.set()
        stream.setblocking(False)
        self._read_more()

    def drain(self) -> None:
        """The job is gone: takes no wish any more, carries on only what it had sent."""
        self._leave()
        for _, (upstream, connection) in tuple(self._dialled.items()):
            upstream.close()
            self._account.end(connection, "dropped")
        self._dialled.clear()
        for flow in tuple(self._flows):
            flow.drain()

    def close(self) -> None:
        """Resets whatever is still open."""
        self.drain()
        for flow in tuple(self._flows):
            flow.abort()
        self._stream.close()

    def kill(self) -> None:
        """A limit was passed: the job is to be ended, and nothing goes on meanwhile."""
        self._put(write_kill())
        for flow in tuple(self._flows):
            flow.abort()

    def _read_more(self) -> None:
        if not self._gone and not self._reading and len(self._unsent) < _UNSENT_MAX:
            self._reading = True
            self._loop.add_reader(self._stream, self._receive)

    def _read_no_more(self) -> None:
        if self._reading:
            self._reading = False
            self._loop.remove_reader(self._stream)

    def _leave(self) -> None:
        if not self._gone:
            self._read_no_more()
            self._loop.remove_writer(self._stream)
            self._unsent.clear()
            self._gone = True

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
                self._leave()
                return
            self._take(data, descriptors, flags)

    def _take(self, data: bytes, descriptors: list[int], flags: int) -> None:
        try:
            packet = read_packet(data)
            if isinstance(packet, Socket):
                end = _sandbox_end(descriptors, flags)
                descriptors = []
                self._connect(packet.number, end)
                return
            if descriptors or flags & (socket.MSG_CTRUNC | socket.MSG_TRUNC):
                raise PacketInvalid("it has descriptors, or an end that is missing")
        finally:
            _close_all(descriptors)
        if isinstance(packet, Dropped):
            self._drop(packet.number)
            return
        if packet.number in self._seen:
            raise PacketInvalid(f"wish {packet.number} came before")
        self._seen.add(packet.number)
        self._wish(packet)

    def _wish(self, wish: Wish) -> None:
        address = canonical_address(wish.address)
        if self._judge.is_host_loopback(address, wish.port):
            self._begin(wish, None, (address,))
        elif wish.loopback:
            self._settle(wish, OWN_LOOPBACK)
        elif is_synthetic(address):
            self._wish_name(wish, address)
        else:
            refusal = self._judge.judge_address(address, wish.port, named=False)
            if refusal is None:
                self._begin(wish, None, (address,))
            else:
                self._refuse(wish, None, address, refusal.reason, refusal.missing)

    def _wish_name(self, wish: Wish, address: Address) -> None:
        name = self._names.name_of(address)
        if name is None:
            self._refuse(wish, None, address, "it stands for a name that was not asked for", None)
            return
        refusal = self._judge.judge_name(name, wish.port)
        if refusal is not None:
            self._refuse(wish, name, None, refusal.reason, refusal.missing)
        else:
            self._begin(wish, name, ())

    def _begin(self, wish: Wish, name: str | None, addresses: Sequence[Address]) -> None:
        shown = str(addresses[0]) if addresses else ""
        connection = self._account.begin(name, shown, wish.port, self._room)
        if connection is None:
            self._settle(wish, errno.ECONNREFUSED)
        else:
            self._spawn(self._dial(wish, connection, addresses))

    async def _dial(self, wish: Wish, connection: Connection, addresses: Sequence[Address]) -> None:
        """Resolving, checking and dialling are one step: what was checked is what is dialled."""
        try:
            if connection.name is not None:
                addresses = await self._resolve(wish, connection.name)
                if not addresses:
                    self._account.forget(connection)
                    self._settle(wish, errno.ECONNREFUSED)
                    return
                connection.address = str(addresses[0])
            upstream, address = await dial(addresses, wish.port, self._dial_s)
        except (NoSuchName, LookupFailed) as error:
            self._fail(wish, connection, errno.EHOSTUNREACH, f"name not resolved: {error}")
        except OSError as error:
            code = error.errno or errno.ETIMEDOUT
            self._fail(wish, connection, code, errno.errorcode.get(code, str(code)))
        else:
            connection.address = str(address)
            if self._gone or self._account.limit is not None:
                upstream.close()
                self._account.end(connection, "dropped")
                return
            self._dialled[wish.number] = (upstream, connection)
            self._settle(wish, 0)

    async def _resolve(self, wish: Wish, name: str) -> list[Address]:
        """The addresses of a name that may be dialled, of the family asked for first. Tells
        the refusal where there are addresses, and none of them may."""
        found = await self._resolver.lookup(name)
        judged = [(each, self._judge.judge_address(each, wish.port, named=True)) for each in found]
        allowed = [address for address, refusal in judged if refusal is None]
        if not allowed:
            for address, refusal in judged:
                if refusal is not None:
                    self._refusal(wish, name, address, refusal.reason, refusal.missing)
            if not judged:
                raise NoSuchName(f"{name} has no address")
        return _interleaved(allowed, isinstance(wish.address, IPv4Address))

    def _fail(self, wish: Wish, connection: Connection, code: int, reason: str) -> None:
        self._account.fail(
            op="connect",
            host=connection.name,
            address=connection.address or None,
            port=wish.port,
            type="stream",
            reason=reason,
        )
        self._account.end(connection, "failed")
        self._settle(wish, code)

    def _refuse(
        self,
        wish: Wish,
        name: str | None,
        address: Address | None,
        reason: str,
        missing: str | None,
    ) -> None:
        self._refusal(wish, name, address, reason, missing)
        self._settle(wish, errno.ECONNREFUSED)

    def _refusal(
        self,
        wish: Wish,
        name: str | None,
        address: Address | None,
        reason: str,
        missing: str | None,
    ) -> None:
        self._account.refuse(
            op="connect",
            host=name,
            address=None if address is None else str(address),
            port=wish.port,
            type="stream",
            reason=reason,
            missing=missing,
        )

    def _connect(self, number: int, inner: socket.socket | None) -> None:
        if number not in self._dialled:
            if inner is not None:
                inner.close()
            if number not in self._seen:
                raise PacketInvalid(f"socket of wish {number}, which was not granted")
            return  # cut off meanwhile
        upstream, connection = self._dialled.pop(number)
        if inner is None:  # no descriptor was free: the job sees its connection closed
            upstream.close()
            self._account.end(connection, "dropped")
            return

        def end(outcome: str) -> None:
            self._flows.discard(flow)
            self._account.end(connection, outcome)
            if not self._flows:
                self.idle.set()

        account = self._account
        flow = Flow(
            self._loop,
            inner,
            upstream,
            buffer=self._buffer,
            admit=(account.admit_sent, account.admit_received),
            count=(
                lambda size: account.add_sent(connection, size),
                lambda size: account.add_received(connection, size),
            ),
            on_end=end,
        )
        self._flows.add(flow)
        self.idle.clear()

    def _drop(self, number: int) -> None:
        if number not in self._seen:
            raise PacketInvalid(f"drops wish {number}, which it never had")
        dialled = self._dialled.pop(number, None)
        if dialled is not None:
            dialled[0].close()
            self._account.end(dialled[1], "dropped")

    def _settle(self, wish: Wish, code: int) -> None:
        self._put(write_verdict(wish.number, code))

    def _put(self, packet: bytes) -> None:
        if self._gone:
            return
        self._unsent.append(packet)
        self._flush()
        if self._unsent:
            self._loop.add_writer(self._stream, self._flush)
        if len(self._unsent) >= _UNSENT_MAX:
            self._read_no_more()

    def _flush(self) -> None:
        while self._unsent:
            try:
                self._stream.send(self._unsent[0])
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                self._leave()
                return
            self._unsent.popleft()
        self._loop.remove_writer(self._stream)
        self._read_more()


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


def _interleaved(addresses: Sequence[Address], four_first: bool) -> list[Address]:
    """One of each family after the other (RFC 8305, 4)."""
    four = [each for each in addresses if isinstance(each, IPv4Address)]
    six = [each for each in addresses if not isinstance(each, IPv4Address)]
    first, second = (four, six) if four_first else (six, four)
    mixed = [each for pair in zip(first, second, strict=False) for each in pair]
    rest = min(len(first), len(second))
    return [*mixed, *first[rest:], *second[rest:]]
