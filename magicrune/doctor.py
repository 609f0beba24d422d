"""What works on this machine: each backend is tried with a job that does nothing.

A control is called held only because it was read back from a sandbox that really ran.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from magicrune.backends.select import BACKENDS, WITHOUT_NETWORK, make
from magicrune.errors import MagicRuneError
from magicrune.images import keep
from magicrune.locations import state_dir
from magicrune.netrule import NetRule
from magicrune.pipeline import prepare
from magicrune.policy import find_policy, load_policy
from magicrune.quarantine import Quarantine
from magicrune.request import parse_request

if TYPE_CHECKING:
    from magicrune.backends.base import Backend, Probe
    from magicrune.observation import ControlReading
    from magicrune.spec import ContainerSpec


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One backend. `usable` means that the trial ran and all its controls were held."""

    backend: str
    usable: bool
    version: str
    problem: str = ""
    fix: str = ""
    controls: tuple[ControlReading, ...] = field(default=())
    timings: dict[str, float] = field(default_factory=dict)


def examine(names: Sequence[str] = BACKENDS) -> tuple[Diagnosis, ...]:
    """Tries each backend once, and each further OCI runtime that it has (``oci:runc``). What
    fails is a problem in its diagnosis, not an exception."""
    policy = load_policy(find_policy(None))
    spec = prepare(parse_request(b'{"cmd": "true"}'), policy, seed=None, timeout_sec=20)
    # With one entry, so that what brokers connections is tried as well; nobody is asked for it.
    networked = replace(spec, net=(NetRule.parse("magicrune.invalid:443"),))
    found: list[Diagnosis] = []
    for name in names:
        found += _examine(name, spec if name in WITHOUT_NETWORK else networked)
    return tuple(found)


def clean(names: Sequence[str] = BACKENDS) -> dict[str, tuple[str, ...]]:
    """Removes what crashed runs and builds left; by backend, and for the quarantine and the
    images, what was removed. A backend that cannot be used here has nothing of ours that could
    be asked for."""
    removed = {}
    for name in names:
        backend = make(name)
        sweep = getattr(backend, "sweep", None)
        if backend is not None and sweep is not None and backend.probe().usable:
            removed[name] = tuple(sweep())
    removed["images"] = keep.sweep()
    removed["quarantine"] = Quarantine(state_dir() / "quarantine").sweep()
    return removed


def _examine(name: str, spec: ContainerSpec) -> list[Diagnosis]:
    backend = make(name)
    if backend is None:
        return [Diagnosis(name, False, "", "not in this version")]
    probe = backend.probe()
    if not probe.usable:
        return [Diagnosis(name, False, probe.version, probe.detail, probe.fix)]
    found = [_try(backend, spec, probe)]
    others = getattr(backend, "other_runtimes", None)
    for each in () if others is None else others():
        named = replace(probe, backend=f"{name}:{each}", version=each)
        found.append(_try(backend, replace(spec, oci_runtime=each), named))
    return found


def _try(backend: Backend, spec: ContainerSpec, probe: Probe) -> Diagnosis:
    name = probe.backend
    try:
        seen = backend.run(spec)
    except MagicRuneError as error:
        problem = ": ".join(filter(None, (error.code, error.where, error.message)))
        return Diagnosis(name, False, probe.version, problem, error.hint)
    loose = [reading.control for reading in seen.enforcement if not reading.held]
    ended = f"{seen.ending.value}, exit code {seen.exit_code}"
    fine = not loose and seen.exit_code == 0
    return Diagnosis(
        name,
        fine,
        probe.version,
        "" if fine else f"trial: {ended}; not held: {', '.join(loose) or 'none'}",
        "",
        seen.enforcement,
        dict(seen.timings),
    )
