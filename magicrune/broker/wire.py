"""The packets that init and the broker exchange (images/rune-init/PROTOCOL.md). Pure."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from magicrune.hosts import Address

MAX_PACKET = 64
"""More than the longest."""
OWN_LOOPBACK = -1
"""Verdict: the kernel does it, since the job means itself."""

_WISH = struct.Struct("<BBBBIIH16s")
_NUMBERED = struct.Struct("<B3xI")
_VERDICT = struct.Struct("<B3xIi")
_NON_BLOCKING = 1
_LOOPBACK = 2


class PacketInvalid(Exception):
    """Not what init sends."""


@dataclass(frozen=True, slots=True)
class Wish:
    """A connect() of the job."""

    number: int
    address: Address
    port: int
    loopback: bool
    """Init takes it for the job's own machine, unless it is the executor's."""
    non_blocking: bool = False
    """The job does not wait in connect(), once it is known that it is dialled."""


@dataclass(frozen=True, slots=True)
class Socket:
    """The sandbox end of a connection comes with this packet."""

    number: int


@dataclass(frozen=True, slots=True)
class Dropped:
    """The job gave up a wish that was granted."""

    number: int


def read_packet(data: bytes) -> Wish | Socket | Dropped:
    """Raises PacketInvalid."""
    kind = data[:1]
    if kind == b"C" and len(data) == _WISH.size:
        _, family, flags, _, number, _, port, raw = _WISH.unpack(data)
        if family not in (4, 6):
            raise PacketInvalid(f"address family {family}")
        address = IPv4Address(raw[:4]) if family == 4 else IPv6Address(raw)
        return Wish(number, address, port, bool(flags & _LOOPBACK), bool(flags & _NON_BLOCKING))
    if kind in (b"S", b"D") and len(data) == _NUMBERED.size:
        number = _NUMBERED.unpack(data)[1]
        return Socket(number) if kind == b"S" else Dropped(number)
    raise PacketInvalid(f"{len(data)} bytes that begin with {data[:4]!r}")


def write_dialling(number: int) -> bytes:
    """Allowed, and being dialled: a connect() that does not wait may say so."""
    return _NUMBERED.pack(ord("W"), number)


def write_verdict(number: int, errno: int) -> bytes:
    """0: dialled; OWN_LOOPBACK; else what connect() gives."""
    return _VERDICT.pack(ord("V"), number, errno)


def write_kill() -> bytes:
    """A limit was passed: init ends the job."""
    return b"K"
