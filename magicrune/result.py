"""SpellResult: the only thing that a caller is ever given about a run."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from magicrune.display import escape
from magicrune.errors import PolicyViolation, ResultInvalid
from magicrune.grade import SCORE_MAX, Verdict
from magicrune.observation import Artifact, Ending, Observation, Usage
from magicrune.result_schema import Encoding, ResultControl, ResultUsage, SpellResult
from magicrune.spec import ContainerSpec

__all__ = [
    "VIOLATION",
    "Provenance",
    "SpellResult",
    "build_result",
    "output_sha256",
    "refusal_result",
    "to_json",
]

VIOLATION = "policy-violation"
"""The finding of a refusal; not a rule, since nothing was executed."""

_PATH_MAX = 4096
_HASH_HEADER = b"magicrune-output-1\n"
_NO_OUTPUT: Mapping[str, Any] = {
    "stdout": None,
    "stdout_encoding": "utf-8",
    "stderr": None,
    "stderr_encoding": "utf-8",
    "artifacts": (),
    "artifacts_skipped": (),
}


@dataclass(frozen=True, slots=True)
class Provenance:
    """What a result answers: the request, and the policy it was admitted under."""

    run_id: str
    request_sha256: str
    policy_sha256: str
    policy_id: str
    seed: int | None
    passed_over: tuple[str, ...] = ()
    """Backends preferred to the one used, with why they could not be (backends.select)."""


def build_result(
    spec: ContainerSpec,
    observation: Observation,
    verdict: Verdict,
    provenance: Provenance,
    *,
    attempt: int,
    quarantine: Path | str | None = None,
    timings: Mapping[str, float] | None = None,
    sbom_attestation: str | None = None,
) -> SpellResult:
    """The result of a run that was executed.

    A red one needs `quarantine`, where its output lies, and does not carry it. `timings`
    (milliseconds by phase) join those of the observation. Raises ResultInvalid where this
    does not make a result.
    """
    if provenance.run_id != spec.run_id:
        raise ResultInvalid(f"of {provenance.run_id}, but {spec.run_id} was run", where="result")
    withheld = verdict.colour == "red"
    return _validated(
        {
            **_provenance(provenance),
            **(_NO_OUTPUT if withheld else _output(observation)),
            "attempt": attempt,
            "verdict": verdict.colour,
            "risk_score": verdict.score,
            "executed": True,
            "ending": observation.ending,
            "exit_code": observation.exit_code,
            "duration_ms": _rounded(observation.usage.wall_ms),
            "stdout_trunc": observation.stdout_truncated,
            "stderr_trunc": observation.stderr_truncated,
            "withheld": withheld,
            "quarantine": str(quarantine) if withheld and quarantine is not None else None,
            "findings": _findings(verdict),
            "usage": _usage(observation.usage),
            "network": None if observation.network is None else asdict(observation.network),
            "backend": observation.backend,
            "enforcement": _enforcement(observation),
            "image_digest": observation.image_digest,
            "output_sha256": output_sha256(observation),
            "timings": _timings({**observation.timings, **(timings or {})}),
            "sbom_attestation": sbom_attestation,
        }
    )


def refusal_result(
    violation: PolicyViolation,
    provenance: Provenance,
    *,
    backend: str,
    timings: Mapping[str, float] | None = None,
) -> SpellResult:
    """The result of a request that its policy refused: red, nothing executed, no output.

    The process that tells it ends with 3, the exit code of PolicyViolation.
    """
    message = escape(str(violation), limit=1000)
    error = {"code": violation.code, "message": message, "retryable": violation.retryable}
    finding = {"rule": VIOLATION, "points": SCORE_MAX, "evidence": message, "hint": False}
    return _validated(
        {
            **_provenance(provenance),
            "attempt": 0,
            "verdict": "red",
            "risk_score": SCORE_MAX,
            "executed": False,
            "ending": Ending.POLICY_DENIED,
            "exit_code": None,
            "duration_ms": 0.0,
            **_NO_OUTPUT,
            "stdout_trunc": False,
            "stderr_trunc": False,
            "withheld": False,
            "quarantine": None,
            "findings": (finding,),
            "usage": None,
            "backend": backend,
            "enforcement": (),
            "image_digest": None,
            "output_sha256": None,
            "timings": _timings(timings or {}),
            "error": error,
        }
    )


def to_json(result: SpellResult) -> bytes:
    """The result as one line of JSON, ASCII only (safe to print), checked once more.

    Raises ResultInvalid (exit 2) where it does not fit its own schema.
    """
    document = _validated(result.model_dump(warnings=False)).model_dump(mode="json")
    text = json.dumps(document, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.encode("ascii") + b"\n"


def output_sha256(observation: Observation) -> str:
    """SHA-256 over stdout, stderr, exit code and artifacts.

    The bytes hashed are ``magicrune-output-1\\n`` and then fields, each an 8-byte
    big-endian length and that many bytes: stdout; ``whole`` or ``cut``; stderr; ``whole``
    or ``cut``; the exit code in decimal or ``none``; the number of artifacts in decimal;
    then for each artifact, sorted by the bytes of its path: path, size in decimal,
    SHA-256 of its content in hex. The length before each field keeps different outputs
    apart, whatever they hold.
    """
    digest = hashlib.sha256(_HASH_HEADER)
    code = observation.exit_code
    fields = [
        observation.stdout,
        b"cut" if observation.stdout_truncated else b"whole",
        observation.stderr,
        b"cut" if observation.stderr_truncated else b"whole",
        b"none" if code is None else b"%d" % code,
        b"%d" % len(observation.artifacts),
    ]
    for artifact in sorted(observation.artifacts, key=lambda each: _path_bytes(each.path)):
        size, content_hash = b"%d" % artifact.size, artifact.sha256.encode()
        fields += [_path_bytes(artifact.path), size, content_hash]
    for field in fields:
        digest.update(len(field).to_bytes(8, "big"))
        digest.update(field)
    return digest.hexdigest()


def _path_bytes(path: str) -> bytes:
    return path.encode("utf-8", "surrogateescape")


def _validated(fields: Mapping[str, Any]) -> SpellResult:
    try:
        return SpellResult.model_validate(fields)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(("result", *map(str, first["loc"])))
        raise ResultInvalid(str(first["msg"]), where=where, hint="a defect; report it") from error


def _provenance(provenance: Provenance) -> dict[str, Any]:
    return {name: getattr(provenance, name) for name in Provenance.__slots__}


def _output(observation: Observation) -> dict[str, Any]:
    stdout, stdout_encoding = _as_text(observation.stdout)
    stderr, stderr_encoding = _as_text(observation.stderr)
    return {
        "stdout": stdout,
        "stdout_encoding": stdout_encoding,
        "stderr": stderr,
        "stderr_encoding": stderr_encoding,
        "artifacts": tuple(map(_artifact, observation.artifacts)),
        "artifacts_skipped": _skipped(observation),
    }


def _as_text(data: bytes) -> tuple[str, Encoding]:
    try:
        return data.decode(), "utf-8"
    except UnicodeDecodeError:
        return base64.b64encode(data).decode(), "base64"


def _findings(verdict: Verdict) -> tuple[dict[str, Any], ...]:
    return tuple(
        {"rule": f.rule, "points": f.points, "evidence": f.evidence, "hint": f.hint}
        for f in verdict.findings
    )


def _artifact(artifact: Artifact) -> dict[str, Any]:
    content = artifact.content
    return {
        "path": _shown_path(artifact.path),
        "size": artifact.size,
        "sha256": artifact.sha256,
        "content_b64": None if content is None else base64.b64encode(content).decode(),
    }


def _skipped(observation: Observation) -> tuple[dict[str, str], ...]:
    return tuple(
        {"path": _shown_path(path), "reason": reason}
        for path, reason in observation.artifacts_skipped
    )


def _shown_path(path: str) -> str:
    """The path itself; escaped only where it is not Unicode, and so not JSON."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return escape(path, limit=_PATH_MAX)
    return path


def _enforcement(observation: Observation) -> tuple[dict[str, Any], ...]:
    return tuple(
        {name: getattr(reading, name) for name in ResultControl.model_fields}
        for reading in observation.enforcement
    )


def _usage(usage: Usage) -> dict[str, Any]:
    fields = {name: getattr(usage, name) for name in ResultUsage.model_fields}
    return {k: _rounded(v) if k.endswith("_ms") else v for k, v in fields.items()}


def _timings(timings: Mapping[str, float]) -> dict[str, Any]:
    return {phase: _rounded(ms) for phase, ms in timings.items()}


def _rounded(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else round(float(milliseconds), 3)
