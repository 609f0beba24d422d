"""What a run did by network: counted, held against its limits, told as events."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from magicrune.display import escape
from magicrune.observation import ConnectionRecord, Event, EventKind, NetUsage
from magicrune.spec import NetLimits

LISTED = 1000
"""Connections that are told one by one."""
DIFFERENT = 200
"""Different refusals, and different failures, that are told one by one."""
_TEXT_MAX = 300

Outcome = Literal["refused", "failed"]
"""No rule allows it; it is allowed, but nobody answered."""


@dataclass(frozen=True, slots=True)
class NetObservation:
    """What was seen of the network of one run."""

    usage: NetUsage
    events: tuple[Event, ...]
    counts: Mapping[EventKind, int]
    complete: bool
    """False: there were more different refusals than are told."""
    limit: str | None
    """The limit that ended the job."""
    aliases: Mapping[str, str] = field(default_factory=dict)
    """Addresses that stood for names in the sandbox, and the names."""


@dataclass(slots=True, eq=False)
class Connection:
    """One granted connection, as it goes on."""

    name: str | None
    address: str
    port: int
    opened_ms: int
    sent: int = 0
    received: int = 0
    duration_ms: int = 0
    outcome: str = ""

    def record(self) -> ConnectionRecord:
        return ConnectionRecord(
            name=self.name,
            address=self.address,
            port=self.port,
            sent_bytes=self.sent,
            received_bytes=self.received,
            opened_ms=self.opened_ms,
            duration_ms=self.duration_ms,
            outcome=self.outcome or "cut",
        )


class Account:
    """Counts of one run. `on_limit` is called once, when a limit that ends the job is passed."""

    def __init__(self, limits: NetLimits, started: float, on_limit: Callable[[], None]) -> None:
        self._limits = limits
        self._started = started
        self._on_limit = on_limit
        self._events: list[Event] = []
        self._counts = {EventKind.CONNECT: 0, EventKind.LIMIT: 0}
        self._told: set[tuple[object, ...]] = set()
        self._told_of = {"refused": 0, "failed": 0}
        self._connections: list[Connection] = []
        self._total = self._failed = self._refused = self._queries = self._names = 0
        self._open = self._open_peak = 0
        self._sent_left, self._received_left = limits.sent_bytes, limits.received_bytes
        self._sent = self._received = 0
        self._complete = True
        self.limit: str | None = None

    def tell(self, outcome: Outcome, **detail: str | int | None) -> None:
        """An attempt that came to nothing: an event, once for each different one."""
        self._refused += outcome == "refused"
        self._tell_connect(outcome, detail)

    def begin(self, name: str | None, address: str, port: int, room: int) -> Connection | None:
        """A granted connection; None where there is no room for one more, or none at all.

        `room` is how many the process can hold open.
        """
        self._total += 1
        if self._total > self._limits.connections:
            self.pass_limit("net_connections")
        if self.limit is not None:
            return None
        if self._open >= min(self._limits.open_connections, room):
            self._tell_limit("net_open_connections")
            return None
        self._open += 1
        self._open_peak = max(self._open, self._open_peak)
        connection = Connection(name, address, port, self.now_ms())
        if len(self._connections) < LISTED:
            self._connections.append(connection)
        return connection

    def end(self, connection: Connection, outcome: str) -> None:
        """No more comes of it; the first outcome told counts."""
        if connection.outcome:
            return
        connection.outcome = outcome
        connection.duration_ms = self.now_ms() - connection.opened_ms
        self._open -= 1
        self._failed += outcome == "failed"

    def forget(self, connection: Connection) -> None:
        """No rule allowed any address of it: refused, not granted after all."""
        self._open -= 1
        self._total -= 1
        if connection in self._connections:
            self._connections.remove(connection)

    def admit_sent(self, size: int) -> int:
        """How many of `size` bytes from the job may still go on."""
        allowed = min(size, self._sent_left)
        self._sent_left -= allowed
        if allowed < size:
            self.pass_limit("net_sent_bytes")
        return allowed

    def admit_received(self, size: int) -> int:
        """How many of `size` bytes to the job may still go on."""
        allowed = min(size, self._received_left)
        self._received_left -= allowed
        if allowed < size:
            self.pass_limit("net_received_bytes")
        return allowed

    def add_sent(self, connection: Connection, size: int) -> None:
        connection.sent += size
        self._sent += size

    def add_received(self, connection: Connection, size: int) -> None:
        connection.received += size
        self._received += size

    def admit_query(self) -> bool:
        """Whether one more DNS query may be asked."""
        self._queries += 1
        if self._queries > self._limits.queries:
            self.pass_limit("net_queries")
        return self.limit is None

    def admit_name(self) -> bool:
        """Whether one more name may be looked up."""
        self._names += 1
        if self._names > self._limits.names:
            self.pass_limit("net_names")
        return self.limit is None

    def pass_limit(self, limit: str) -> None:
        """Past a limit that ends the job; only the first one counts."""
        if self.limit is None:
            self.limit = limit
            self._tell_limit(limit)
            self._on_limit()

    def now_ms(self) -> int:
        """Since the start of the job."""
        return max(0, int((time.monotonic() - self._started) * 1000))

    def observe(self, aliases: Mapping[str, str] | None = None) -> NetObservation:
        """All of it; `aliases` as in NetObservation."""
        usage = NetUsage(
            connections=tuple(each.record() for each in self._connections),
            connections_total=self._total,
            failed=self._failed,
            refused=self._refused,
            open_peak=self._open_peak,
            sent_bytes=self._sent,
            received_bytes=self._received,
            names=self._names,
            queries=self._queries,
        )
        counts = {kind: count for kind, count in self._counts.items() if count}
        return NetObservation(
            usage, tuple(self._events), counts, self._complete, self.limit, aliases or {}
        )

    def _tell_limit(self, limit: str) -> None:
        self._counts[EventKind.LIMIT] += 1
        if ("limit", limit) not in self._told:
            self._told.add(("limit", limit))
            self._events.append(Event(self.now_ms(), EventKind.LIMIT, {"limit": limit}))

    def _tell_connect(self, outcome: str, detail: Mapping[str, str | int | None]) -> None:
        self._counts[EventKind.CONNECT] += 1
        told = {key: _cut(value) for key, value in detail.items() if value is not None}
        key = (outcome, *told.items())
        if key in self._told:
            return
        if self._told_of[outcome] >= DIFFERENT:
            self._complete = self._complete and outcome != "refused"
            return
        self._told.add(key)
        self._told_of[outcome] += 1
        event = Event(self.now_ms(), EventKind.CONNECT, {**told, "outcome": outcome})
        self._events.append(event)


def _cut(value: str | int) -> str | int:
    return escape(value, limit=_TEXT_MAX) if isinstance(value, str) else value
