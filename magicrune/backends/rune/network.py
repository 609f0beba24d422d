"""The network of a run: the sockets that init hands over, and the broker that serves them."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from magicrune.backends.rune.container import GATE
from magicrune.errors import BackendFailed
from magicrune.observation import ControlReading, Event

if TYPE_CHECKING:
    from magicrune.broker.account import NetObservation
    from magicrune.broker.broker import Broker
    from magicrune.observation import Observation
    from magicrune.spec import ContainerSpec

DESCRIPTORS = 3
"""Of frame B (PROTOCOL.md): the broker's stream, the name server's UDP and TCP sockets."""


class Network:
    """`observation` is there once the run is over."""

    def __init__(self, spec: ContainerSpec) -> None:
        # Here: asyncio and DNS, for a network only.
        from magicrune.broker.broker import Broker
        from magicrune.broker.plan import plan_of

        self._spec = spec
        self._broker: Broker = Broker(plan_of(spec))
        self._sockets: tuple[socket.socket, ...] = ()
        self._begun = False
        self.observation: NetObservation | None = None

    def receive(self, descriptors: tuple[int, ...]) -> ControlReading:
        """Takes what init handed over, and tells whether it is what a network needs."""
        if len(descriptors) != DESCRIPTORS:
            for descriptor in descriptors:
                os.close(descriptor)
            raise BackendFailed(f"handed over {len(descriptors)} sockets", where="rune-init")
        self._sockets = tuple(socket.socket(fileno=descriptor) for descriptor in descriptors)
        _, datagrams, listener = self._sockets
        kinds = [(each.family, each.type) for each in self._sockets]
        wanted = [
            (socket.AF_UNIX, socket.SOCK_SEQPACKET),
            (socket.AF_INET, socket.SOCK_DGRAM),
            (socket.AF_INET, socket.SOCK_STREAM),
        ]
        served = kinds == wanted and datagrams.getsockname() == listener.getsockname() == GATE
        rules = len(self._spec.net) + len(self._spec.host_loopback)
        return ControlReading(
            "network_allowlist",
            "connect() judged by the executor, names answered by it",
            f"{rules} rules; name server at {GATE[0]}:{GATE[1]}, a stream to init",
            "as wanted, made by init in the sandbox" if served else f"sockets {kinds}",
            served,
        )

    def begin(self) -> None:
        """From here on connections are brokered; the job is about to start."""
        stream, datagrams, listener = self._sockets
        self._sockets = ()
        self._begun = True
        self._broker.start(stream, datagrams, listener, time.monotonic())

    def end(self) -> None:
        """Ends what is still open. Raises BackendFailed where the broker itself failed."""
        for each in self._sockets:
            each.close()
        if self._begun:
            self._begun = False
            self.observation = self._broker.stop()


@contextmanager
def brokering(spec: ContainerSpec) -> Iterator[Network | None]:
    """The network that `spec` has, if any; it ends with the block."""
    network = Network(spec) if spec.has_network else None
    try:
        yield network
    finally:
        if network is not None:
            network.end()


def add_network(seen: Observation, network: Network) -> Observation:
    """`seen`, with what the broker saw of the same run."""
    told = network.observation
    if told is None:  # the job never began
        return seen
    own = (_named(event, told.aliases) for event in seen.events)
    events = sorted((*own, *told.events), key=lambda event: event.at_ms)
    kinds = {*seen.event_counts, *told.counts}
    counts = {k: seen.event_counts.get(k, 0) + told.counts.get(k, 0) for k in kinds}
    return replace(
        seen,
        events=tuple(events),
        event_counts=counts,
        telemetry_complete=seen.telemetry_complete and told.complete,
        network=told.usage,
    )


def _named(event: Event, aliases: Mapping[str, str]) -> Event:
    """Init knows the address alone of what it refuses itself (a datagram)."""
    name = aliases.get(str(event.detail.get("address")))
    return event if name is None else replace(event, detail={**event.detail, "host": name})
