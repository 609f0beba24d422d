"""A ceiling of the run was reached."""

from __future__ import annotations

from collections.abc import Iterable

from magicrune.observation import Ending, EventKind, Observation
from magicrune.rules.finding import Finding, cite
from magicrune.spec import ContainerSpec

ID = "limit-hit"

_POINTS = {
    "wall": 25,
    "cpu": 25,
    "memory": 25,
    "pids": 25,
    "output": 25,
    "disk": 25,
    "files": 25,
    "open_files": 10,  # a forgotten close() is common, and harms nobody
    "net_connections": 25,
    "net_open_connections": 10,  # as open_files
    "net_sent_bytes": 25,
    "net_received_bytes": 25,
    "net_names": 25,
    "net_queries": 25,
}
_POINTS["net"] = 25
_NET_FATAL = frozenset(name for name in _POINTS if name.startswith("net_")) - {
    "net_open_connections"
}
_CAP = 60
_ENDINGS = {
    Ending.TIMEOUT: "wall",
    Ending.CPU_LIMIT: "cpu",
    Ending.OOM: "memory",
    Ending.PIDS_LIMIT: "pids",
    Ending.OUTPUT_LIMIT: "output",
    Ending.DISK_LIMIT: "disk",
    Ending.FILE_LIMIT: "files",
}


def check(spec: ContainerSpec, observation: Observation) -> Iterable[Finding]:
    """Each limit counts once, whether the job ended by it or coped."""
    reached: dict[str, str] = {}
    for event in observation.events:
        if event.kind is EventKind.LIMIT:
            limit = str(event.detail["limit"])
            reached.setdefault(limit, cite(event, f"{limit} ({_ceiling(limit, spec)})"))
    fatal = _ENDINGS.get(observation.ending)
    told = fatal in reached or (fatal == "files" and "open_files" in reached)
    if observation.ending is Ending.NET_LIMIT and not any(map(_NET_FATAL.__contains__, reached)):
        reached["net"] = "ending net_limit (which one was not told)"
    if fatal is not None and not told:
        reached[fatal] = f"ending {observation.ending.value} ({_ceiling(fatal, spec)})"
    left = _CAP
    found = []
    for limit, evidence in reached.items():
        points = min(left, _POINTS[limit])
        left -= points
        found.append(Finding(ID, points, evidence))
    return found


def _ceiling(limit: str, spec: ContainerSpec) -> str:
    limits, net = spec.limits, spec.net_limits
    return (
        "ceiling "
        + {
            "wall": f"{limits.wall_ms} ms",
            "cpu": f"{limits.cpu_ms} ms",
            "memory": f"{limits.memory_bytes} bytes",
            "pids": f"{limits.pids} processes",
            "output": f"{limits.output_bytes} bytes",
            "disk": f"{limits.tmp_bytes} bytes",
            "files": f"{limits.files} files",
            "open_files": f"{limits.open_files} open files",
            "net_connections": f"{net.connections} connections",
            "net_open_connections": f"{net.open_connections} connections at one time",
            "net_sent_bytes": f"{net.sent_bytes} bytes",
            "net_received_bytes": f"{net.received_bytes} bytes",
            "net_names": f"{net.names} names",
            "net_queries": f"{net.queries} DNS queries",
        }[limit]
    )
