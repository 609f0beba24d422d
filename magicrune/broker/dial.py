"""Connecting to addresses that were checked, and to nothing else."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Sequence
from ipaddress import IPv4Address

from magicrune.hosts import Address

STAGGER_S = 0.25
"""Until the next address is tried beside one that does not answer (RFC 8305, 5)."""
ATTEMPTS = 6
"""Addresses of one name that are tried."""


async def dial(
    addresses: Sequence[Address], port: int, timeout_s: float
) -> tuple[socket.socket, Address]:
    """A connection to the first address that answers, each tried a little after the one
    before it. Raises OSError: what the first of them said, ETIMEDOUT where none did."""
    if len(addresses) == 1:
        try:
            async with asyncio.timeout(timeout_s):
                return await _connect(addresses[0], port), addresses[0]
        except TimeoutError:
            raise TimeoutError(errno.ETIMEDOUT, "it did not answer") from None
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout_s
    waiting = list(addresses[:ATTEMPTS])
    attempts: dict[asyncio.Task[socket.socket], Address] = {}
    failures: list[OSError] = []
    try:
        while waiting or attempts:
            if waiting:
                address = waiting.pop(0)
                attempts[loop.create_task(_connect(address, port))] = address
            patience = min(STAGGER_S if waiting else timeout_s, deadline - loop.time())
            if patience <= 0:
                break
            done, _ = await asyncio.wait(
                attempts, timeout=patience, return_when=asyncio.FIRST_COMPLETED
            )
            for task in done:
                failure = task.exception()
                if failure is None:
                    return task.result(), attempts.pop(task)
                del attempts[task]
                if not isinstance(failure, OSError):
                    raise failure
                failures.append(failure)
    finally:
        await _abandon(attempts)
    if failures:
        raise failures[0]
    raise TimeoutError(errno.ETIMEDOUT, "no address answered")


async def _abandon(attempts: dict[asyncio.Task[socket.socket], Address]) -> None:
    for task in attempts:
        task.cancel()
    for outcome in await asyncio.gather(*attempts, return_exceptions=True):
        if isinstance(outcome, socket.socket):
            outcome.close()


async def _connect(address: Address, port: int) -> socket.socket:
    family = socket.AF_INET if isinstance(address, IPv4Address) else socket.AF_INET6
    connection = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().sock_connect(connection, (str(address), port))
    except BaseException:
        connection.close()
        raise
    return connection
