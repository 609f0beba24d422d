"""Destination and rules → allowed, or why not and which entry is missing. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv6Address
from typing import TYPE_CHECKING

from magicrune.special import canonical_address, find_range, is_synthetic, reaches

if TYPE_CHECKING:
    from magicrune.broker.plan import NetPlan
    from magicrune.hosts import Address
    from magicrune.netrule import NetRule


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a destination is not reached."""

    reason: str
    missing: str | None
    """The entry of ``net.allow`` that would allow it; None where none would."""


class Judge:
    """Decides by the rules of one plan."""

    def __init__(self, plan: NetPlan) -> None:
        self._plan = plan
        self._names = tuple(rule for rule in plan.net if rule.name is not None)
        self._networks = tuple(rule for rule in plan.net if rule.name is None)

    def judge_name(self, name: str, port: int | None) -> Refusal | None:
        """Whether a canonical name may be meant; without a port: on any port at all."""
        for rule in self._names:
            if (port is None or _has_port(rule, port)) and rule.matches_canonical(name):
                return None
        return Refusal("no entry names it", name if port is None else f"{name}:{port}")

    def judge_address(self, address: Address, port: int, *, named: bool) -> Refusal | None:
        """Whether exactly this may be dialled; `named`: a granted name led to it."""
        address = canonical_address(address)
        entry = f"[{address}]:{port}" if isinstance(address, IPv6Address) else f"{address}:{port}"
        if is_synthetic(address) and find_range(address, self._plan.special) is not None:
            return Refusal("it stands for a name that was not asked for", None)
        special = find_range(address, self._plan.special)
        if special is not None and address.is_loopback:
            if self.is_host_loopback(address, port):
                return None
            reason = f"loopback ({special.source}), which only unsafe_host_loopback opens"
            return Refusal(reason, None)
        rules = self._networks
        if any(reaches(rule, address, port, self._plan.special) for rule in rules):
            refusal = None
        elif special is not None:
            refusal = Refusal(f"{special.name} ({special.source})", entry)
        else:
            refusal = None if named else Refusal("no entry names it", entry)
        if refusal is None and self._plan.is_own(address) and not self._is_exact(address, port):
            return Refusal("it is the executor's own, which only an exact entry opens", entry)
        return refusal

    def is_host_loopback(self, address: Address, port: int) -> bool:
        """Whether the executor's own loopback is meant, and granted."""
        address = canonical_address(address)
        rules = self._plan.host_loopback
        return any(_has_port(rule, port) and rule.matches_canonical(address) for rule in rules)

    def _is_exact(self, address: Address, port: int) -> bool:
        rules = self._plan.net_exact
        return any(_has_port(rule, port) and rule.matches_canonical(address) for rule in rules)


def _has_port(rule: NetRule, port: int) -> bool:
    return rule.ports[0] <= port <= rule.ports[1]
