"""``magicrune runs`` and ``magicrune quarantine``: what was run, what was withheld."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from magicrune.cli_output import write_stdout
from magicrune.errors import CliUsage

if TYPE_CHECKING:
    from magicrune.held_attempt import Held
    from magicrune.ledger import Ledger, RunRecord
    from magicrune.quarantine import Quarantine

_LINE_MAX = 300

_style = click.option(
    "--format",
    "style",
    type=click.Choice(["human", "json"]),
    default="human",
    show_default=True,
    help="Lines to read, or one JSON document.",
)
_attempt = click.option(
    "--attempt", type=click.IntRange(1), metavar="NUMBER", help="Instead of the last one."
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
@_style
def list_runs(limit: int, style: str) -> int:
    """List the newest runs."""
    with _open_ledger() as ledger:
        records = ledger.runs(limit)
    if style == "json":
        return _print_json([_run_row(record) for record in records])
    return _print_lines([_run_line(record) for record in records])


@runs_group.command("show")
@click.argument("run_id", metavar="RUN_ID")
@_style
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
        return _print_json([{**_run_row(each), "result": _result(each)} for each in records])
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
    return _print_lines(lines)


@click.group("quarantine")
def quarantine_group() -> None:
    """Look at withheld red output, and release it on purpose."""


@quarantine_group.command("list")
@_style
def list_held(style: str) -> int:
    """List what is in quarantine, newest first."""
    held = _open_quarantine().list()
    if style == "json":
        return _print_json([_row(each) for each in held])
    return _print_lines([_held_line(each) for each in held])


@quarantine_group.command("show")
@click.argument("run_id", metavar="RUN_ID")
@_attempt
@_style
def show_held(run_id: str, attempt: int | None, style: str) -> int:
    """Show names, sizes and hashes of what is withheld, never its content."""
    manifest = _open_quarantine().show(run_id, attempt)
    if style == "json":
        return _print_json(manifest)
    lines = [f"{manifest['run_id']}  attempt {manifest['attempt']}  {manifest['ending']}"]
    lines += [_part_line(name, manifest[name]) for name in ("stdout", "stderr")]
    lines += [_part_line(part["path"], part) for part in manifest["artifacts"]]
    return _print_lines(lines)


@quarantine_group.command("release")
@click.argument("run_id", metavar="RUN_ID")
@click.option(
    "--to",
    "target",
    required=True,
    type=click.Path(),
    metavar="DIR",
    help="A directory that does not exist yet.",
)
@_attempt
def release_held(run_id: str, target: str, attempt: int | None) -> int:
    """Copy withheld output to DIR. It is what a red job wrote: handle it as hostile.

    Every file is checked against its hash first; names are made harmless. The copy in
    quarantine stays.
    """
    place = _open_quarantine().release(run_id, Path(target), attempt)
    return _print_lines([f"released to {place}"])


def _open_ledger() -> Ledger:
    from magicrune.ledger import Ledger
    from magicrune.locations import state_dir

    return Ledger(state_dir() / "ledger.sqlite3")


def _open_quarantine() -> Quarantine:
    from magicrune.locations import state_dir
    from magicrune.quarantine import Quarantine

    return Quarantine(state_dir() / "quarantine")


def _run_row(record: RunRecord) -> dict[str, Any]:
    row = _row(record)
    del row["result"]
    return row


def _row(record: RunRecord | Held) -> dict[str, Any]:
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
            _when(record.started_at),
            f"{what:<8}",
            f"{record.backend:<6}",
            detail,
            took,
        )
    ).rstrip()


def _held_line(held: Held) -> str:
    return (
        f"{held.run_id}  #{held.attempt:<3}  {_when(held.stored_at)}  "
        f"{held.size} bytes  {held.artifacts} artifacts"
    )


def _part_line(name: str, part: Mapping[str, Any]) -> str:
    return f"  {part['size']:>10}  {part['sha256']}  {name}"


def _when(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def _print_json(document: object) -> int:
    write_stdout(json.dumps(document).replace("\x7f", "\\u007f").encode() + b"\n")
    return 0


def _print_lines(lines: Sequence[str]) -> int:
    from magicrune.display import escape

    write_stdout("".join(escape(line, limit=_LINE_MAX) + "\n" for line in lines).encode())
    return 0
