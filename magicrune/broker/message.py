"""DNS messages of the job: read with suspicion, answered from what we know. Pure."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.reversename
import dns.rrset

from magicrune.hosts import Address

HEADER = struct.Struct("!6H")
MAX_QUERY = 4096
"""Bytes. A question and its options have a few hundred."""
TTL_S = 10
PAYLOAD = 1232
"""What we tell to take by UDP (DNS Flag Day 2020); our own answers all fit into 512."""


@dataclass(frozen=True, slots=True)
class Query:
    """One question."""

    message: dns.message.Message
    name: str
    """As asked, escaped where it must be, without the last dot."""
    kind: str
    """``A``, ``TXT``, ``TYPE65280`` ..."""
    internet: bool
    """Of class IN."""

    @property
    def reversed(self) -> Address | None:
        """The address whose name is asked for (PTR), if that is what is asked for."""
        try:
            text = dns.reversename.to_address(self.message.question[0].name)
        except (dns.exception.DNSException, ValueError):
            return None
        from ipaddress import ip_address

        try:
            return ip_address(text)
        except ValueError:
            return None


def read_query(data: bytes) -> Query | bytes | None:
    """The question; or what to answer at once to something that is none; or None for what
    gets no answer (an answer, or too short to be anything)."""
    if len(data) < HEADER.size:
        return None
    _, flags, questions, answers, authorities, additional = HEADER.unpack_from(data)
    if flags & dns.flags.QR:
        return None
    if dns.opcode.from_flags(flags) != dns.opcode.QUERY:
        return _bare(data, dns.rcode.NOTIMP)
    # Before anything is parsed: counts that a question never has.
    if questions != 1 or answers or authorities or additional > 1 or len(data) > MAX_QUERY:
        return _bare(data, dns.rcode.FORMERR)
    try:
        message = dns.message.from_wire(data)
        question = message.question[0]
        name = question.name.to_text(omit_final_dot=True)
        kind = dns.rdatatype.to_text(question.rdtype)
    except (dns.exception.DNSException, ValueError, LookupError, struct.error):
        return _bare(data, dns.rcode.FORMERR)
    return Query(message, name, kind, question.rdclass == dns.rdataclass.IN)


def answer(query: Query, addresses: Iterable[Address] = ()) -> bytes:
    """The addresses, or that there is nothing of the kind (no error)."""
    reply = _reply(query)
    name = query.message.question[0].name
    for address in addresses:
        kind = "A" if isinstance(address, IPv4Address) else "AAAA"
        reply.answer.append(dns.rrset.from_text(name, TTL_S, "IN", kind, str(address)))
    return reply.to_wire()


def answer_name(query: Query, named: str) -> bytes:
    """The name that an address has."""
    reply = _reply(query)
    name = query.message.question[0].name
    reply.answer.append(dns.rrset.from_text(name, TTL_S, "IN", "PTR", named + "."))
    return reply.to_wire()


def refuse(query: Query, code: str) -> bytes:
    """No answer: ``NXDOMAIN``, ``SERVFAIL``, ``REFUSED``."""
    reply = _reply(query)
    reply.set_rcode(dns.rcode.from_text(code))
    return reply.to_wire()


def _reply(query: Query) -> dns.message.Message:
    reply: dns.message.Message = dns.message.make_response(
        query.message, recursion_available=True, our_payload=PAYLOAD
    )
    return reply


def _bare(data: bytes, code: int) -> bytes:
    """A header alone: the number and the flags of the question, and the code."""
    number, flags, *_ = HEADER.unpack_from(data)
    kept = flags & (0x7800 | dns.flags.RD)
    return HEADER.pack(number, dns.flags.QR | dns.flags.RA | kept | code, 0, 0, 0, 0)
