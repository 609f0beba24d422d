"""A container as a backend: one spec, one container, one observation, whatever the engine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from magicrune.backends.rune.channel import Channel
from magicrune.backends.rune.container import Container, lower
from magicrune.backends.rune.controls import (
    read_container,
    read_controls,
    read_runtime,
    require_held,
)
from magicrune.backends.rune.controls_cgroup import read_sockets
from magicrune.backends.rune.events import count_events, is_complete, read_events
from magicrune.backends.rune.frames import FrameInvalid
from magicrune.backends.rune.network import DESCRIPTORS, add_network, brokering
from magicrune.backends.rune.outcome import Outcome, read_outcome
from magicrune.backends.rune.seccomp import load
from magicrune.backends.rune.session import converse
from magicrune.backends.rune.socket_memory import SocketMemory
from magicrune.backends.rune.spent import read_spent
from magicrune.backends.rune.starting import how_to_start
from magicrune.cancellation import Cancellation
from magicrune.errors import BackendFailed, SandboxLost
from magicrune.observation import ControlReading, Ending, Event, EventKind, Observation
from magicrune.owner import own
from magicrune.stopwatch import Stopwatch

if TYPE_CHECKING:
    from magicrune.backends.base import Probe
    from magicrune.backends.rune.engine import Engine, FoundImage, Running
    from magicrune.backends.rune.transcript import Transcript
    from magicrune.spec import ContainerSpec

DEFAULT_IMAGE = "python"


class ContainerBackend:
    """Runs jobs in single-use containers of one engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.name = engine.name

    def probe(self) -> Probe:
        return self._engine.probe()

    def other_runtimes(self) -> tuple[str, ...]:
        """See rune/engine.py."""
        return self._engine.other_runtimes()

    def require_runtime(self, name: str) -> None:
        """Raises BackendUnavailable where the engine has no OCI runtime of that name."""
        self._engine.require_runtime(name)

    def run(self, spec: ContainerSpec, cancellation: Cancellation | None = None) -> Observation:
        """See base.Backend."""
        cancellation = cancellation or Cancellation()
        clock = Stopwatch()
        container, image = self.prepare(spec)
        clock.lap("prepare_ms")
        cancellation.check()
        readings: list[ControlReading] = []
        sockets = SocketMemory(container.socket_bytes)

        def how_to_hold(control: str) -> str:
            named = container.oci_runtime
            other = f"# the runtime {named} does not hold it; crun and runc do" if named else ""
            return self._engine.how_to_hold(control) or other

        def approve(container_stage: dict[str, Any], job_stage: dict[str, Any] | None) -> None:
            clock.lap("start_ms")
            told = self._tell(spec, container)
            if job_stage is None:  # init is ending: an engine may know its container no more
                readings.extend(read_container(container_stage, **told))
                require_held(readings, how_to_hold)
                return
            if container.oci_runtime is not None:
                readings.append(read_runtime(container.oci_runtime, running.runtime()))
            readings.extend(read_controls(container_stage, job_stage, **told))
            readings.append(read_sockets(container_stage, container, sockets.trouble))
            if network is not None:
                readings.append(network.receive(channel.take_descriptors()))
            require_held(readings, how_to_hold)
            cancellation.begin()
            if network is not None:
                network.begin()

        with (
            _told_of_cancelling(cancellation),
            _running(self._engine, container, image) as running,
            brokering(spec) as network,
        ):
            channel = Channel(running.connection, descriptors=DESCRIPTORS if network else 0)
            try:
                with cancellation.ending_by(channel.cut):
                    transcript = converse(
                        channel, spec, approve, lambda: sockets.limit(running.memory_group())
                    )
            finally:
                channel.close()
            if transcript.report is None:
                cancellation.check()
            clock.lap("run_ms")
        clock.lap("remove_ms")
        seen = _observe(self.name, spec, transcript, tuple(readings), image.digest, clock.laps)
        return seen if network is None else add_network(seen, network)

    def _tell(self, spec: ContainerSpec, container: Container) -> dict[str, Any]:
        """What measured controls are compared with."""
        return {
            "spec": spec,
            "wanted": container,
            "host_namespaces": _own_namespaces(),
            "host_has_swap": _has_swap(),
            "own_mounts": self._engine.own_mounts,
            "rootless": self._engine.rootless,
        }

    def prepare(self, spec: ContainerSpec) -> tuple[Container, FoundImage]:
        """The container for `spec`, and the image in the engine's words; starts nothing.

        Raises ImageMissing, SeccompProfileInvalid.
        """
        profile = load(spec.seccomp)
        container = lower(spec, profile=profile, image=DEFAULT_IMAGE, owner=own())
        image = self._engine.find_image(container.image, container.image_digest)
        return container, image

    def explain(self, spec: ContainerSpec) -> dict[str, Any]:
        """What the engine would be told to make the sandbox of `spec`."""
        return self._engine.words(*self.prepare(spec))

    def sweep(self) -> tuple[str, ...]:
        """Removes containers whose owner has ended; their names."""
        return self._engine.sweep()


@contextmanager
def _told_of_cancelling(cancellation: Cancellation) -> Iterator[None]:
    """A sandbox that broke because we cut it off is not a broken one."""
    try:
        yield
    except BackendFailed:
        cancellation.check()
        raise


@contextmanager
def _running(engine: Engine, container: Container, image: FoundImage) -> Iterator[Running]:
    """A started container, removed at the end. A failure tells what the engine said."""
    try:
        running = engine.start(container, image)
    except BackendFailed as error:
        hint = error.hint or how_to_start(error.message, container)
        raise type(error)(error.message, where=error.where, hint=hint) from error
    try:
        yield running
    except BackendFailed as error:
        running.remove()
        said = running.complaint()
        text = f"{error.message}: {said[:500]}" if said else error.message
        hint = error.hint or how_to_start(text, container)
        raise type(error)(text, where=error.where, hint=hint) from error
    except BaseException:
        running.remove()
        raise
    else:
        running.remove()


def _observe(
    backend: str,
    spec: ContainerSpec,
    transcript: Transcript,
    readings: tuple[ControlReading, ...],
    digest: str,
    laps: dict[str, float],
) -> Observation:
    output_bytes = len(transcript.stdout) + len(transcript.stderr)
    outcome, events, counts, complete = _interpret(spec, transcript, output_bytes)
    report = transcript.report or {}
    artifacts = transcript.artifacts()
    return Observation(
        backend=backend,
        ending=outcome.ending,
        exit_code=outcome.exit_code,
        signal=outcome.signal,
        stdout=bytes(transcript.stdout),
        stderr=bytes(transcript.stderr),
        stdout_truncated=bool(report["stdout_cut"]),
        stderr_truncated=bool(report["stderr_cut"]),
        events=events,
        event_counts=counts,
        telemetry_complete=complete,
        artifacts=artifacts,
        artifacts_skipped=tuple(transcript.skipped),
        usage=outcome.usage,
        enforcement=(*readings, *read_spent(spec.limits, outcome)),
        image_digest=digest,
        timings={name: round(ms, 3) for name, ms in laps.items()},
    )


def _interpret(
    spec: ContainerSpec, transcript: Transcript, output_bytes: int
) -> tuple[Outcome, tuple[Event, ...], dict[EventKind, int], bool]:
    """What the transcript says. One that makes no sense, or has no report, is of an init that
    was killed, silenced or taken: nothing is concluded from what it said before.

    Raises SandboxLost.
    """
    report = transcript.report
    if report is None:
        raise SandboxLost(_UNKNOWN, where="rune-init", hint=_LOST)
    try:
        events = tuple(read_events(transcript.event_lines, spec.mounts))
        outcome = read_outcome(report, output_bytes)
        counts = count_events(report["events"], events)
        counts[EventKind.LIMIT] = outcome.limit_count
        complete = is_complete(report) and not report["survivors"]
    except (FrameInvalid, KeyError, TypeError, ValueError, AttributeError) as error:
        raise SandboxLost(f"{_UNKNOWN}: {error}", where="rune-init") from error
    if outcome.ending is Ending.INFRA_ERROR:
        raise SandboxLost("was told from outside to end the job", where="rune-init")
    return outcome, (*events, *outcome.limit_events), _nonzero(counts), complete


_UNKNOWN = "ended without a report that makes sense: how the job ended is unknown"
_LOST = "killed from outside, or for lack of memory (dmesg tells)"


def _nonzero(counts: dict[EventKind, int]) -> dict[EventKind, int]:
    return {kind: count for kind, count in counts.items() if count}


def _own_namespaces() -> dict[str, str]:
    """Inode numbers of this process's namespaces, as init tells its own."""
    found = {}
    for name in ("pid", "mnt", "net", "ipc", "uts", "user", "cgroup"):
        target = str(Path(f"/proc/self/ns/{name}").readlink())
        found[name] = target.partition("[")[2].rstrip("]")
    return found


def _has_swap() -> bool:
    return len(Path("/proc/swaps").read_text().splitlines()) > 1
