"""OpenTelemetry spans of each request, where OTEL_* asks for them; nothing otherwise."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Mapping
from typing import Any, Protocol

from magicrune.errors import CliUsage

_ASKING = (
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_TRACES_EXPORTER",
)
_LAST = frozenset({"done", "abandon", "release", "dead", "unknown"})
_NAMES = {"run": "run", "commit": "commit", "told": "ack", "known": "ack"}
"""What lasts from an event (delivery.py) until the next one."""
_PHASES = ("admit", "sandbox", "grade")
"""Of pipeline.py; the backend's own phases lie within `sandbox`."""


class Tracer(Protocol):
    """Hears every event of a delivery."""

    def note(self, event: str, fields: Mapping[str, Any]) -> None: ...

    def close(self) -> None: ...


class Untraced:
    """Nobody asked."""

    def note(self, event: str, fields: Mapping[str, Any]) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


def make_tracer(worker: str) -> Tracer:
    """By the environment. Raises CliUsage where spans are asked for and cannot be sent."""
    asked = any(os.environ.get(name) for name in _ASKING)
    if not asked or os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return Untraced()
    exporter = os.environ.get("OTEL_TRACES_EXPORTER", "otlp")
    if exporter == "none":
        return Untraced()
    if exporter != "otlp":
        raise CliUsage("only otlp (over HTTP) and none are known", where="OTEL_TRACES_EXPORTER")
    try:
        return OtlpTracer(worker)
    except ImportError as error:
        hint = "pip install 'magicrune[otel]', or unset OTEL_*"
        raise CliUsage("OpenTelemetry is not installed", where="OTEL_*", hint=hint) from error


class OtlpTracer:
    """One span a request, with one for each step and for each phase of the run."""

    def __init__(self, worker: str) -> None:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        named = {"service.name": "magicrune-worker"}
        resource = Resource({**named, "service.instance.id": worker}).merge(Resource.create())
        self._provider = TracerProvider(resource=resource)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("magicrune")
        self._open: dict[str, list[tuple[str, int]]] = {}

    def note(self, event: str, fields: Mapping[str, Any]) -> None:
        """Remembers the event; the last one of a request sends its spans."""
        run_id, now = fields.get("run_id"), time.time_ns()
        if run_id is None or (event != "run" and run_id not in self._open):
            return
        self._open.setdefault(run_id, []).append((event, now))
        if event in _LAST:
            self._send(run_id, self._open.pop(run_id), fields)

    def close(self) -> None:
        """Sends what is left."""
        self._provider.shutdown()

    def _send(self, run_id: str, events: list[tuple[str, int]], fields: Mapping[str, Any]) -> None:
        from opentelemetry.trace import set_span_in_context

        last, end = events[-1]
        attributes = {"magicrune.run_id": run_id, "magicrune.outcome": last}
        if fields.get("verdict"):
            attributes["magicrune.verdict"] = fields["verdict"]
        whole = self._tracer.start_span("request", start_time=events[0][1], attributes=attributes)
        below = set_span_in_context(whole)
        for (event, began), (_, ended) in itertools.pairwise(events):
            if event not in _NAMES:
                continue
            step = self._tracer.start_span(_NAMES[event], below, start_time=began)
            if event == "run":
                self._phases(fields.get("phases") or {}, ended, set_span_in_context(step))
            step.end(ended)
        whole.end(end)

    def _phases(self, phases: Mapping[str, float], end: int, below: Any) -> None:
        """The pipeline's own times, laid end to end before the run's end."""
        lasted = {name: int(phases.get(f"{name}_ms", 0) * 1e6) for name in _PHASES}
        at = end - sum(lasted.values())
        for name, nanoseconds in lasted.items():
            span = self._tracer.start_span(name, below, start_time=at)
            at += nanoseconds
            span.end(at)
