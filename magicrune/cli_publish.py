"""``magicrune publish`` and ``result``: requests into the queue, answers out of it."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

import click

from magicrune.cli_output import write_stdout
from magicrune.cli_queue import ENVIRONMENT, settings_of, subject_option, url_option
from magicrune.errors import (
    CliUsage,
    DuplicateRequest,
    MagicRuneError,
    QueueUnavailable,
    ResultInvalid,
)

if TYPE_CHECKING:
    from magicrune.request import SpellRequest
    from magicrune.worker.answers import Answer
    from magicrune.worker.settings import WorkerSettings

_PUBLISH = """
\b
Examples:
  magicrune publish samples/ok.json
  magicrune publish job1.json job2.json --wait 30
  magicrune publish samples/ok.json --attach

\b
Exit codes: 0 queued, or with --wait or --attach as exec's, the worst of them;
4 a duplicate without --attach, no server, or no answer in time.

"""
_RESULT = """
\b
Example:
  magicrune result r_7c5527467127d3f7efb3fea2806739df --wait 10

"""


@click.command("publish", epilog=_PUBLISH + ENVIRONMENT)
@click.argument(
    "files", metavar="FILE...", nargs=-1, required=True, type=click.Path(allow_dash=True)
)
@url_option
@subject_option
@click.option(
    "--wait",
    type=click.FloatRange(0, 86_400),
    metavar="SECONDS",
    help="Wait up to so long for each answer and print it instead of the run id.",
)
@click.option(
    "--attach",
    is_flag=True,
    help="Where a request is queued or answered already, print that answer (waits 60 s, or as "
    "--wait says) instead of failing.",
)
def publish_command(
    files: tuple[str, ...], url: str | None, subject: str | None, wait: float | None, attach: bool
) -> int:
    """Queue requests (FILE is JSON; - is stdin). Prints a run id for each, or its answer.

    A request that is queued or answered already is not queued again: exit code 4, naming
    the run, unless --attach is given.
    """
    settings = settings_of(url=url, subject=subject)
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
    untold: list[str] = []
    try:
        for request, data in requests:
            try:
                name = await publisher.publish(request, data)
            except DuplicateRequest:
                if not attach:
                    raise
                name = run_id(request)
            if wait is None and not attach:  # at once: the next one may fail
                write_stdout(json.dumps({"run_id": name, "queued": True}).encode() + b"\n")
            else:
                untold.append(name)
        for place in range(1, (number := len(untold)) + 1):

            def look(left: float, what: str = f"{untold[0]} ({place} of {number})") -> None:
                progress.show(f"waiting for {what}, {left:.0f} s more")

            answer = await publisher.answer(untold[0], 60.0 if wait is None else wait, look)
            progress.clear()
            worst = max(worst, _print_answer(answer))
            del untold[0]
    finally:
        progress.clear()
        for name in untold:  # else nobody could ask for them
            click.echo(f"magicrune: queued, but no answer printed: {name}", err=True)
        await publisher.close()
    return worst


@click.command("result", epilog=_RESULT + ENVIRONMENT)
@click.argument("run_id", metavar="RUN_ID")
@url_option
@click.option(
    "--wait",
    type=click.FloatRange(0, 86_400),
    default=0.0,
    metavar="SECONDS",
    help="Wait up to so long for the answer.",
)
def result_command(run_id: str, url: str | None, wait: float) -> int:
    """Print the stored answer to a run; the exit code is as exec's."""
    if not re.fullmatch(r"r_[0-9a-f]{32}", run_id):
        raise CliUsage("is no run id", where=run_id[:60], hint="r_ and 32 hex digits")
    return _asked(_look(settings_of(url=url), run_id, wait))


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


def _read(name: str) -> tuple[SpellRequest, bytes]:
    from magicrune.request import parse_request
    from magicrune.strictjson import read_limited

    data = read_limited(sys.stdin.buffer if name == "-" else name)
    return parse_request(data), data
