"""One thread for the network of one run.

What it runs (asyncio, DNS) takes a tenth of a second to load. That begins with the making of
a broker, beside whatever else is done until the sandbox is there.
"""

from __future__ import annotations

import contextlib
import os
import resource
import socket
import threading
from typing import TYPE_CHECKING

from magicrune.broker.plan import NetPlan
from magicrune.broker.wire import PacketInvalid
from magicrune.errors import BackendFailed

if TYPE_CHECKING:
    from magicrune.broker.account import NetObservation
    from magicrune.broker.service import Service, Sockets

_MARGIN_S = 10.0
"""Beyond the draining, until a broker that does not end is given up."""
_SPARE = 96
"""Descriptors left to everything else in this process: DNS, attempts to dial, files."""
_WHERE = "network broker"


class Broker:
    """The network of one run: `start` once, `stop` once."""

    def __init__(self, plan: NetPlan) -> None:
        self._plan = plan
        self._thread: threading.Thread | None = None
        self._service: Service | None = None
        self._ready = threading.Event()
        self._defect: BaseException | None = None
        self._seen: NetObservation | None = None
        threading.Thread(target=_load, name="network-broker-load", daemon=True).start()

    def start(
        self,
        stream: socket.socket,
        dns_udp: socket.socket,
        dns_tcp: socket.socket,
        started_monotonic: float,
    ) -> None:
        """Begins to serve: the stream to init, and the sandbox's DNS sockets, all of which
        are the broker's from now on. `started_monotonic` is what events count from.

        Raises BackendFailed where init sent something else than these.
        """
        sockets = (stream, dns_udp, dns_tcp)
        try:
            _check(stream, socket.AF_UNIX, socket.SOCK_SEQPACKET)
            _check(dns_udp, socket.AF_INET, socket.SOCK_DGRAM)
            _check(dns_tcp, socket.AF_INET, socket.SOCK_STREAM)
        except BackendFailed:
            _close(sockets)
            raise
        room = _make_room(self._plan.limits.open_connections)
        self._thread = threading.Thread(
            target=self._run,
            args=(sockets, started_monotonic, room),
            name="network-broker",
            daemon=True,
        )
        self._thread.start()
        self._ready.wait()

    def stop(self) -> NetObservation:
        """Ends it and tells what was seen. What the job had sent is still handed on, for at
        most the plan's `drain_s`.

        Raises BackendFailed where the broker broke, or init did not speak the protocol.
        """
        thread = self._thread
        if thread is None:
            raise BackendFailed("was never started", where=_WHERE)
        if self._service is not None:
            self._service.stop()
        thread.join(self._plan.drain_s + _MARGIN_S)
        if thread.is_alive():
            raise BackendFailed("does not end", where=_WHERE)
        if isinstance(self._defect, PacketInvalid):
            raise BackendFailed(
                f"does not speak the protocol: {self._defect}", where="rune-init"
            ) from self._defect
        if self._defect is not None or self._seen is None:
            kind = type(self._defect).__name__
            raise BackendFailed(f"broke: {kind}: {self._defect}", where=_WHERE) from self._defect
        return self._seen

    def _run(self, sockets: Sockets, started: float, room: int) -> None:
        try:
            from magicrune.broker.service import Service

            self._service = Service(self._plan)
            self._seen = self._service.run(sockets, started, room, self._ready.set)
        except BaseException as error:  # noqa: BLE001 - a thread's failure is told by stop()
            self._defect = error
        finally:
            if self._service is not None and self._service.defect is not None:
                self._defect = self._service.defect
            _close(sockets)
            self._ready.set()


def _load() -> None:
    with contextlib.suppress(ImportError):  # told where it is needed
        import magicrune.broker.service  # noqa: F401


def _check(found: socket.socket, family: int, kind: int) -> None:
    if found.family != family or found.type != kind:
        raise BackendFailed(
            f"does not speak the protocol: a socket of {found.family!r}, {found.type!r}",
            where="rune-init",
        )


def _close(sockets: tuple[socket.socket, ...]) -> None:
    for each in sockets:
        each.close()


def _make_room(wanted: int) -> int:
    """Raises the soft limit of descriptors as far as `wanted` connections need it; how many
    there is room for. A connection has two; more may be dialled at one time."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - 3 times as fast, and as clear
    need = used + 2 * wanted + _SPARE
    if soft != resource.RLIM_INFINITY and soft < need:
        soft = need if hard == resource.RLIM_INFINITY else min(need, hard)
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if soft == resource.RLIM_INFINITY:
        return wanted
    return max(0, min(wanted, (soft - used - _SPARE) // 2))
