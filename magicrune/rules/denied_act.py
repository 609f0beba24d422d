"""The sandbox refused an act as out of bounds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from magicrune.observation import Event, EventKind, Observation
from magicrune.rules.finding import Finding, cite, count_points
from magicrune.spec import ContainerSpec

ID = "denied-act"

_WRITES = frozenset(
    {"open_write", "write", "create", "truncate", "allocate", "mkdir", "unlink", "rmdir"}
    | {"remove", "rename", "link", "symlink", "mknod", "chmod", "chown", "utimes"}
)
"""What the `op` of a denied event is called where it would have changed a file."""


def check(spec: ContainerSpec, observation: Observation) -> Iterable[Finding]:
    """Each different act on each different target counts once; attempts to write outside
    the sandbox's writable directories are left to the rule ``write-outside``."""
    seen: dict[tuple[str, str], str] = {}
    for event in denied(observation):
        if not writes_outside(spec, event):
            key = (operation(event), target(event))
            seen.setdefault(key, cite(event, " ".join(key)))
    return count_points(ID, seen.values(), first=10, further=5, cap=40)


def denied(observation: Observation) -> Iterator[Event]:
    """The denied events, first to last."""
    return (event for event in observation.events if event.kind is EventKind.DENIED)


def writes_outside(spec: ContainerSpec, event: Event) -> bool:
    """Whether a denied act would have changed something outside all writable directories."""
    if operation(event) not in _WRITES:
        return False
    path = target(event)
    if ".." in path.split("/"):
        return True
    writable = (mount.path.rstrip("/") for mount in spec.mounts if mount.writable)
    return not any(path == tree or path.startswith(tree + "/") for tree in writable)


def operation(event: Event) -> str:
    """What was tried, by name."""
    return str(event.detail["op"])


def target(event: Event) -> str:
    """The path, address or process it was tried on."""
    detail = event.detail
    return str(detail["target"] if "target" in detail else detail.get("path", ""))
