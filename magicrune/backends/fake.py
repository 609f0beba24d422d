"""An honest test double: runs nothing and plays a prepared observation.

It is there to test what lies above a sandbox (pipeline, grading, ledger, command line)
without one. Its results say ``backend: fake``, and it can be chosen only where
``MAGICRUNE_UNSAFE_FAKE=1`` is set: nobody gets it by accident instead of a sandbox.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from magicrune.backends.base import Probe
from magicrune.cancellation import Cancellation
from magicrune.errors import BackendFailed
from magicrune.observation import (
    Artifact,
    ControlReading,
    Ending,
    Event,
    EventKind,
    Observation,
    Usage,
)
from magicrune.spec import ContainerSpec

ALLOW_VARIABLE = "MAGICRUNE_UNSAFE_FAKE"
SCRIPT_VARIABLE = "MAGICRUNE_FAKE_OBSERVATION"


class FakeBackend:
    """Plays `script` (a JSON file), or a job that printed nothing and exited 0.

    Keys of the script, all optional: ``ending, exit_code, signal, stdout, stderr,
    stdout_truncated, stderr_truncated, telemetry_complete, events[{at_ms, kind, detail}],
    artifacts[{path, content}], artifacts_skipped[[path, reason]], enforcement[...],
    usage{...}, raises`` (``BackendFailed`` with this text instead of an observation).
    """

    name = "fake"

    def __init__(self, script: Path | None = None) -> None:
        self._script = script

    @classmethod
    def from_environment(cls) -> FakeBackend:
        """The double with the script that ``MAGICRUNE_FAKE_OBSERVATION`` names, if any."""
        named = os.environ.get(SCRIPT_VARIABLE)
        return cls(Path(named) if named else None)

    def probe(self) -> Probe:
        """Usable only where the environment allows it."""
        allowed = os.environ.get(ALLOW_VARIABLE) == "1"
        return Probe(
            backend=self.name,
            usable=allowed,
            version="0",
            detail="" if allowed else "it runs nothing and is for tests only",
            fix="" if allowed else f"set {ALLOW_VARIABLE}=1 to use it in a test",
        )

    def run(
        self,
        spec: ContainerSpec,  # noqa: ARG002 - nothing is run
        cancellation: Cancellation | None = None,
    ) -> Observation:
        """The prepared observation. Raises BackendFailed where the script is unusable."""
        (cancellation or Cancellation()).begin()
        try:
            script = json.loads(self._script.read_bytes()) if self._script else {}
            return _observation(script)
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise BackendFailed(f"bad script: {error}", where=str(self._script)) from error


def _observation(script: object) -> Observation:
    if not isinstance(script, dict):
        raise TypeError("it must be an object")
    take: dict[str, Any] = dict(script)
    if "raises" in take:
        raise BackendFailed(str(take["raises"]), where="fake")
    stdout, stderr = take.pop("stdout", "").encode(), take.pop("stderr", "").encode()
    events = tuple(
        Event(event["at_ms"], EventKind(event["kind"]), event.get("detail", {}))
        for event in take.pop("events", ())
    )
    usage = _usage(take.pop("usage", {}), len(stdout) + len(stderr))
    artifacts = tuple(_artifact(**item) for item in take.pop("artifacts", ()))
    counts: Mapping[EventKind, int] = Counter(event.kind for event in events)
    skipped = tuple((path, reason) for path, reason in take.pop("artifacts_skipped", ()))
    readings = tuple(ControlReading(**item) for item in take.pop("enforcement", ()))
    ending = Ending(take.pop("ending", "exited"))
    exit_code = take.pop("exit_code", 0 if ending is Ending.EXITED else None)
    flags = {
        "stdout_truncated": take.pop("stdout_truncated", False),
        "stderr_truncated": take.pop("stderr_truncated", False),
        "telemetry_complete": take.pop("telemetry_complete", True),
    }
    signal = take.pop("signal", None)
    if take:
        raise ValueError(f"unknown keys {sorted(take)}")
    return Observation(
        backend=FakeBackend.name,
        ending=ending,
        exit_code=exit_code,
        signal=signal,
        stdout=stdout,
        stderr=stderr,
        events=events,
        event_counts=counts,
        artifacts=artifacts,
        artifacts_skipped=skipped,
        usage=usage,
        enforcement=readings,
        image_digest=None,
        timings={"run_ms": usage.wall_ms},
        **flags,
    )


def _usage(given: dict[str, Any], output_bytes: int) -> Usage:
    neutral: dict[str, Any] = {
        "wall_ms": 0.0,
        "cpu_ms": None,
        "memory_peak_bytes": None,
        "processes": None,
        "tmp_peak_bytes": None,
        "files_peak": None,
        "output_bytes": output_bytes,
    }
    return Usage(**(neutral | given))


def _artifact(path: str, content: str) -> Artifact:
    data = content.encode()
    return Artifact(path, len(data), hashlib.sha256(data).hexdigest(), data)
