"""What tests of the broker share: the sandbox's side, played with real sockets, and servers.

The sandbox's loopback and the executor's are the same here, so no container is needed; the
broker cannot tell. Names resolve through a real DNS server of our own.
"""

from __future__ import annotations

import contextlib
import errno
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import dns.flags
import dns.message
import dns.rcode
import dns.rrset

from magicrune.broker.account import NetObservation
from magicrune.broker.broker import Broker
from magicrune.broker.plan import NetPlan
from magicrune.netrule import NetRule
from magicrune.spec import NetLimits
from magicrune.special import SPECIAL_RANGES

OPEN_WORLD = tuple(each for each in SPECIAL_RANGES if each.name != "loopback")
"""A world where loopback is plain internet, so that names can lead to servers of a test."""


def make_plan(*net: str, loopback: tuple[str, ...] = (), limits: NetLimits | None = None, **more):
    plan = NetPlan(
        net=tuple(map(NetRule.parse, net)),
        net_exact=(),
        host_loopback=tuple(map(NetRule.parse, loopback)),
        limits=limits or NetLimits(),
        resolvers=(),
        hostname="magicrune",
        dial_s=3.0,
        resolve_s=2.0,
    )
    return replace(plan, **more)


def open_plan(*net: str, resolver: str = "", **more):
    """Names resolve by `resolver`, and may lead to 127.0.0.1."""
    servers = (resolver,) if resolver else ()
    more = {"special": OPEN_WORLD, "is_own": lambda _: False, "resolvers": servers} | more
    return make_plan(*net, **more)


class Sandbox:
    """Init and the job, as the broker sees them."""

    def __init__(self, plan: NetPlan) -> None:
        self.init, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.init.settimeout(10)
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.bind(("127.0.0.1", 0))
        tcp = socket.create_server(("127.0.0.1", 0))
        self.dns, self.dns_tcp = udp.getsockname(), tcp.getsockname()
        self.relay = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.broker = Broker(plan)
        self.broker.start(theirs, udp, tcp, time.monotonic())
        self._next = 0
        self._verdicts: dict[int, int] = {}
        self.killed = False
        self.dialling: list[int] = []
        """Wishes that were told to be under way, before their verdict."""
        self.seen: NetObservation | None = None

    def wish(
        self, address: str, port: int, *, loopback: bool = False, non_blocking: bool = False
    ) -> int:
        """Sends it; its number."""
        self._next += 1
        found = ip_address(address)
        flags = 2 * loopback + non_blocking
        packet = struct.pack(
            "<BBBBIIH16s", ord("C"), found.version, flags, 0,
            self._next, 7, port, found.packed,
        )  # fmt: skip
        self.init.send(packet)
        return self._next

    def verdict(self, number: int) -> int:
        """The errno (or -1) of a wish."""
        while number not in self._verdicts:
            self._listen()
        return self._verdicts.pop(number)

    def await_kill(self) -> None:
        while not self.killed:
            self._listen()

    def _listen(self) -> None:
        packet = self.init.recv(100)
        if packet == b"K":
            self.killed = True
        elif packet[:1] == b"W":
            self.dialling.append(struct.unpack("<B3xI", packet)[1])
        elif not packet:
            raise EOFError
        else:
            kind, number, code = struct.unpack("<B3xIi", packet)
            assert kind == ord("V")
            self._verdicts[number] = code

    def ask(self, address: str, port: int, *, loopback: bool = False) -> int:
        return self.verdict(self.wish(address, port, loopback=loopback))

    def hand_over(self, number: int) -> socket.socket:
        """After verdict 0: the job's own socket, whose other end the broker has."""
        job = socket.create_connection(self.relay.getsockname(), timeout=10)
        end, _ = self.relay.accept()
        self.send_socket(number, end.fileno())
        end.close()
        return job

    def send_socket(self, number: int, *descriptors: int) -> None:
        socket.send_fds(self.init, [struct.pack("<B3xI", ord("S"), number)], list(descriptors))

    def drop(self, number: int) -> None:
        self.init.send(struct.pack("<B3xI", ord("D"), number))

    def connect(self, address: str, port: int, *, loopback: bool = False) -> socket.socket:
        """A job's connect(). Raises OSError as that does."""
        number = self.wish(address, port, loopback=loopback)
        code = self.verdict(number)
        if code:
            raise OSError(code, errno.errorcode.get(code, str(code)))
        return self.hand_over(number)

    def query(self, name: str, kind: str = "A", *, tcp: bool = False) -> dns.message.Message:
        import dns.query

        question = dns.message.make_query(name, kind)
        address, port = self.dns_tcp if tcp else self.dns
        ask = dns.query.tcp if tcp else dns.query.udp
        return ask(question, address, port=port, timeout=10)

    def resolve(self, name: str, kind: str = "A") -> list[str]:
        """Raises LookupError with the rcode where the name has no answer."""
        reply = self.query(name, kind)
        if reply.rcode():
            raise LookupError(dns.rcode.to_text(reply.rcode()))
        return [record.to_text() for rrset in reply.answer for record in rrset]

    def raw(self, data: bytes, *, wait_s: float = 5.0) -> bytes | None:
        """A datagram as it is, and the answer."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(wait_s)
            client.sendto(data, self.dns)
            try:
                return client.recv(65536)
            except TimeoutError:
                return None

    def stop(self) -> NetObservation:
        if self.seen is None:
            self.seen = self.broker.stop()
        return self.seen

    def close(self) -> None:
        self.init.close()
        self.relay.close()


@contextlib.contextmanager
def sandbox(plan: NetPlan) -> Iterator[Sandbox]:
    box = Sandbox(plan)
    try:
        yield box
    finally:
        try:
            box.stop()
        finally:
            box.close()


@contextlib.contextmanager
def server(handle: Callable[[socket.socket], None], host: str = "127.0.0.1") -> Iterator[int]:
    """A real TCP server, a thread for each connection; its port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, 0), family=family, backlog=512)
    threads: list[threading.Thread] = []

    def serve(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.settimeout(20)
            handle(connection)

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError as error:
                if error.errno != errno.EMFILE:
                    return
                time.sleep(0.01)
                continue
            thread = threading.Thread(target=serve, args=(connection,), daemon=True)
            threads.append(thread)
            thread.start()

    acceptor = threading.Thread(target=accept, daemon=True)
    acceptor.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        acceptor.join(10)
        for thread in threads:
            thread.join(20)


def echo(connection: socket.socket) -> None:
    """Sends back all that comes."""
    while data := connection.recv(1 << 16):
        connection.sendall(data)


Zone = Mapping[tuple[str, str], list[str]]


@contextlib.contextmanager
def dns_server(zone: Zone, *, delay_s: float = 0.0) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """A real DNS server (UDP) for `zone`; its address and, as they come, the questions.

    A name with no entry at all does not exist; `["!CODE"]` gives that code, `["!DROP"]` no
    answer; a CNAME is followed within the zone, as a resolver does.
    """
    asked: list[tuple[str, str]] = []
    names = {name for name, _ in zone}
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind(("127.0.0.1", 0))

    def reply_to(data: bytes) -> bytes:
        query = dns.message.from_wire(data)
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True).lower()
        kind = dns.rdatatype.to_text(question.rdtype)
        asked.append((name, kind))
        reply = dns.message.make_response(query, recursion_available=True)
        if name not in names:
            reply.set_rcode(dns.rcode.NXDOMAIN)
        while (name, "CNAME") in zone:
            target = zone[name, "CNAME"][0]
            reply.answer.append(dns.rrset.from_text(name + ".", 60, "IN", "CNAME", target + "."))
            name = target
        values = zone.get((name, kind), [])
        if values == ["!DROP"]:
            return b""
        if values and values[0].startswith("!"):
            reply.set_rcode(dns.rcode.from_text(values[0][1:]))
        elif values:
            reply.answer.append(dns.rrset.from_text(name + ".", 60, "IN", kind, *values))
        return reply.to_wire()

    def serve() -> None:
        while True:
            try:
                data, sender = udp.recvfrom(65536)
            except OSError:
                return
            if not data:
                return
            time.sleep(delay_s)
            reply = reply_to(data)
            if reply:
                udp.sendto(reply, sender)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    address, port = udp.getsockname()
    try:
        yield f"{address}:{port}", asked
    finally:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wake:
            wake.sendto(b"", (address, port))
        thread.join(10)
        udp.close()


def open_descriptors() -> set[str]:
    """What this process has open: number and what it is."""
    found = set()
    for entry in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            found.add(f"{entry.name} {entry.readlink()}")
    return found
