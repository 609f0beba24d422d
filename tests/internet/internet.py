"""`Internet`: the whole, made and taken down as one."""

from __future__ import annotations

import asyncio
import os
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.internet import wires
from tests.internet.addresses import LINK_LOCAL, Addresses
from tests.internet.goods import Certificates, make_certificates, make_goods
from tests.internet.sniffer import MARK_PORT, Packet, Sniffer
from tests.internet.streams import Closable, Streams, Tally, banner
from tests.internet.web import Server
from tests.internet.zone import Zone, serve_zone


@dataclass
class Internet:
    addresses: Addresses
    servers: str
    plain: str
    """Network namespaces: of the servers, and of the container on the plain bridge."""
    zone: Zone
    tally: Tally
    host_tally: Tally
    """Of the services of this machine itself: loopback, and its address on the wire."""
    host_port: int
    certificates: Certificates
    sniffer: Sniffer | None
    hosts_file: dict[str, str] = field(default_factory=dict)

    def clear(self) -> None:
        """Forgets all that was counted."""
        self.settle()
        for each in (self.zone, self.tally, self.host_tally, self.sniffer):
            if each is not None:
                each.clear()

    def settle(self) -> None:
        """Until all packets that were sent before are counted."""
        if self.sniffer is None:
            return
        mark = os.urandom(16)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(mark, (self.addresses.web4, MARK_PORT))
        self.sniffer.wait_for(mark)

    def arrived(self, *, from_plain: bool | None = None) -> set[Packet]:
        """What reached the servers since `clear`: from the container on the plain bridge, or
        from anybody else, or (None) from whomsoever. Neighbours looking for each other
        (ICMPv6 to a group) count, too."""
        assert self.sniffer is not None
        self.settle()
        plain = self.addresses
        return {
            each
            for each in self.sniffer.seen()
            if each.port != MARK_PORT
            and from_plain
            in (None, each.source in (plain.plain4, plain.plain6, LINK_LOCAL["plain"]))
        }

    def metadata(self) -> AbstractContextManager[None]:
        return wires.metadata(self.addresses)


@contextmanager
def internet(*, sniff: bool = False) -> Iterator[Internet]:
    """A test internet; `sniff` counts packets as well, which slows large transfers."""
    with ExitStack() as stack:
        addresses = Addresses(stack.enter_context(wires.slot()))
        place = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        certificates = make_certificates(place, addresses)
        (place / "goods").mkdir()
        goods = make_goods(place / "goods")
        servers, plain = stack.enter_context(wires.wires(addresses))
        zone, tally, host_tally = Zone(addresses), Tally(), Tally()
        stack.enter_context(_loop(servers, zone, tally))
        host_port = stack.enter_context(_host_services(addresses, host_tally))
        for port, context in ((80, None), (443, certificates.context)):
            server = wires.within(
                servers, lambda port=port, context=context: Server(port, goods, tally, context)
            )
            stack.callback(server.server_close)
            stack.callback(server.shutdown)
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        sniffer = None
        if sniff:
            sniffer = wires.within(servers, lambda: Sniffer("br0"))
            stack.callback(sniffer.close)
        yield Internet(
            addresses, servers, plain, zone, tally, host_tally, host_port, certificates, sniffer
        )


@contextmanager
def _loop(netns: str, zone: Zone, tally: Tally) -> Iterator[None]:
    async def start() -> list[Closable]:
        streams = Streams(tally)
        await streams.serve()
        return [*await serve_zone(zone), *streams.made]

    with _running(start, netns):
        yield


@contextmanager
def _host_services(addresses: Addresses, tally: Tally) -> Iterator[int]:
    """One port of this machine: on its loopback, and on its address on the wire."""
    ports: list[int] = []

    async def start() -> list[Closable]:
        streams = Streams(tally)
        ports.append(await streams.listen(0, banner, "127.0.0.1"))
        for host in ("::1", addresses.executor4, addresses.executor6):
            await streams.listen(ports[0], banner, host)
        return streams.made

    with _running(start, None):
        yield ports[0]


@contextmanager
def _running(start, netns: str | None) -> Iterator[None]:  # type: ignore[no-untyped-def]
    """A loop in a thread of its own, in `netns`, for which `start` was awaited."""
    loop = asyncio.new_event_loop()
    ready = threading.Event()
    failed: list[BaseException] = []

    def run() -> None:
        try:
            if netns:
                wires.enter(netns)
            made = loop.run_until_complete(start())
        except BaseException as error:  # noqa: BLE001 - raised again by who waits
            failed.append(error)
            return
        finally:
            ready.set()
        loop.run_forever()
        loop.run_until_complete(_end(made))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    ready.wait(30)
    try:
        if failed:
            raise failed[0]
        yield
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


async def _end(made: list[Closable]) -> None:
    for each in made:
        each.close()
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
    await asyncio.sleep(0.01)  # for what transports still have to do
