"""``magicrune quarantine``: what was withheld, given out or thrown away on purpose."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from magicrune.cli_runs import print_json, print_lines, row, style_option, when

if TYPE_CHECKING:
    from magicrune.errors import MagicRuneError
    from magicrune.held_attempt import Held
    from magicrune.quarantine import Quarantine

_AGE = re.compile(r"([0-9]{1,6})([mhd])")
_SECONDS = {"m": 60, "h": 3600, "d": 86_400}
_attempt = click.option(
    "--attempt", type=click.IntRange(1), metavar="NUMBER", help="Instead of the last one."
)


def _read_age(_ctx: click.Context, _option: click.Parameter, text: str) -> float:
    """``90m``, ``12h``, ``30d``, as seconds."""
    found = _AGE.fullmatch(text)
    if found is None:
        raise click.BadParameter(f"{text!r} is no age: a number and m, h or d, such as 30d")
    return float(found.group(1)) * _SECONDS[found.group(2)]


@click.group("quarantine")
def quarantine_group() -> None:
    """Look at withheld red output; release it, or throw it away, on purpose."""


@quarantine_group.command("list")
@style_option
def list_held(style: str) -> int:
    """List what is in quarantine, newest first.

    An attempt that is damaged is named on stderr, and the exit code is 4.
    """
    held, damaged = _open_quarantine().list()
    code = _complain(damaged)
    if style == "json":
        print_json([row(each) for each in held])
    elif held or not damaged:
        print_lines([_held_line(each) for each in held] or ["nothing is in quarantine"])
    return code


@quarantine_group.command("show")
@click.argument("run_id", metavar="RUN_ID")
@_attempt
@style_option
def show_held(run_id: str, attempt: int | None, style: str) -> int:
    """Show names, sizes and hashes of what is withheld, never its content."""
    manifest = _open_quarantine().show(run_id, attempt)
    if style == "json":
        return print_json(manifest)
    lines = [f"{manifest['run_id']}  attempt {manifest['attempt']}  {manifest['ending']}"]
    lines += [_part_line(name, manifest[name]) for name in ("stdout", "stderr")]
    lines += [_part_line(part["path"], part) for part in manifest["artifacts"]]
    return print_lines(lines)


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
    return print_lines([f"released to {place}"])


@quarantine_group.command("purge")
@click.option(
    "--older-than",
    "age",
    required=True,
    callback=_read_age,
    metavar="AGE",
    help="What was put away longer ago: 90m, 12h, 30d; 0d is everything.",
)
@style_option
def purge_held(age: float, style: str) -> int:
    """Remove withheld output for good. What the ledger says of the runs stays.

    An attempt that is damaged stays, because its age cannot be known: it is named on stderr.
    So is one that could not be removed, and then the exit code is 4.

    \b
    Example:
      magicrune quarantine purge --older-than 30d
    """
    done = _open_quarantine().purge(time.time() - age)
    for place in done.damaged:
        click.echo(f"magicrune: left, because it is damaged: {place}", err=True)
    code = _complain(done.failed)
    if style == "json":
        print_json([row(each) for each in done.removed])
    elif done.removed or not done.failed:
        lines = [f"removed {_held_line(each)}" for each in done.removed]
        print_lines(lines or ["nothing to remove"])
    return code


def _complain(errors: Sequence[MagicRuneError]) -> int:
    """One line on stderr for each; the exit code."""
    for error in errors:
        click.echo(f"magicrune: {error.code}: {error}", err=True)
    return errors[0].exit_code if errors else 0


def _open_quarantine() -> Quarantine:
    from magicrune.locations import state_dir
    from magicrune.quarantine import Quarantine

    return Quarantine(state_dir() / "quarantine")


def _held_line(held: Held) -> str:
    return (
        f"{held.run_id}  #{held.attempt:<3}  {when(held.stored_at)}  "
        f"{held.size} bytes  {held.artifacts} artifacts"
    )


def _part_line(name: str, part: Mapping[str, Any]) -> str:
    return f"  {part['size']:>10}  {part['sha256']}  {name}"
