"""Rules: what was observed, as findings with points. One rule a file; docs/rules.md tells all.

A rule sees the spec and the observation and nothing else; it does no I/O.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import ModuleType

from magicrune.errors import RuleFailed
from magicrune.observation import Observation
from magicrune.rules import (
    abnormal_end,
    denied_act,
    fork_burst,
    limit_hit,
    net_intent,
    secret_read,
    static_hint,
    telemetry_lost,
    write_outside,
)
from magicrune.rules.finding import Finding
from magicrune.spec import ContainerSpec

__all__ = ["RULES", "Finding", "Rule", "apply_rules"]


@dataclass(frozen=True, slots=True)
class Rule:
    """`id` is also the anchor in docs/rules.md and the name of the rule's tests."""

    id: str
    check: Callable[[ContainerSpec, Observation], Iterable[Finding]]


def _rule(module: ModuleType) -> Rule:
    return Rule(module.ID, module.check)


RULES: tuple[Rule, ...] = tuple(
    map(
        _rule,
        (
            telemetry_lost,
            net_intent,
            secret_read,
            write_outside,
            denied_act,
            limit_hit,
            fork_burst,
            abnormal_end,
            static_hint,
        ),
    )
)
"""In the order in which a person should read their findings."""


def apply_rules(spec: ContainerSpec, observation: Observation) -> tuple[Finding, ...]:
    """The findings of all rules. Raises RuleFailed where one fails: no lenient grade."""
    found: list[Finding] = []
    for rule in RULES:
        try:
            found += rule.check(spec, observation)
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            raise RuleFailed(f"rule {rule.id} failed: {reason}", where=rule.id) from error
    return tuple(found)
