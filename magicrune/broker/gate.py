"""The DNS server of a sandbox: granted names get an address that stands for them.

What is not granted does not exist, and nothing is asked of anybody. Of what is granted only
whether it has addresses is asked upstream; no bytes of the job's message travel on.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Coroutine
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, Any

from magicrune.broker.message import Query, answer, answer_name, read_query, refuse
from magicrune.broker.resolver import LookupFailed, NoSuchName, Resolver
from magicrune.errors import PatternInvalid
from magicrune.hosts import Address, canonical_name
from magicrune.special import is_synthetic

if TYPE_CHECKING:
    from magicrune.broker.account import Account
    from magicrune.broker.judge import Judge
    from magicrune.broker.names import Names

_BURST = 64
"""Datagrams taken at one time."""
_DATAGRAM = 65_536
_WAITING_MAX = 256
"""Questions that wait for an answer from upstream; one more is told SERVFAIL."""
_CLIENTS_MAX = 64
"""TCP connections at one time; for one more the oldest is closed."""
_PATIENCE_S = 10.0
"""For one message by TCP, from its first byte awaited to its answer taken."""
_LOCAL = (IPv4Address("127.0.0.1"), IPv6Address("::1"))

Spawn = Callable[[Coroutine[Any, Any, None]], None]


class Gate:
    """Answers on both sockets until `close`."""

    def __init__(
        self,
        udp: socket.socket,
        tcp: socket.socket,
        *,
        hostname: str,
        judge: Judge,
        names: Names,
        resolver: Resolver,
        account: Account,
        spawn: Spawn,
    ) -> None:
        self._udp = udp
        self._tcp = tcp
        self._hostname = hostname.lower()
        self._judge = judge
        self._names = names
        self._resolver = resolver
        self._account = account
        self._spawn = spawn
        self._waiting = 0
        self._clients: dict[asyncio.StreamWriter, None] = {}
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        """Begins to answer."""
        self._udp.setblocking(False)
        self._tcp.setblocking(False)
        asyncio.get_running_loop().add_reader(self._udp, self._receive)
        self._server = await asyncio.start_server(self._serve, sock=self._tcp, limit=_DATAGRAM)

    def close(self) -> None:
        """Ends all of it; nobody is waited for. Once more does nothing."""
        if self._udp.fileno() < 0:
            return
        asyncio.get_running_loop().remove_reader(self._udp)
        self._udp.close()
        if self._server is not None:
            self._server.close()
        self._tcp.close()
        for writer in tuple(self._clients):
            writer.transport.abort()

    def _receive(self) -> None:
        for _ in range(_BURST):
            try:
                data, sender = self._udp.recvfrom(_DATAGRAM)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:  # an answer that nobody took (ICMP)
                continue
            reply = self._answer_now(data)
            if isinstance(reply, bytes):
                self._send(reply, sender)
            elif reply is not None:
                self._spawn(self._answer_datagram(reply, sender))

    async def _answer_datagram(self, query: Query, sender: Any) -> None:
        self._send(await self._answer_later(query), sender)

    def _send(self, reply: bytes, receiver: Any) -> None:
        with contextlib.suppress(OSError):  # who does not take it asks again
            self._udp.sendto(reply, receiver)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._clients) >= _CLIENTS_MAX:
            next(iter(self._clients)).transport.abort()
        self._clients[writer] = None
        try:
            # One question after the other, each in its time: who drips is cut off.
            while await asyncio.wait_for(self._exchange(reader, writer), _PATIENCE_S):
                pass
        except (OSError, asyncio.IncompleteReadError, TimeoutError, asyncio.CancelledError):
            pass
        finally:
            self._clients.pop(writer, None)
            writer.transport.abort() if writer.transport.get_write_buffer_size() else writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        size = int.from_bytes(await reader.readexactly(2), "big")
        reply = self._answer_now(await reader.readexactly(size))
        if isinstance(reply, Query):
            reply = await self._answer_later(reply)
        if reply is None:
            return False
        writer.write(len(reply).to_bytes(2, "big") + reply)
        await writer.drain()
        return True

    def _answer_now(self, data: bytes) -> Query | bytes | None:
        """The reply; or the question, where upstream has to be asked first."""
        if not self._account.admit_query():
            return None
        query = read_query(data)
        if not isinstance(query, Query):
            return query
        if not query.internet:
            return refuse(query, "REFUSED")
        asked = query.name.lower()
        if asked in ("localhost", self._hostname) or asked.endswith(".localhost"):
            return answer(query, [each for each in _LOCAL if _kind(each) == query.kind])
        backwards = query.reversed
        if backwards is not None:
            return self._answer_reverse(query, backwards)
        return self._answer_name(query)

    def _answer_reverse(self, query: Query, address: Address) -> bytes:
        """Who asks what an address is called wants no destination: no event."""
        name = "localhost" if address.is_loopback else None
        if is_synthetic(address):
            name = self._names.name_of(address)
        if name is None:
            return refuse(query, "NXDOMAIN")
        return answer_name(query, name) if query.kind == "PTR" else answer(query)

    def _answer_name(self, query: Query) -> Query | bytes:
        try:
            name = canonical_name(query.name)
        except PatternInvalid:
            self._refuse(query, query.name, "it is no host name", None)
            return refuse(query, "NXDOMAIN")
        refusal = self._judge.judge_name(name, None)
        if refusal is not None:
            self._refuse(query, name, refusal.reason, refusal.missing)
            return refuse(query, "NXDOMAIN")
        if query.kind not in ("A", "AAAA"):
            return answer(query)
        if self._waiting >= _WAITING_MAX:
            return refuse(query, "SERVFAIL")
        if name not in self._names and not self._account.admit_name():
            return refuse(query, "SERVFAIL")
        self._names.addresses_of(name)
        return query

    def _refuse(self, query: Query, name: str, reason: str, missing: str | None) -> None:
        self._account.tell(
            "refused", op="resolve", host=name, type=query.kind, reason=reason, missing=missing
        )

    async def _answer_later(self, query: Query) -> bytes:
        name = canonical_name(query.name)
        self._waiting += 1
        try:
            found = await self._resolver.lookup(name)
        except NoSuchName:
            return refuse(query, "NXDOMAIN")
        except LookupFailed as error:
            self._account.tell(
                "failed", op="resolve", host=name, type=query.kind, reason=str(error)
            )
            return refuse(query, "SERVFAIL")
        finally:
            self._waiting -= 1
        standing = self._names.addresses_of(name) if found else ()
        return answer(query, [each for each in standing if _kind(each) == query.kind])


def _kind(address: Address) -> str:
    return "A" if isinstance(address, IPv4Address) else "AAAA"
