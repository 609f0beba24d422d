"""What init told of a run, collected frame by frame and held to the limits of the spec.

Init keeps those limits itself. They are checked here again because an init that does not
keep them is no longer ours, and its host must not run out of memory for it.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from magicrune.backends.rune.frames import Frame, FrameInvalid
from magicrune.backends.rune.record import ARTIFACT_FILES
from magicrune.observation import Artifact

if TYPE_CHECKING:
    from magicrune.spec import Limits

_EVENTS_MAX = 2000
"""Lines: init's caps (PROTOCOL.md, Events) add up to 1470."""
_SKIPPED_MAX = 3 * ARTIFACT_FILES
_SIZE_BYTES = 8
_DIGEST_BYTES = 32


class Transcript:
    """`report` is init's exit report; None as long as (or where) there is none."""

    def __init__(self, limits: Limits, artifacts_dir: str) -> None:
        self._limits = limits
        self._artifacts_dir = artifacts_dir.rstrip("/") + "/"
        self.stdout = bytearray()
        self.stderr = bytearray()
        self.event_lines: list[dict[str, Any]] = []
        self.skipped: list[tuple[str, str]] = []
        self.report: dict[str, Any] | None = None
        self._artifacts: list[tuple[str, int, str | None, bytearray]] = []
        self._artifact_bytes = 0
        self._take = {
            "O": self._output,
            "E": self._output,
            "L": self._events,
            "F": self._artifact,
            "f": self._artifact_more,
            "H": self._artifact_named,
            "S": self._artifact_skipped,
            "X": self._report,
        }

    def take(self, frame: Frame) -> None:
        """Notes one frame. Raises FrameInvalid for one that init never sends here."""
        taker = self._take.get(frame.kind)
        if taker is None:
            raise FrameInvalid(f"type {frame.kind!r} while the job runs")
        taker(frame)

    def artifacts(self) -> tuple[Artifact, ...]:
        """The files that the job left, by path. One that was cut short is among `skipped`."""
        found = []
        for path, size, digest, content in self._artifacts:
            if digest is not None:
                found.append(Artifact(path, size, digest, None))
            elif len(content) == size:
                data = bytes(content)
                found.append(Artifact(path, size, hashlib.sha256(data).hexdigest(), data))
            else:
                self.skipped.append((path, "changed"))
        return tuple(sorted(found, key=lambda each: each.path))

    def _output(self, frame: Frame) -> None:
        stream = self.stdout if frame.kind == "O" else self.stderr
        stream += frame.payload
        if len(self.stdout) + len(self.stderr) > self._limits.output_bytes:
            raise FrameInvalid("more output than the limit lets through")

    def _events(self, frame: Frame) -> None:
        for line in frame.payload.splitlines():
            self.event_lines.append(read_object(line))
        if len(self.event_lines) > _EVENTS_MAX:
            raise FrameInvalid(f"more than {_EVENTS_MAX} events")

    def _artifact(self, frame: Frame) -> None:
        size, path, data = self._sized(frame.payload, _SIZE_BYTES)
        self._artifacts.append((path, size, None, bytearray()))
        self._count()
        self._add(data)

    def _artifact_more(self, frame: Frame) -> None:
        if not self._artifacts:
            raise FrameInvalid("content of no artifact")
        self._add(frame.payload)

    def _add(self, data: bytes) -> None:
        _, size, digest, content = self._artifacts[-1]
        content += data
        self._artifact_bytes += len(data)
        if digest is not None or len(content) > size:
            raise FrameInvalid("an artifact longer than was said")
        if self._artifact_bytes > self._limits.artifact_bytes:
            raise FrameInvalid("more artifacts than the limit lets through")

    def _artifact_named(self, frame: Frame) -> None:
        size, path, _ = self._sized(frame.payload, _SIZE_BYTES + _DIGEST_BYTES)
        digest = frame.payload[_SIZE_BYTES : _SIZE_BYTES + _DIGEST_BYTES].hex()
        self._artifacts.append((path, size, digest, bytearray()))
        self._count()

    def _count(self) -> None:
        if len(self._artifacts) > ARTIFACT_FILES:
            raise FrameInvalid(f"more than {ARTIFACT_FILES} artifacts")

    def _artifact_skipped(self, frame: Frame) -> None:
        reason, _, path = frame.payload.partition(b"\0")
        place = self._path(path.removesuffix(b"\0"))
        self.skipped.append((place, reason.decode("ascii", "replace")))
        if len(self.skipped) > _SKIPPED_MAX:
            raise FrameInvalid(f"more than {_SKIPPED_MAX} artifacts skipped")

    def _report(self, frame: Frame) -> None:
        self.report = read_object(frame.payload)

    def _sized(self, payload: bytes, header: int) -> tuple[int, str, bytes]:
        end = payload.find(b"\0", header)
        if end < 0:
            raise FrameInvalid("an artifact without a path")
        size = int.from_bytes(payload[:_SIZE_BYTES], "little")
        return size, self._path(payload[header:end]), payload[end + 1 :]

    def _path(self, data: bytes) -> str:
        """Relative to the artifacts directory, as a result tells it."""
        return data.decode("utf-8", "surrogateescape").removeprefix(self._artifacts_dir)


def read_object(text: bytes) -> dict[str, Any]:
    """A JSON object of init's. Raises FrameInvalid for anything else."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FrameInvalid("no JSON") from error
    if not isinstance(value, dict):
        raise FrameInvalid("no JSON object")
    return value
