"""The story of one spell: admit, plan, run, grade, put away, tell."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from magicrune.admission import admit
from magicrune.errors import MagicRuneError, PolicyViolation, RunInterrupted, Unexpected, translate
from magicrune.grade import EXIT_CODES, grade
from magicrune.locations import state_dir
from magicrune.request import request_sha256, run_id
from magicrune.result import Provenance, build_result, refusal_result, to_json
from magicrune.spec import plan
from magicrune.stopwatch import Stopwatch

if TYPE_CHECKING:
    from magicrune.backends.base import Backend
    from magicrune.backends.select import Choice
    from magicrune.cancellation import Cancellation
    from magicrune.ledger import Ledger
    from magicrune.observation import Observation
    from magicrune.policy import Policy
    from magicrune.quarantine import Quarantine
    from magicrune.request import SpellRequest
    from magicrune.result import SpellResult
    from magicrune.spec import ContainerSpec

_MESSAGE_MAX = 1000


def execute(  # noqa: PLR0913 - each is a part of the story
    request: SpellRequest,
    policy: Policy,
    backend: Backend,
    *,
    ledger: Ledger,
    quarantine: Quarantine,
    seed: int | None = None,
    timeout_sec: int | None = None,
    passed_over: tuple[str, ...] = (),
    cancellation: Cancellation | None = None,
) -> SpellResult:
    """Runs a request once under a policy and tells what came of it.

    `seed` and `timeout_sec` (seconds) stand in for the request's own. A refusal by the
    policy is a result too (red, not executed). `passed_over` tells which backends were
    preferred to this one. Raises a MagicRuneError where *we* failed, RunInterrupted where
    another thread used `cancellation`;
    the ledger has it by then, as it has an interruption (KeyboardInterrupt).
    """
    clock = Stopwatch()
    known = _identify(request, policy, seed, passed_over)
    try:
        spec = prepare(request, policy, seed=seed, timeout_sec=timeout_sec)
    except PolicyViolation as violation:
        return _refuse(violation, known, backend.name, ledger)
    clock.lap("admit_ms")
    with _attempt(ledger, backend.name, known) as attempt:
        observation = backend.run(spec, cancellation)
        clock.lap("sandbox_ms")
        verdict = grade(spec, observation, policy.grading.thresholds)
        red = verdict.colour == "red"
        place = quarantine.path_of(spec.run_id, attempt) if red else None
        clock.lap("grade_ms")
        result = build_result(
            spec,
            observation,
            verdict,
            known,
            attempt=attempt,
            quarantine=place,
            timings=clock.laps,
        )
        _put_away(result, observation, attempt, ledger, quarantine)
    return result


def execute_here(
    request: SpellRequest,
    policy: Policy,
    choice: Choice,
    *,
    seed: int | None = None,
    timeout_sec: int | None = None,
    cancellation: Cancellation | None = None,
) -> SpellResult:
    """`execute` in the sandbox of `choice`, with the ledger and the quarantine of this user.

    Raises as `execute` does, and LedgerFailed where the ledger cannot be opened.
    """
    from magicrune.ledger import Ledger
    from magicrune.quarantine import Quarantine

    state = state_dir()
    with Ledger(state / "ledger.sqlite3") as ledger:
        return execute(
            request,
            policy,
            choice.backend,
            ledger=ledger,
            quarantine=Quarantine(state / "quarantine"),
            seed=seed,
            timeout_sec=timeout_sec,
            passed_over=choice.passed_over,
            cancellation=cancellation,
        )


def rehearse(
    request: SpellRequest,
    policy: Policy,
    backend: Backend,
    *,
    seed: int | None = None,
    timeout_sec: int | None = None,
) -> dict[str, Any]:
    """What `execute` would do, without doing it: a document for a person or a test.

    Raises as `execute` does, PolicyViolation included. Contents and values that the
    request brought are not repeated.
    """
    spec = prepare(request, policy, seed=seed, timeout_sec=timeout_sec)
    limits = spec.limits
    return {
        "dry_run": True,
        "executed": False,
        **asdict(_identify(request, policy, seed)),
        "backend": backend.name,
        "argv": list(spec.argv),
        "cwd": spec.cwd,
        "env": sorted(name for name, _ in spec.env),
        "stdin_bytes": len(spec.stdin),
        "files": [{"path": file.path, "size": len(file.content)} for file in spec.files],
        "mounts": [{"path": mount.path, "writable": mount.writable} for mount in spec.mounts],
        "net": [str(rule) for rule in spec.net],
        "host_loopback": [str(rule) for rule in spec.host_loopback],
        "net_limits": asdict(spec.net_limits) if spec.has_network else None,
        "limits": {name: getattr(limits, name) for name in type(limits).__slots__},
    }


def prepare(
    request: SpellRequest, policy: Policy, *, seed: int | None, timeout_sec: int | None
) -> ContainerSpec:
    """The sandbox for a request, complete. Raises PolicyViolation."""
    grant = admit(request, policy, timeout_sec=timeout_sec)
    effective = request.seed if seed is None else seed
    return plan(request, grant, run_id=run_id(request, effective), seed=effective)


def needs_network(request: SpellRequest, policy: Policy) -> bool:
    """Whether the request is granted destinations, so that only some sandboxes will do.

    False where the policy refuses it: that refusal is a result, whatever could run it.
    """
    if not request.allow_net:
        return False
    try:
        grant = admit(request, policy)
    except PolicyViolation:
        return False
    return bool(grant.net or grant.host_loopback)


def exit_code(result: SpellResult) -> int:
    """What a process that tells this result ends with (docs/architecture.md)."""
    return EXIT_CODES[result.verdict] if result.executed else PolicyViolation.exit_code


def _identify(
    request: SpellRequest, policy: Policy, seed: int | None, passed_over: tuple[str, ...] = ()
) -> Provenance:
    effective = request.seed if seed is None else seed
    return Provenance(
        run_id=run_id(request, effective),
        request_sha256=request_sha256(request),
        policy_sha256=policy.sha256,
        policy_id=policy.policy_id,
        seed=effective,
        passed_over=passed_over,
    )


def _refuse(
    violation: PolicyViolation, known: Provenance, backend: str, ledger: Ledger
) -> SpellResult:
    result = refusal_result(violation, known, backend=backend)
    ledger.refuse(
        known.run_id,
        request_sha256=known.request_sha256,
        policy_sha256=known.policy_sha256,
        backend=backend,
        error_code=violation.code,
        message=str(violation)[:_MESSAGE_MAX],
        result_json=to_json(result),
    )
    return result


def _put_away(
    result: SpellResult,
    observation: Observation,
    attempt: int,
    ledger: Ledger,
    quarantine: Quarantine,
) -> None:
    """Red output first: nobody is told of it before it is safe."""
    document = to_json(result)
    if result.verdict == "red":
        quarantine.store(result.run_id, attempt, observation, document)
    ledger.finish(
        result.run_id,
        attempt,
        verdict=result.verdict,
        ending=result.ending.value,
        score=result.risk_score,
        result_json=document,
        duration_ms=result.duration_ms,
    )


@contextmanager
def _attempt(ledger: Ledger, backend: str, known: Provenance) -> Iterator[int]:
    """An attempt in the ledger, marked as failed whatever leaves the block by an exception."""
    attempt = ledger.begin(
        known.run_id,
        request_sha256=known.request_sha256,
        policy_sha256=known.policy_sha256,
        backend=backend,
    )
    try:
        yield attempt
    except BaseException as failure:
        message = f"{type(failure).__name__}: {failure}"[:_MESSAGE_MAX]
        try:
            ledger.fail(known.run_id, attempt, _code_of(failure), message)
        except MagicRuneError as unrecorded:
            # The row stays "running" and is told as crashed once this process is gone.
            failure.add_note(f"not recorded in the ledger: {unrecorded}")
        raise


def _code_of(failure: BaseException) -> str:
    if isinstance(failure, MagicRuneError):
        return failure.code
    if isinstance(failure, Exception):
        return translate(failure).code
    return RunInterrupted.code if isinstance(failure, KeyboardInterrupt) else Unexpected.code
