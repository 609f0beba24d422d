"""Processes were started as a fork bomb starts them."""

from __future__ import annotations

from collections.abc import Iterable

from magicrune.observation import EventKind, Observation
from magicrune.rules.finding import Finding
from magicrune.spec import ContainerSpec

ID = "fork-burst"

_MANY = 1000
"""Processes of one run: room for a shell loop of some hundred rounds that starts one or two
in each. Our choice, not a measured bound."""
_STUBBORN = 100
"""Refusals by the process limit after which it is no longer a job that copes."""
_POINTS = 15


def check(spec: ContainerSpec, observation: Observation) -> Iterable[Finding]:
    """One finding at most: very many processes, or going on after being refused them."""
    started = observation.usage.processes
    if started is not None and started >= _MANY:
        yield Finding(ID, _POINTS, f"{started} processes started (usual: fewer than {_MANY})")
        return
    refused = _refusals(observation)
    if refused >= _STUBBORN:
        evidence = f"limit events: {refused} processes refused at {spec.limits.pids}"
        yield Finding(ID, _POINTS, evidence)


def _refusals(observation: Observation) -> int:
    """How often a process was refused; 0 where other limits share the count."""
    reached = {e.detail["limit"] for e in observation.events if e.kind is EventKind.LIMIT}
    if reached - {"wall", "cpu", "output"} != {"pids"}:
        return 0
    return observation.event_counts.get(EventKind.LIMIT, 0)
