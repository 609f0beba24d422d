"""Something that looks like a secret was opened or looked for."""

from __future__ import annotations

from collections.abc import Iterable

from magicrune.observation import EventKind, Observation
from magicrune.rules.finding import Finding, cite, count_points
from magicrune.spec import ContainerSpec

ID = "secret-read"


def check(_spec: ContainerSpec, observation: Observation) -> Iterable[Finding]:
    """Each different path of the policy's `sensitive` list counts once, also where it
    does not exist: the sandbox holds no secrets, so it is the looking that tells."""
    first_look: dict[str, str] = {}
    for event in observation.events:
        if event.kind is EventKind.SENSITIVE:
            path = str(event.detail["path"])
            operation = event.detail.get("op", "open")
            first_look.setdefault(path, cite(event, f"{operation} {path}"))
    return count_points(ID, first_look.values(), first=30, further=10, cap=60)
