"""The seam for sandboxes: what every backend offers to the pipeline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from magicrune.cancellation import Cancellation
from magicrune.observation import Observation
from magicrune.spec import ContainerSpec


@dataclass(frozen=True, slots=True)
class Probe:
    """Whether a backend can be used here, and if not, why and what mends it."""

    backend: str
    usable: bool
    version: str
    detail: str = ""
    fix: str = ""


class Backend(Protocol):
    """A kind of sandbox. `run()` uses a fresh one each time and leaves nothing behind."""

    name: str

    def probe(self) -> Probe:
        """Looks, cheaply and without side effects, whether `run()` can work here."""

    def run(self, spec: ContainerSpec, cancellation: Cancellation | None = None) -> Observation:
        """Runs the job once and tells what was seen.

        Raises BackendUnavailable, BackendFailed, ControlNotHeld or ProgramInvalid for
        our own failures; everything that the job does is in the observation. Raises
        RunInterrupted where `cancellation` was used before the job had ended: nothing of
        it is left by then.
        """
