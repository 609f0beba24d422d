"""The wishes of one job: judged, dialled, answered; each granted one becomes a flow."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable, Coroutine, Sequence
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Any

from magicrune.broker.dial import dial
from magicrune.broker.line import Line
from magicrune.broker.own import EXHAUSTED
from magicrune.broker.relay import Buffer, Flow
from magicrune.broker.resolver import LookupFailed, NoSuchName, Resolver
from magicrune.broker.wire import (
    OWN_LOOPBACK,
    Dropped,
    PacketInvalid,
    Socket,
    Wish,
    write_dialling,
    write_kill,
    write_verdict,
)
from magicrune.special import canonical_address, is_synthetic

if TYPE_CHECKING:
    from magicrune.broker.account import Account, Connection, Outcome
    from magicrune.broker.judge import Judge
    from magicrune.broker.names import Names
    from magicrune.hosts import Address

_AT_ONCE_S = 0.02
"""What is known by then is told as it is, to a connect() that does not wait as well: later, it
can only be told of success or of a reset. A destination nearby has answered by then."""


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
        self._judge = judge
        self._names = names
        self._resolver = resolver
        self._account = account
        self._dial_s = dial_s
        self._room = room
        self._spawn = spawn
        self._loop = asyncio.get_running_loop()
        self._buffer = Buffer()
        self._waiting: set[int] = set()
        self._dialled: dict[int, tuple[socket.socket, Connection]] = {}
        self._flows: set[Flow] = set()
        self.idle = asyncio.Event()
        """Set while there is no flow."""
        self.idle.set()
        self._line = Line(stream, self._take)

    def drain(self) -> None:
        """The job is gone: takes no wish any more, carries on only what it had sent."""
        self._line.leave()
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
        self._line.close()

    def kill(self) -> None:
        """A limit was passed: the job is to be ended, and nothing goes on meanwhile."""
        self._line.put(write_kill())
        for flow in tuple(self._flows):
            flow.abort()

    def _take(self, packet: Wish | Socket | Dropped, end: socket.socket | None) -> None:
        if isinstance(packet, Socket):
            self._connect(packet.number, end)
        elif isinstance(packet, Dropped):
            self._drop(packet.number)
        elif packet.number in self._waiting or packet.number in self._dialled:
            raise PacketInvalid(f"wish {packet.number} came before")
        else:
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
            self._wish_address(wish, address)

    def _wish_address(self, wish: Wish, address: Address) -> None:
        try:
            refusal = self._judge.judge_address(address, wish.port, named=False)
        except OSError as error:  # nothing can be tried: no descriptor
            reason = errno.errorcode.get(error.errno or 0, str(error))
            self._tell(wish, "failed", None, address, reason)
            self._settle(wish, errno.ECONNREFUSED)
            return
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
            self._waiting.add(wish.number)
            self._spawn(self._dial(wish, connection, addresses))

    async def _dial(self, wish: Wish, connection: Connection, addresses: Sequence[Address]) -> None:
        """Resolving, checking and dialling are one step: what was checked is what is dialled."""
        waiting = None
        try:
            if connection.name is not None:
                addresses = await self._resolve(wish, connection.name)
                if not addresses:
                    self._account.forget(connection)
                    self._settle(wish, errno.ECONNREFUSED)
                    return
                connection.address = str(addresses[0])
            if wish.non_blocking:
                packet = write_dialling(wish.number)
                waiting = self._loop.call_later(_AT_ONCE_S, self._line.put, packet)
            upstream, address = await dial(addresses, wish.port, self._dial_s)
        except (NoSuchName, LookupFailed) as error:
            self._fail(wish, connection, errno.EHOSTUNREACH, f"name not resolved: {error}")
        except OSError as error:
            code = error.errno or errno.ETIMEDOUT
            reason = errno.errorcode.get(code, str(code))
            # Ours, not the destination's: the job has descriptors, the executor none.
            told = errno.ECONNREFUSED if code in EXHAUSTED else code
            self._fail(wish, connection, told, reason)
        else:
            connection.address = str(address)
            dropped = wish.number not in self._waiting
            if dropped or self._line.gone or self._account.limit is not None:
                upstream.close()
                self._account.end(connection, "dropped")
                return
            self._dialled[wish.number] = (upstream, connection)
            self._settle(wish, 0)
        finally:
            if waiting is not None:
                waiting.cancel()

    async def _resolve(self, wish: Wish, name: str) -> list[Address]:
        """The addresses of a name that may be dialled, of the family asked for first. Tells
        the refusal where there are addresses, and none of them may."""
        found = await self._resolver.lookup(name)
        judged = [(each, self._judge.judge_address(each, wish.port, named=True)) for each in found]
        allowed = [address for address, refusal in judged if refusal is None]
        if not allowed:
            for address, refusal in judged:
                if refusal is not None:
                    self._tell(wish, "refused", name, address, refusal.reason, refusal.missing)
            if not judged:
                raise NoSuchName(f"{name} has no address")
        return _interleaved(allowed, isinstance(wish.address, IPv4Address))

    def _fail(self, wish: Wish, connection: Connection, code: int, reason: str) -> None:
        self._tell(wish, "failed", connection.name, connection.address or None, reason)
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
        self._tell(wish, "refused", name, address, reason, missing)
        self._settle(wish, errno.ECONNREFUSED)

    def _tell(
        self,
        wish: Wish,
        outcome: Outcome,
        name: str | None,
        address: Address | str | None,
        reason: str,
        missing: str | None = None,
    ) -> None:
        self._account.tell(
            outcome,
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
            raise PacketInvalid(f"socket of wish {number}, which was not granted")
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
        if number in self._waiting:  # while it is dialled: the job has spoilt its own socket
            self._waiting.remove(number)
            return
        if number not in self._dialled:
            raise PacketInvalid(f"drops wish {number}, which was not granted")
        upstream, connection = self._dialled.pop(number)
        upstream.close()
        self._account.end(connection, "dropped")

    def _settle(self, wish: Wish, code: int) -> None:
        self._waiting.discard(wish.number)
        self._line.put(write_verdict(wish.number, code))


def _interleaved(addresses: Sequence[Address], four_first: bool) -> list[Address]:
    """One of each family after the other (RFC 8305, 4)."""
    four = [each for each in addresses if isinstance(each, IPv4Address)]
    six = [each for each in addresses if not isinstance(each, IPv4Address)]
    first, second = (four, six) if four_first else (six, four)
    mixed = [each for pair in zip(first, second, strict=False) for each in pair]
    rest = min(len(first), len(second))
    return [*mixed, *first[rest:], *second[rest:]]
