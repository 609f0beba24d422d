"""The job tried to change a file outside its writable directories."""

from __future__ import annotations

from collections.abc import Iterable

from magicrune.observation import Observation
from magicrune.rules.denied_act import denied, operation, target, writes_outside
from magicrune.rules.finding import Finding, cite, count_points
from magicrune.spec import ContainerSpec

ID = "write-outside"


def check(spec: ContainerSpec, observation: Observation) -> Iterable[Finding]:
    """Each different path counts once. It was refused: what counts is that it was tried."""
    seen: dict[str, str] = {}
    for event in denied(observation):
        if writes_outside(spec, event):
            path = target(event)
            seen.setdefault(path, cite(event, f"{operation(event)} {path}"))
    return count_points(ID, seen.values(), first=25, further=5, cap=45)
