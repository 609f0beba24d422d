"""``magicrune consume``, ``publish`` and ``result``: the queue's doors."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import Callable, Coroutine
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import click

from magicrune.cli_output import PROGRAM, write_stdout
from magicrune.errors import (
    CliUsage,
    DuplicateRequest,
    MagicRuneError,
    QueueUnavailable,
    ResultInvalid,
)
from magicrune.remedy import get_module
from magicrune.worker.settings import WorkerSettings, table

if TYPE_CHECKING:
    from magicrune.cancellation import Cancellation
    from magicrune.policy import Policy
    from magicrune.request import SpellRequest
    from magicrune.result import SpellResult
    from magicrune.worker.answers import Answer

_EPILOG = "\b\nEnvironment (docs/worker.md):\n" + "\n".join(
    f"  {name:30} {text}" + (f" [{default}]" if default else "") for name, default, text in table()
)
_url = click.option("--url", metavar="URL", help="The server.  [default: NATS_URL]")
_subject = click.option("--subject", metavar="SUBJECT", help="Queue.  [default: run.req.default]")


@click.command("consume", epilog=_EPILOG)
@_url
@_subject
@click.option(
    "--concurrency",
    type=click.IntRange(1, 256),
    default=2,
    show_default=True,
    help="Jobs at a time.",
)
@click.option("--policy", metavar="NAME|FILE", help="As for exec.  [default: default]")
@click.option(
    "--backend",
    type=click.Choice(["auto", "wasi", "oci", "podman", "docker"]),
    default="auto",
    show_default=True,
    help="The sandbox.",
)
@click.option("--strict", is_flag=True, help="Only the policy's first sandbox.")
@click.option("--health", metavar="[HOST:]PORT", help="Serve /healthz, /readyz and /metrics.")
@click.option("--migrate", is_flag=True, help="Change streams that have another configuration.")
def consume_command(
    url: str | None,
    subject: str | None,
    concurrency: int,
    policy: str | None,
    backend: str,
    strict: bool,
    health: str | None,
    migrate: bool,
) -> int:
    """Run requests from the queue, each once, until SIGTERM.

    SIGTERM finishes what runs (MAGICRUNE_GRACE_SEC), hands the rest back, exits 0.
    """
    from magicrune.policy import load_policy, wanted_policy
    from magicrune.worker.consumer import Worker

    settings = _settings(url=url, subject=subject)
    loaded = load_policy(wanted_policy(policy))

    async def work(execute: Callable[[SpellRequest, Cancellation], SpellResult]) -> None:
        worker = Worker(settings, execute, concurrency, health, loaded.sha256)
        await worker.work(migrate=migrate)

    with ExitStack() as opened:
        asyncio.run(work(executor(opened, loaded, backend, strict)))
    return 0


def executor(
    opened: ExitStack, policy: Policy, backend: str, strict: bool
) -> Callable[[SpellRequest, Cancellation], SpellResult]:
    """Runs requests under `policy` until `opened` is closed. Raises BackendUnavailable."""
    from magicrune.backends.select import choose
    from magicrune.ledger import Ledger
    from magicrune.locations import state_dir
    from magicrune.pipeline import execute, needs_network
    from magicrune.quarantine import Quarantine

    choice = choose(backend, policy.runtime.backends, strict=strict)
    for reason in choice.passed_over:
        print(f"{PROGRAM}: not used: {reason}", file=sys.stderr, flush=True)
    state = state_dir()
    ledger = opened.enter_context(Ledger(state / "ledger.sqlite3"))
    quarantine = Quarantine(state / "quarantine")

    def run(request: SpellRequest, cancellation: Cancellation) -> SpellResult:
        chosen = choice
        if needs_network(request, policy):
            chosen = choose(backend, policy.runtime.backends, strict=strict, network=True)
        return execute(
            request,
            policy,
            chosen.backend,
            ledger=ledger,
            quarantine=quarantine,
            passed_over=chosen.passed_over,
            cancellation=cancellation,
        )

    return run


@click.command("publish", epilog=_EPILOG)
@click.argument(
    "files", metavar="FILE...", nargs=-1, required=True, type=click.Path(allow_dash=True)
)
@_url
@_subject
@click.option(
    "--wait",
    type=click.FloatRange(0, 86_400),
    metavar="SECONDS",
    help="Wait for each answer and print it; the exit code is then the worst answer's.",
)
@click.option("--attach", is_flag=True, help="Of a request known already: print that answer.")
def publish_command(
    files: tuple[str, ...], url: str | None, subject: str | None, wait: float | None, attach: bool
) -> int:
    """Queue requests. Prints a run id for each, or with --wait its answer.

    A request that is queued or answered already is not queued again: exit code 4, naming
    the run, unless --attach is given.
    """
    settings = _settings(url=url, subject=subject)
    requests = [_read(name) for name in files]
    return _asked(_publish(settings, requests, wait, attach))


async def _publish(
    settings: WorkerSettings,
    requests: list[tuple[SpellRequest, bytes]],
    wait: float | None,
    attach: bool,
) -> int:
    from magicrune.request import run_id
    from magicrune.worker.progress import Progress
    from magicrune.worker.publisher import Publisher

    publisher = await Publisher.connected(settings)
    progress = Progress()
    worst = 0
    try:
        names = []
        telling = wait is None and not attach
        for request, data in requests:
            try:
                names.append(await publisher.publish(request, data))
            except DuplicateRequest:
                if not attach:
                    raise
                names.append(run_id(request))
            if telling:  # at once: the next one may fail
                write_stdout(json.dumps({"run_id": names[-1], "queued": True}).encode() + b"\n")
        for place, name in enumerate(() if telling else names, 1):

            def look(left: float, what: str = f"{name} ({place} of {len(names)})") -> None:
                progress.show(f"waiting for {what}, {left:.0f} s more")

            answer = await publisher.answer(name, 60.0 if wait is None else wait, look)
            progress.clear()
            worst = max(worst, _print_answer(answer))
    finally:
        progress.clear()
        await publisher.close()
    return worst


@click.command("result", epilog=_EPILOG)
@click.argument("run_id")
@_url
@click.option("--wait", type=click.FloatRange(0, 86_400), default=0.0, metavar="SECONDS")
def result_command(run_id: str, url: str | None, wait: float) -> int:
    """Print the stored answer to a run; the exit code is as exec's."""
    if not re.fullmatch(r"r_[0-9a-f]{32}", run_id):
        raise CliUsage("is no run id", where=run_id[:60], hint="r_ and 32 hex digits")
    return _asked(_look(_settings(url=url), run_id, wait))


async def _look(settings: WorkerSettings, run_id: str, wait: float) -> int:
    from magicrune.worker.publisher import Publisher

    publisher = await Publisher.connected(settings)
    try:
        return _print_answer(await publisher.answer(run_id, wait))
    finally:
        await publisher.close()


def _asked(work: Coroutine[Any, Any, int]) -> int:
    """A server that goes away in the middle is one that is not there."""
    from nats.errors import Error

    try:
        return asyncio.run(work)
    except (TimeoutError, Error, OSError) as error:
        raise QueueUnavailable(f"{error or type(error).__name__}", where="NATS") from error


def _print_answer(answer: Answer) -> int:
    """Exit code of an answer: a result's verdict, or that of our own failure.

    Raises ResultInvalid for what no worker of ours has stored.
    """
    from pydantic import ValidationError

    from magicrune.grade import EXIT_CODES
    from magicrune.result import SpellResult

    if answer.kind == "error":
        write_stdout(_as_error(answer.document))
        return MagicRuneError.exit_code
    try:
        result = SpellResult.model_validate_json(answer.document)
    except ValidationError as error:
        raise ResultInvalid(
            f"the stored answer is no result: {error.error_count()} errors", where="run.res"
        ) from None
    write_stdout(answer.document)
    return EXIT_CODES[result.verdict] if result.executed else 3


def _as_error(document: bytes) -> bytes:
    """An error document, spelled by us: who may write to run.res could put anything there."""
    try:
        told = json.loads(document)
        if not isinstance(told["error"]["code"], str):
            raise TypeError
    except (ValueError, TypeError, KeyError, RecursionError):
        raise ResultInvalid("the stored answer is no error document", where="run.res") from None
    return json.dumps(told).encode() + b"\n"


def _need_client() -> None:
    """Raises QueueUnavailable where the extra `worker` was not installed."""
    try:
        import nats  # noqa: F401
    except ImportError as error:
        raise QueueUnavailable(
            f"the NATS client cannot be used: {error}", hint=get_module("nats-py[nkeys]>=2.9,<3")
        ) from error


def _settings(url: str | None = None, subject: str | None = None) -> WorkerSettings:
    _need_client()
    return WorkerSettings.from_environment(url=url, subject=subject)


def _read(name: str) -> tuple[SpellRequest, bytes]:
    from magicrune.request import parse_request
    from magicrune.strictjson import read_limited

    data = read_limited(sys.stdin.buffer if name == "-" else name)
    return parse_request(data), data
