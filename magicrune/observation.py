"""What was seen of one run: the only thing that rules and grading look at besides the spec."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Ending(StrEnum):
    """Why the run ended. A limit that was reached is its own ending.

    `TIMEOUT`, `CPU_LIMIT`, `OUTPUT_LIMIT` and `NET_LIMIT` end the job at once. The others
    refuse it something (memory, a process, space, a file): the job may cope, so they are the
    ending only if it then failed; reaching them is always an event of kind `limit`.
    """

    EXITED = "exited"
    SIGNALLED = "signalled"
    TIMEOUT = "timeout"
    CPU_LIMIT = "cpu_limit"
    OOM = "oom"
    OUTPUT_LIMIT = "output_limit"
    PIDS_LIMIT = "pids_limit"
    DISK_LIMIT = "disk_limit"
    FILE_LIMIT = "file_limit"
    NET_LIMIT = "net_limit"
    POLICY_DENIED = "policy_denied"
    INFRA_ERROR = "infra_error"


class EventKind(StrEnum):
    """What kinds of acts are watched. Each backend declares which it can see."""

    EXEC = "exec"  # argv, path, outcome: ok | missing | refused
    OPEN_WRITE = "open_write"  # path
    SENSITIVE = "sensitive"  # path, op: a secret-like path was opened or looked at
    CONNECT = "connect"  # op, host/address, port, type, outcome: refused | failed, reason, missing
    DENIED = "denied"  # op, target: an act that the sandbox refused as out of bounds
    REMOVE = "remove"  # path, op: unlink | rmdir | rename
    # limit: memory | pids | disk | files | open_files | cpu | wall | output | net_connections |
    # net_open_connections | net_sent_bytes | net_received_bytes | net_names | net_queries
    LIMIT = "limit"
    FORK = "fork"  # burst, in_ms: very many processes started at once
    SIGNAL = "signal"  # sig, target
    MISC = "misc"  # op, target: worth knowing, harmless by itself (memfd, link, bind ...)
    TRAP = "trap"  # the program was ended for a fault of its own: reason


@dataclass(frozen=True, slots=True)
class Event:
    """One act of the job. `at_ms` counts from the start of the job."""

    at_ms: int
    kind: EventKind
    detail: Mapping[str, str | int]


@dataclass(frozen=True, slots=True)
class Artifact:
    """A regular file that the job left in the artifacts directory.

    `content` is None where the artifact ceiling was reached; size and hash always hold.
    """

    path: str
    size: int
    sha256: str
    content: bytes | None


@dataclass(frozen=True, slots=True)
class Usage:
    """Measured, never estimated; None is "this backend cannot measure it"."""

    wall_ms: float
    cpu_ms: float | None
    memory_peak_bytes: int | None
    processes: int | None
    tmp_peak_bytes: int | None
    files_peak: int | None
    output_bytes: int


@dataclass(frozen=True, slots=True)
class ConnectionRecord:
    """One connection that a rule allowed."""

    name: str | None
    """What the job asked for; None where it gave an address."""
    address: str
    """What was dialled last."""
    port: int
    sent_bytes: int
    """Handed on from the job to the other side; so is `received_bytes` the other way."""
    received_bytes: int
    opened_ms: int
    """Since the start of the job."""
    duration_ms: int
    outcome: str
    """``closed`` by both sides, ``reset`` by one, ``cut`` at the end of the run,
    ``dropped`` (the job had given up), ``failed`` (nobody answered)."""


@dataclass(frozen=True, slots=True)
class NetUsage:
    """What a run did by network. Totals count everything, whatever is listed."""

    connections: tuple[ConnectionRecord, ...]
    """The first 1000."""
    connections_total: int
    """All that a rule allowed, with the `failed` ones."""
    failed: int
    refused: int
    """Connections and names that no rule allowed, each attempt."""
    open_peak: int
    sent_bytes: int
    received_bytes: int
    names: int
    queries: int


@dataclass(frozen=True, slots=True)
class ControlReading:
    """One control of the spec, read back from the sandbox that was really used."""

    control: str
    mechanism: str
    wanted: str
    measured: str
    held: bool


@dataclass(frozen=True, slots=True)
class Observation:
    """One finished run, as the backend saw it."""

    backend: str
    ending: Ending
    exit_code: int | None
    """The job's own; None when it was ended before it had one."""
    signal: int | None
    stdout: bytes
    stderr: bytes
    stdout_truncated: bool
    stderr_truncated: bool
    events: tuple[Event, ...]
    event_counts: Mapping[EventKind, int]
    """All that happened; `events` holds only the first so many of each kind."""
    telemetry_complete: bool
    """False: the watch was lost or flooded, so silence proves nothing (never green)."""
    artifacts: tuple[Artifact, ...]
    artifacts_skipped: tuple[tuple[str, str], ...]
    """(path, reason) of what lay in the artifacts directory and was not returned."""
    usage: Usage
    enforcement: tuple[ControlReading, ...]
    image_digest: str | None
    """What the job ran in: SHA-256 of the image, or of the shell module (WASI)."""
    timings: Mapping[str, float] = field(default_factory=dict)
    """Milliseconds by phase (prepare, run, collect ...)."""
    network: NetUsage | None = None
    """None: the run had no network."""
