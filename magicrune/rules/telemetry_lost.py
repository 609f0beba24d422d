"""The watch over the job failed or was flooded."""

from __future__ import annotations

from collections.abc import Iterable

from magicrune.observation import Observation
from magicrune.rules.finding import Finding
from magicrune.spec import ContainerSpec

ID = "telemetry-lost"


def check(_spec: ContainerSpec, observation: Observation) -> Iterable[Finding]:
    """Silence then proves nothing. Whatever the points, grade() never calls it green."""
    if not observation.telemetry_complete:
        counts = observation.event_counts
        seen = ", ".join(f"{kind.value} {count}" for kind, count in sorted(counts.items()))
        yield Finding(ID, 30, f"telemetry incomplete; events counted: {seen or 'none'}")
