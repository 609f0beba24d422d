"""The schema of a result: the models behind schemas/result.schema.json.

Output travels as text: `stdout` is the bytes read as UTF-8 where they are UTF-8
(`stdout_encoding` "utf-8"), and base64 of them where they are not ("base64"), so nothing
is lost. A red result carries no output and no artifacts (`withheld`): they are in
quarantine.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from magicrune.grade import SCORE_MAX
from magicrune.observation import Ending

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Count = Annotated[int, Field(ge=0)]
Milliseconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Encoding = Literal["utf-8", "base64"]


class _Part(BaseModel):
    # Deferred: only SpellResult's validator is ever used, and each one costs start-up time.
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)


class ResultFinding(_Part):
    """One finding of a rule; `rule` is an anchor in docs/rules.md."""

    rule: str
    points: Annotated[int, Field(ge=0, le=SCORE_MAX)]
    evidence: str
    hint: bool


class ResultArtifact(_Part):
    """A file that the job left; `content_b64` is null where the artifact ceiling was reached."""

    path: str
    size: Count
    sha256: Sha256
    content_b64: str | None


class SkippedArtifact(_Part):
    """Something in the artifacts directory that is not returned, and why."""

    path: str
    reason: str


class ResultControl(_Part):
    """One control of the sandbox: what was asked for and what was read back."""

    control: str
    mechanism: str
    wanted: str
    measured: str
    held: bool


class ResultUsage(_Part):
    """Measured, never estimated; null is "this backend cannot measure it"."""

    wall_ms: Milliseconds
    cpu_ms: Milliseconds | None
    memory_peak_bytes: Count | None
    processes: Count | None
    tmp_peak_bytes: Count | None
    files_peak: Count | None
    output_bytes: Count


class ResultConnection(_Part):
    """One connection that a rule allowed; see observation.ConnectionRecord."""

    name: str | None
    address: str
    port: Annotated[int, Field(ge=1, le=65535)]
    sent_bytes: Count
    received_bytes: Count
    opened_ms: Count
    duration_ms: Count
    outcome: Literal["closed", "reset", "cut", "dropped", "failed"]


class ResultNetwork(_Part):
    """What the job did by network; totals count everything, `connections` lists the first."""

    connections: tuple[ResultConnection, ...]
    connections_total: Count
    failed: Count
    refused: Count
    open_peak: Count
    sent_bytes: Count
    received_bytes: Count
    names: Count
    queries: Count


class ResultError(_Part):
    """Why nothing was executed."""

    code: str
    message: str
    retryable: bool


class SpellResult(_Part):
    """What one spell came to."""

    schema_version: Literal["1"] = "1"
    run_id: Annotated[str, Field(pattern=r"^r_[0-9a-f]{32}$")]
    attempt: Count
    """From 1, for each execution of the same run_id; 0 where nothing was executed."""
    verdict: Literal["green", "yellow", "red"]
    risk_score: Annotated[int, Field(ge=0, le=SCORE_MAX)]
    executed: bool
    ending: Ending
    exit_code: int | None
    """The job's own; null where it was ended before it had one."""
    duration_ms: Milliseconds
    stdout: str | None
    stdout_encoding: Encoding
    stdout_trunc: bool
    stderr: str | None
    stderr_encoding: Encoding
    stderr_trunc: bool
    withheld: bool
    """Output and artifacts exist and are not in this document."""
    quarantine: str | None
    findings: tuple[ResultFinding, ...]
    usage: ResultUsage | None
    network: ResultNetwork | None = None
    """Null: the run had no network."""
    artifacts: tuple[ResultArtifact, ...]
    artifacts_skipped: tuple[SkippedArtifact, ...]
    backend: str
    passed_over: tuple[str, ...] = ()
    """Backends that the policy prefers to this one, and why each could not be used."""
    enforcement: tuple[ResultControl, ...]
    seed: int | None
    request_sha256: Sha256
    policy_sha256: Sha256
    policy_id: str
    image_digest: str | None
    output_sha256: Sha256 | None
    """docs/architecture.md, "Output hash"; timings are no part of it."""
    timings: Mapping[str, Milliseconds]
    error: ResultError | None = None
    sbom_attestation: str | None = None

    @model_validator(mode="after")
    def _check_consistency(self) -> Self:
        if self.verdict == "red" and not self._is_empty():
            raise ValueError("a red result carries output")
        if self.withheld and (self.verdict != "red" or self.quarantine is None):
            raise ValueError("withheld output needs a red verdict and a place in quarantine")
        if self.executed and (self.output_sha256 is None or self.usage is None):
            raise ValueError("an executed run has an output hash and its usage")
        if self.executed and not self.withheld and (self.stdout is None or self.stderr is None):
            raise ValueError("output is missing, and nothing says that it is withheld")
        if not self.executed and (self.error is None or self.exit_code is not None):
            raise ValueError("a run that was not executed has an error and no exit code")
        return self

    def _is_empty(self) -> bool:
        return self.stdout is None and self.stderr is None and not self.artifacts
