"""``magicrune exec``: one request in, one graded result out."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from magicrune.cli_output import Sink, Stdout, error_bytes, open_sink, refuse_taken
from magicrune.cli_start import quick_start
from magicrune.errors import CliUsage, MagicRuneError

if TYPE_CHECKING:
    from magicrune.backends.select import Choice
    from magicrune.policy import Policy
    from magicrune.request import SpellRequest
    from magicrune.result import SpellResult

_EPILOG = """
\b
Examples:
  magicrune exec -f samples/ok.json
  echo '{"cmd": "wc -c", "stdin": "hello"}' | magicrune exec -f - --format human
  magicrune exec -f job.json --policy ./strict.policy.yml --timeout 5 --out result.json

\b
Environment:
  MAGICRUNE_POLICY        as --policy
  MAGICRUNE_FORCE_WASM=1  as --backend wasi
  MAGICRUNE_DRY_RUN=1     everything but the run: checks request, policy and sandbox,
                          prints what would be enforced, exits 0
  MAGICRUNE_HOME          where ledger, quarantine and cache lie
  MAGICRUNE_DEBUG=1       show the traceback of a defect of ours
"""


@dataclass(frozen=True, slots=True)
class _Wish:
    """The options of one call."""

    source: str
    policy: str | None
    timeout: int | None
    seed: int | None
    strict: bool
    backend: str
    human: bool
    dry_run: bool


@click.command("exec", epilog=_EPILOG)
@click.option(
    "-f",
    "--file",
    "source",
    required=True,
    metavar="FILE|-",
    type=click.Path(allow_dash=True),
    help="The request (JSON); - is stdin.",
)
@click.option(
    "--policy",
    metavar="NAME|FILE",
    help="What may be granted: a shipped policy's name (default, container), or a file (has a "
    "slash or ends in .yml).  [default: MAGICRUNE_POLICY, else default]",
)
@click.option(
    "--timeout",
    type=click.IntRange(1, 60),
    metavar="SECONDS",
    help="Wall time, 1 to 60, instead of the request's; never more than the policy's.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**63 - 1),
    metavar="NUMBER",
    help="Seed of the run, instead of the request's: same request and seed, same output.",
)
@click.option(
    "--out",
    type=click.Path(),
    metavar="FILE",
    help="Write the document to FILE (atomically, mode 0600, never through a symlink) "
    "instead of stdout. Errors go there too.",
)
@click.option(
    "--strict",
    is_flag=True,
    help="Refuse a request that leaves out any key, and any sandbox but the policy's first.",
)
@click.option(
    "--backend",
    type=click.Choice(["auto", "wasi", "oci", "podman", "docker", "fake"]),
    default="auto",
    show_default=True,
    metavar="NAME",
    help="The sandbox: wasi, oci, podman, docker; auto takes the first of the policy's that "
    "works here. fake runs nothing and needs MAGICRUNE_UNSAFE_FAKE=1.",
)
@click.option(
    "--format",
    "style",
    type=click.Choice(["json", "human"]),
    default="json",
    show_default=True,
    metavar="json|human",
    help="One JSON document, or a report to read.",
)
def exec_command(
    source: str,
    policy: str | None,
    timeout: int | None,
    seed: int | None,
    out: str | None,
    strict: bool,
    backend: str,
    style: str,
) -> int:
    """Run one request in a fresh sandbox and print its graded result.

    The result is one JSON document on stdout. Where stderr is a terminal, a short summary
    goes there. Exit codes: 0 green, 10 yellow, 20 red, 3 refused by the policy, 1 bad
    request, 4 our own failure.
    """
    wish = _Wish(
        source=source,
        policy=policy,
        timeout=timeout,
        seed=seed,
        strict=strict,
        backend=_forced_backend(backend),
        human=style == "human",
        dry_run=_switch("MAGICRUNE_DRY_RUN"),
    )
    if out is not None:
        _refuse_taken(out, wish)
    with open_sink(out) as sink:
        try:
            return _answer(wish, sink)
        except MagicRuneError as error:
            if isinstance(sink, Stdout):
                raise
            sink.write(error_bytes(error))
            print(f"magicrune: {error.code}: {error}", file=sys.stderr)
            return error.exit_code


def _refuse_taken(out: str, wish: _Wish) -> None:
    from magicrune.locations import state_dir
    from magicrune.policy import wanted_policy

    read = [wanted_policy(wish.policy)]
    if wish.source != "-":
        read.append(Path(wish.source))
    refuse_taken(out, read, state_dir())


def _answer(wish: _Wish, sink: Sink) -> int:
    with quick_start():
        request, policy, choice = _load(wish)
        import magicrune.ledger
        import magicrune.pipeline
        import magicrune.quarantine
    if wish.dry_run:
        rehearse = magicrune.pipeline.rehearse
        would = rehearse(request, policy, choice.backend, seed=wish.seed, timeout_sec=wish.timeout)
        sink.write(json.dumps(would).encode() + b"\n")
        return 0
    for reason in choice.passed_over:
        print(f"magicrune: not used: {reason}", file=sys.stderr, flush=True)
    result = magicrune.pipeline.execute_here(
        request, policy, choice, seed=wish.seed, timeout_sec=wish.timeout
    )
    return _tell(result, wish, sink)


def _load(wish: _Wish) -> tuple[SpellRequest, Policy, Choice]:
    from magicrune.backends.select import choose
    from magicrune.pipeline import needs_network
    from magicrune.policy import load_policy, wanted_policy
    from magicrune.request import parse_request
    from magicrune.strictjson import read_limited

    if wish.source == "-" and sys.stdin is None:
        raise CliUsage("stdin is closed", hint="-f FILE")
    data = read_limited(sys.stdin.buffer if wish.source == "-" else wish.source)
    source = "stdin" if wish.source == "-" else wish.source
    request = parse_request(data, strict=wish.strict, source=source)
    policy = load_policy(wanted_policy(wish.policy))
    network = needs_network(request, policy)
    choice = choose(
        wish.backend,
        policy.runtime.backends,
        strict=wish.strict,
        network=network,
        oci_runtime=policy.runtime.oci_runtime,
    )
    return request, policy, choice


def _tell(result: SpellResult, wish: _Wish, sink: Sink) -> int:
    from magicrune.pipeline import exit_code
    from magicrune.result import to_json

    sink.write(_report(result) if wish.human else to_json(result))
    _summarise(result, wish)
    return exit_code(result)


def _report(result: SpellResult) -> bytes:
    from magicrune.cli_report import report

    return report(result).encode()


def _summarise(result: SpellResult, wish: _Wish) -> None:
    """A few lines for a person, where one is likely to look."""
    if wish.human or not _is_watched():
        return
    from magicrune.cli_report import summary

    print(summary(result), file=sys.stderr, end="", flush=True)


def _is_watched() -> bool:
    return sys.stderr.isatty()


def _forced_backend(chosen: str) -> str:
    if not _switch("MAGICRUNE_FORCE_WASM"):
        return chosen
    if chosen not in ("auto", "wasi"):
        raise CliUsage(
            f"MAGICRUNE_FORCE_WASM=1 contradicts --backend {chosen}", hint="drop one of them"
        )
    return "wasi"


def _switch(name: str) -> bool:
    """An on/off variable. Raises CliUsage for anything but 0, 1 or empty."""
    value = os.environ.get(name, "")
    if value not in ("", "0", "1"):
        raise CliUsage(f"{name} must be 0 or 1", where="environment")
    return value == "1"
