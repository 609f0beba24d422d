"""``magicrune runs``: what was run."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import click

from magicrune.cli_output import write_stdout
from magicrune.errors import CliUsage

if TYPE_CHECKING:
    from magicrune.held_attempt import Held
    from magicrune.ledger import Ledger, RunRecord

_LINE_MAX = 300

style_option = click.option(
    "--format",
    "style",
    type=click.Choice(["human", "json"]),
    default="human",
    show_default=True,
    help="Lines to read, or one JSON document.",
)


@click.group("runs")
def runs_group() -> None:
    """Look at past runs.

    \b
    States: running, finished, failed (we failed), refused (by the policy),
    crashed (the process that ran it is gone).
    """


@runs_group.command("list")
@click.option(
    "--limit",
    type=click.IntRange(1, 10_000),
    default=20,
    show_default=True,
    help="How many, newest first.",
)
@style_option
def list_runs(limit: int, style: str) -> int:
    """List the newest runs."""
    with _open_ledger() as ledger:
        records = ledger.runs(limit)
    if style == "json":
        return print_json([_run_row(record) for record in records])
    nothing = ["nothing was run yet: magicrune exec -f FILE"]
    return print_lines([_run_line(record) for record in records] or nothing)


@runs_group.command("show")
@click.argument("run_id", metavar="RUN_ID")
@style_option
def show_run(run_id: str, style: str) -> int:
    """Show every attempt of a run, newest first, with its result where it is kept.

    \b
    Example:
      magicrune runs show r_0123456789abcdef0123456789abcdef
    """
    with _open_ledger() as ledger:
        records = ledger.run(run_id)
    if not records:
        raise CliUsage("no such run", where=run_id, hint="magicrune runs list")
    if style == "json":
        return print_json([{**_run_row(each), "result": _result(each)} for each in records])
    lines = []
    for record in records:
        lines.append(_run_line(record))
        result = _result(record) or {}
        lines += [
            f"  +{found['points']} {found['rule']}: {found['evidence']}"
            for found in result.get("findings", ())
        ]
        if record.error_code:
            lines.append(f"  {record.error_code}: {record.error_message}")
        lines.append(f"  request {record.request_sha256}  policy {record.policy_sha256}")
    return print_lines(lines)


def _open_ledger() -> Ledger:
    from magicrune.ledger import Ledger
    from magicrune.locations import state_dir

    return Ledger(state_dir() / "ledger.sqlite3")


def _run_row(record: RunRecord) -> dict[str, Any]:
    told = row(record)
    del told["result"]
    return told


def row(record: RunRecord | Held) -> dict[str, Any]:
    return {field.name: getattr(record, field.name) for field in fields(record)}


def _result(record: RunRecord) -> dict[str, Any] | None:
    return None if record.result is None else json.loads(record.result)


def _run_line(record: RunRecord) -> str:
    what = record.verdict if record.state == "finished" else record.state
    took = "" if record.duration_ms is None else f"{record.duration_ms:.0f} ms"
    detail = record.ending or record.error_code or ""
    return "  ".join(
        (
            record.run_id,
            f"#{record.attempt:<3}",
            when(record.started_at),
            f"{what:<8}",
            f"{record.backend:<6}",
            detail,
            took,
        )
    ).rstrip()


def when(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def print_json(document: object) -> int:
    write_stdout(json.dumps(document).replace("\x7f", "\\u007f").encode() + b"\n")
    return 0


def print_lines(lines: Sequence[str]) -> int:
    from magicrune.display import escape

    write_stdout("".join(escape(line, limit=_LINE_MAX) + "\n" for line in lines).encode())
    return 0
