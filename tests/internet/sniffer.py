"""Every packet that arrived at the servers, by destination: the verdict of the attacks."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections import Counter
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

_ALL = 0x0003  # ETH_P_ALL
_IPV4, _IPV6 = 0x0800, 0x86DD
_PORTED = (6, 17, 33, 132, 136)  # TCP, UDP, DCCP, SCTP, UDP-Lite: ports come first
_OUTGOING = 4  # PACKET_OUTGOING
_HEAD = 128
MARK_PORT = 61999


@dataclass(frozen=True)
class Packet:
    protocol: int
    """IP's number of it."""
    source: str
    target: str
    port: int
    """Of the target; 0 where the protocol has none."""


class Sniffer:
    """Made in the servers' namespace (`within`); counts until `close`."""

    def __init__(self, device: str) -> None:
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ALL))
        self._socket.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)  # SO_RCVBUFFORCE
        self._socket.bind((device, _ALL))
        self._socket.settimeout(0.2)
        self._open = True
        self._lock = threading.Lock()
        self._seen: Counter[Packet] = Counter()
        self._marks: set[bytes] = set()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while self._open:
            try:
                head, (_, kind, direction, *_) = self._socket.recvfrom(_HEAD)
            except TimeoutError:
                continue
            if direction == _OUTGOING or len(head) < 20:
                continue
            read = _read4 if kind == _IPV4 else _read6 if kind == _IPV6 else None
            if read is None:
                continue
            key, rest = read(head)
            with self._lock:
                self._seen[key] += 1
                if key.port == MARK_PORT:
                    self._marks.add(rest[8:24])

    def wait_for(self, mark: bytes) -> None:
        """Until `mark`, sent to MARK_PORT, was seen: then so was all that was sent before."""
        end = time.monotonic() + 10
        while time.monotonic() < end:
            with self._lock:
                if mark in self._marks:
                    return
            time.sleep(0.002)
        raise RuntimeError("the sniffer saw no mark")

    def seen(self) -> Counter[Packet]:
        with self._lock:
            return Counter(self._seen)

    def lost(self) -> int:
        """Packets that the kernel could not hand over since the last call."""
        told = self._socket.getsockopt(263, 6, 8)  # SOL_PACKET, PACKET_STATISTICS
        return int(struct.unpack("II", told)[1])

    def clear(self) -> None:
        with self._lock:
            self._seen.clear()
            self._marks.clear()

    def close(self) -> None:
        self._open = False
        self._thread.join()
        self._socket.close()


def _read4(head: bytes) -> tuple[Packet, bytes]:
    protocol, size = head[9], (head[0] & 15) * 4
    return _key(protocol, str(IPv4Address(head[12:16])), str(IPv4Address(head[16:20])), head[size:])


def _read6(head: bytes) -> tuple[Packet, bytes]:
    protocol, rest = head[6], head[40:]
    if protocol == 0 and len(rest) >= 8:  # hop-by-hop options (RFC 8200, 4.3)
        protocol, rest = rest[0], rest[(rest[1] + 1) * 8 :]
    return _key(protocol, str(IPv6Address(head[8:24])), str(IPv6Address(head[24:40])), rest)


def _key(protocol: int, source: str, target: str, rest: bytes) -> tuple[Packet, bytes]:
    port = int.from_bytes(rest[2:4], "big") if protocol in _PORTED and len(rest) >= 4 else 0
    return Packet(protocol, source, target, port), rest
