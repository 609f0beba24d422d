"""Granted names → addresses, asked of the operator's DNS servers; kept for a little while."""

from __future__ import annotations

import asyncio
from ipaddress import IPv4Address, IPv6Address, ip_address

import dns.asyncresolver
import dns.exception
import dns.nameserver
import dns.resolver

from magicrune.hosts import Address, read_resolver

_TTL_S = (1.0, 300.0)
"""Least and most that an answer is kept, whatever its TTL: a run lasts a minute."""
_ABSENT_S = 5.0
_DELAY_S = 0.05
"""For the other family, once one has addresses."""
_ADDRESSES_MAX = 32
"""Of one name; more are left out."""
_AT_ONCE = 16
"""Names asked upstream at one time, each with two sockets."""


class NoSuchName(Exception):
    """The name does not exist."""


class LookupFailed(Exception):
    """No server gave an answer."""


class Resolver:
    """Asks for both families at once. Its cache is as large as a run may ask names."""

    def __init__(self, servers: tuple[str, ...], timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._servers = servers
        self._turn = asyncio.Semaphore(_AT_ONCE)
        self._stub: dns.asyncresolver.Resolver | None = None
        self._kept: dict[str, tuple[float, tuple[Address, ...] | NoSuchName]] = {}
        self._asking: dict[str, asyncio.Task[tuple[Address, ...]]] = {}

    async def lookup(self, name: str) -> tuple[Address, ...]:
        """The addresses of a canonical name, none where it has none.

        Raises NoSuchName, LookupFailed. Whoever asks meanwhile waits for the same answer.
        """
        loop = asyncio.get_running_loop()
        expires, kept = self._kept.get(name, (0.0, ()))
        if loop.time() < expires:
            if isinstance(kept, NoSuchName):
                raise NoSuchName(name)
            return kept
        task = self._asking.get(name)
        if task is None:
            task = self._asking[name] = loop.create_task(self._ask(name))
            task.add_done_callback(lambda done: self._asked(name, done))
        return await asyncio.shield(task)

    def _asked(self, name: str, done: asyncio.Task[tuple[Address, ...]]) -> None:
        self._asking.pop(name, None)
        if not done.cancelled():
            done.exception()  # seen, though whoever asked may be gone

    async def _ask(self, name: str) -> tuple[Address, ...]:
        loop = asyncio.get_running_loop()
        async with self._turn:
            answers = await self._ask_both(name)
        found: list[Address] = []
        lives = [_TTL_S[1]]
        failed: LookupFailed | None = None
        for answer in answers:
            if isinstance(answer, NoSuchName):
                self._kept[name] = (loop.time() + _ABSENT_S, answer)
                raise answer
            if isinstance(answer, LookupFailed):
                failed = answer
            elif isinstance(answer, BaseException):
                raise answer
            else:
                found += answer[0][:_ADDRESSES_MAX]
                lives.append(answer[1])
        if not found and failed is not None:
            raise failed
        addresses = tuple(dict.fromkeys(found))
        life = max(_TTL_S[0], min(lives))
        self._kept[name] = (loop.time() + life, addresses)
        return addresses

    async def _ask_both(self, name: str) -> list[tuple[list[Address], float] | BaseException]:
        """Both families; one that is silent holds up the other a moment only (RFC 8305, 3)."""
        loop = asyncio.get_running_loop()
        asked = [loop.create_task(self._query(name, kind)) for kind in ("A", "AAAA")]
        try:
            done, late = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
            useful = any(task.exception() is None and task.result()[0] for task in done)
            if late:
                await asyncio.wait(late, timeout=_DELAY_S if useful else None)
            ready = [task for task in asked if task.done()]
            return [task.exception() or task.result() for task in ready]
        finally:
            for task in asked:
                task.cancel()
            await asyncio.gather(*asked, return_exceptions=True)

    async def _query(self, name: str, kind: str) -> tuple[list[Address], float]:
        try:
            answer = await self._made().resolve(
                name + ".", kind, search=False, raise_on_no_answer=False, lifetime=self._timeout_s
            )
        except dns.resolver.NXDOMAIN:
            raise NoSuchName(name) from None
        except (dns.exception.DNSException, OSError, ValueError) as error:
            raise LookupFailed(f"{type(error).__name__}: {error}"[:200]) from error
        if answer.rrset is None:
            return [], _ABSENT_S
        found = [ip_address(record.to_text()) for record in answer.rrset]
        return [each for each in found if isinstance(each, IPv4Address | IPv6Address)], float(
            answer.rrset.ttl
        )

    def _made(self) -> dns.asyncresolver.Resolver:
        if self._stub is None:
            stub = dns.asyncresolver.Resolver(configure=not self._servers)
            if self._servers:
                stub.nameservers = [
                    dns.nameserver.Do53Nameserver(str(address), port)
                    for address, port in map(read_resolver, self._servers)
                ]
            stub.timeout = min(stub.timeout, self._timeout_s / 2)
            self._stub = stub
        return self._stub
