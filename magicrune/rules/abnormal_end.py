"""The job did not end by itself."""

from __future__ import annotations

from collections.abc import Iterable

from magicrune.observation import Ending, EventKind, Observation
from magicrune.rules.finding import Finding, cite
from magicrune.spec import ContainerSpec

ID = "abnormal-end"


def check(_spec: ContainerSpec, observation: Observation) -> Iterable[Finding]:
    """A fault or a signal is 10 points; an end by the sandbox 25. An exit code other
    than 0 is none: programs say "no" that way."""
    ending = observation.ending
    if ending is Ending.POLICY_DENIED:
        yield Finding(ID, 25, "ending policy_denied: ended by the sandbox for what it did")
    if ending is Ending.INFRA_ERROR:
        yield Finding(ID, 25, "ending infra_error: the sandbox was lost before the job ended")
    traps = [event for event in observation.events if event.kind is EventKind.TRAP]
    if traps:
        count = observation.event_counts.get(EventKind.TRAP, len(traps))
        reason = traps[0].detail.get("reason", "no reason told")
        yield Finding(ID, 10, cite(traps[0], f"{reason} ({count} in all)"))
    elif ending is Ending.SIGNALLED:
        yield Finding(ID, 10, f"ending signalled: signal {observation.signal}")
