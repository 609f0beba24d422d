"""The resolver that everybody in the test internet asks: one zone, and a log of each question."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import cast

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

from tests.internet.addresses import METADATA4, METADATA6, ZONE, Addresses
from tests.internet.streams import Closable

SLOW_S = 1.2
_CHAIN = 6
Records = list[tuple[str, str]]
"""(type, text), in the order of the answer; a CNAME is followed within the zone."""


@dataclass(frozen=True)
class Question:
    name: str
    """As it was spelled on the wire."""
    kind: str
    transport: str


@dataclass
class Zone:
    """Answers, and `asked`: every question that came, in order."""

    addresses: Addresses
    asked: list[Question] = field(default_factory=list)
    _turns: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def names_asked(self) -> set[str]:
        with self._lock:
            return {each.name for each in self.asked}

    def clear(self) -> None:
        with self._lock:
            self.asked.clear()
            self._turns.clear()

    def answer(self, wire: bytes, transport: str) -> tuple[bytes, float]:
        """The reply to `wire`, empty for none, and the seconds to wait before it."""
        query = dns.message.from_wire(wire)
        asked = query.question[0]
        kind = dns.rdatatype.to_text(asked.rdtype)
        spelled = asked.name.to_text(omit_final_dot=True)
        with self._lock:
            self.asked.append(Question(spelled, kind, transport))
        name = spelled.lower()
        reply = dns.message.make_response(query, recursion_available=True)
        label = name.removesuffix(f".{ZONE}")
        if label == "silent":
            return b"", 0
        if label == "broken":
            reply.set_rcode(dns.rcode.SERVFAIL)
            return reply.to_wire(), 0
        self._fill(reply, asked.name, name, kind)
        reply_wire = reply.to_wire(max_size=65535)
        if transport == "udp" and (label == "truncated" or len(reply_wire) > 1232):
            reply = dns.message.make_response(query, recursion_available=True)
            reply.flags |= dns.flags.TC
            reply_wire = reply.to_wire()
        return reply_wire, SLOW_S if label == "slow" else 0

    def _fill(self, reply: dns.message.Message, owner: dns.name.Name, name: str, kind: str) -> None:
        for _ in range(20):
            records = self._records(name)
            if records is None:
                reply.set_rcode(dns.rcode.NXDOMAIN)
                return
            aliases = [text for each, text in records if each == "CNAME"]
            if not aliases or kind == "CNAME":
                ttl = 0 if "rebind" in name else 30
                texts = [text for each, text in records if each == kind]
                if texts:
                    reply.answer.append(dns.rrset.from_text(owner, ttl, "IN", kind, *texts))
                return
            reply.answer.append(dns.rrset.from_text(owner, 30, "IN", "CNAME", aliases[0] + "."))
            name, owner = aliases[0], dns.name.from_text(aliases[0] + ".")

    def _records(self, name: str) -> Records | None:
        here = self.addresses
        web: Records = [("A", here.web4), ("AAAA", here.web6)]
        other: Records = [("A", here.other4), ("AAAA", here.other6)]
        if not name.endswith(f".{ZONE}"):
            return other if name.endswith(".evil.example") or name == ZONE else None
        label = name.removesuffix(f".{ZONE}")
        if label.startswith(("xn--", "xweb", "evilweb", "xwild")) or label == "wild":
            return other
        if label.endswith(".wild") or label in ("slow", "truncated", "web"):
            return web
        if label.startswith("chain") and label[5:].isdecimal():
            last = int(label[5:]) >= _CHAIN
            return [("CNAME", f"web.{ZONE}" if last else f"chain{int(label[5:]) + 1}.{ZONE}")]
        if label.startswith("special-"):
            text = here.special[label.removeprefix("special-")]
            return [("AAAA" if ":" in text else "A", text)]
        if label == "rebind":
            return self._rebind()
        return self._fixed(web, other).get(label)

    def _rebind(self) -> Records:
        """Public for whoever asks first, private for ever after."""
        with self._lock:
            self._turns["rebind"] += 1
            public = self._turns["rebind"] <= 2  # A and AAAA
        here = self.addresses
        found4, found6 = (here.web4, here.web6) if public else (here.inner4, here.inner6)
        return [("A", found4), ("AAAA", found6)]

    def _fixed(self, web: Records, other: Records) -> dict[str, Records]:
        here = self.addresses
        return {
            "four": web[:1],
            "six": web[1:],
            "other": other,
            "service": [("A", here.public4(12)), ("AAAA", here.public6(12))],
            "alias": [("CNAME", f"web.{ZONE}")],
            "toother": [("CNAME", f"other.{ZONE}")],
            "toinner": [("CNAME", f"middle.{ZONE}")],
            "middle": [("CNAME", f"inner.{ZONE}")],
            "loop": [("CNAME", f"loop.{ZONE}")],
            "inner": [("A", here.inner4), ("AAAA", here.inner6)],
            "meta": [("A", METADATA4), ("AAAA", METADATA6)],
            "local": [("A", "127.0.0.1"), ("AAAA", "::1")],
            "zero": [("A", "0.0.0.0"), ("AAAA", "::")],
            "mapped": [("AAAA", f"::ffff:{here.inner4}")],
            "mappedlocal": [("AAAA", "::ffff:127.0.0.1")],
            "self": [("A", here.executor4), ("AAAA", here.executor6)],
            "multicast": [("A", "224.0.0.251"), ("AAAA", "ff02::fb")],
            "broadcast": [("A", "255.255.255.255")],
            "mixed": [("A", here.inner4), ("A", here.web4)],
            "many": [("A", here.public4(host)) for host in range(20, 28)],
            "hole": [("A", here.public4(200))],
            "text": [("TXT", '"no address"')],
        }


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, zone: Zone) -> None:
        self._zone = zone

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        reply, wait_s = self._zone.answer(data, "udp")
        if reply:
            loop = asyncio.get_running_loop()
            loop.call_later(wait_s, self._transport.sendto, reply, addr)


async def serve_zone(zone: Zone) -> list[Closable]:
    """Starts answering on port 53 of the resolver's addresses, by UDP and TCP."""

    async def stream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                size = int.from_bytes(await reader.readexactly(2), "big")
                reply, wait_s = zone.answer(await reader.readexactly(size), "tcp")
                await asyncio.sleep(wait_s)
                if reply:
                    writer.write(len(reply).to_bytes(2, "big") + reply)
                    await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    loop = asyncio.get_running_loop()
    made: list[Closable] = []
    for address in (zone.addresses.resolver4, zone.addresses.resolver6):
        made.append(
            (await loop.create_datagram_endpoint(lambda: _Datagrams(zone), (address, 53)))[0]
        )
        made.append(await asyncio.start_server(stream, address, 53, backlog=1024))
    return made
