"""What a broker must know of a run, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from magicrune.broker.own import is_own_address
from magicrune.special import SPECIAL_RANGES, SpecialRange

if TYPE_CHECKING:
    from magicrune.hosts import Address
    from magicrune.netrule import NetRule
    from magicrune.spec import ContainerSpec, NetLimits


@dataclass(frozen=True, slots=True)
class NetPlan:
    """The network part of a spec. Tests of the broker may give another world: a table of
    special ranges, and which addresses are the executor's own."""

    net: tuple[NetRule, ...]
    net_exact: tuple[NetRule, ...]
    host_loopback: tuple[NetRule, ...]
    limits: NetLimits
    resolvers: tuple[str, ...]
    hostname: str
    special: tuple[SpecialRange, ...] = SPECIAL_RANGES
    is_own: Callable[[Address], bool] = is_own_address
    dial_s: float = 10.0
    """Until a destination that does not answer is given up, all its addresses together."""
    resolve_s: float = 5.0
    """Until a name that no server answers for is given up."""
    drain_s: float = 2.0
    """At the end of the run, for what the job had sent and nobody has taken yet."""


def plan_of(spec: ContainerSpec) -> NetPlan:
    """The plan for a spec that has a network."""
    return NetPlan(
        net=spec.net,
        net_exact=spec.net_exact,
        host_loopback=spec.host_loopback,
        limits=spec.net_limits,
        resolvers=spec.resolvers,
        hostname=spec.hostname,
    )
