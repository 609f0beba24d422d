"""``magicrune consume``: requests from the queue, each once."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING

import click

from magicrune.cli_output import PROGRAM
from magicrune.cli_queue import ENVIRONMENT, settings_of, subject_option, url_option

if TYPE_CHECKING:
    from magicrune.cancellation import Cancellation
    from magicrune.policy import Policy
    from magicrune.request import SpellRequest
    from magicrune.result import SpellResult

_CONSUME = """
\b
Examples:
  magicrune consume
  magicrune consume --url nats://queue.example.com:4222 --concurrency 4 --health 8080
  magicrune consume --subject run.req.batch --policy container --strict

"""


@click.command("consume", epilog=_CONSUME + ENVIRONMENT)
@url_option
@subject_option
@click.option(
    "--concurrency",
    type=click.IntRange(1, 256),
    default=2,
    show_default=True,
    metavar="NUMBER",
    help="How many jobs run at a time, 1 to 256.",
)
@click.option(
    "--policy",
    metavar="NAME|FILE",
    help="What requests may be granted: a shipped policy's name, or a file.  "
    "[default: MAGICRUNE_POLICY, else default]",
)
@click.option(
    "--backend",
    type=click.Choice(["auto", "wasi", "oci", "podman", "docker"]),
    default="auto",
    show_default=True,
    metavar="NAME",
    help="The sandbox: wasi, oci, podman, docker; auto is the first of the policy's that works.",
)
@click.option(
    "--strict", is_flag=True, help="Take the policy's first sandbox, and none where it fails."
)
@click.option(
    "--health",
    metavar="[HOST:]PORT",
    help="Serve /healthz, /readyz and /metrics (Prometheus) by HTTP there.",
)
@click.option(
    "--migrate",
    is_flag=True,
    help="Give streams and consumers that are there with another configuration ours; else "
    "that is an error.",
)
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

    settings = settings_of(url=url, subject=subject)
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

    named = policy.runtime.oci_runtime
    choice = choose(backend, policy.runtime.backends, strict=strict, oci_runtime=named)
    for reason in choice.passed_over:
        print(f"{PROGRAM}: not used: {reason}", file=sys.stderr, flush=True)
    state = state_dir()
    ledger = opened.enter_context(Ledger(state / "ledger.sqlite3"))
    quarantine = Quarantine(state / "quarantine")

    def run(request: SpellRequest, cancellation: Cancellation) -> SpellResult:
        chosen = choice
        if needs_network(request, policy):
            chosen = choose(
                backend, policy.runtime.backends, strict=strict, network=True, oci_runtime=named
            )
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
