"""``magicrune doctor``: what works here."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from magicrune.backends.select import BACKENDS
from magicrune.cli_output import write_stdout
from magicrune.display import escape
from magicrune.errors import BackendUnavailable

if TYPE_CHECKING:
    from magicrune.doctor import Diagnosis
    from magicrune.machine import Fact

_AMISS = "fix"


@click.command("doctor")
@click.argument("names", metavar="[BACKEND]...", nargs=-1, type=click.Choice(BACKENDS))
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
@click.option("--clean", "cleaning", is_flag=True, help="Remove what crashed runs left, first.")
def doctor_command(names: tuple[str, ...], as_json: bool, cleaning: bool) -> int:
    """Try every sandbox (or those named) with a job that does nothing; say what each enforces
    here, and of what is missing what mends it: lines to paste into a shell.

    Exit code 0 where at least one works, else 4.
    """
    from magicrune.doctor import clean, examine
    from magicrune.machine import look_around

    removed = clean() if cleaning else {}
    facts, diagnoses = look_around(), examine(names or BACKENDS)
    if as_json:
        document = {
            "machine": [asdict(fact) for fact in facts],
            "backends": [asdict(diagnosis) for diagnosis in diagnoses],
            "removed": removed,
        }
        write_stdout(json.dumps(document).encode() + b"\n")
    else:
        write_stdout(_table(facts, diagnoses, removed).encode())
    return 0 if any(each.usable for each in diagnoses) else BackendUnavailable.exit_code


def _table(
    facts: tuple[Fact, ...],
    diagnoses: tuple[Diagnosis, ...],
    removed: dict[str, tuple[str, ...]],
) -> str:
    lines = [f"removed: {name} {each}" for name, found in removed.items() for each in found]
    for fact in facts:
        lines.append(f"{fact.name:16} {escape(fact.value, limit=100)}")
        lines += _fix(fact.fix, 16)
    for diagnosis in diagnoses:
        held = sum(reading.held for reading in diagnosis.controls)
        state = f"works, {held} controls held" if diagnosis.usable else "cannot be used"
        lines.append(f"\n{diagnosis.backend:10} {state}  {diagnosis.version}")
        if diagnosis.problem:
            lines.append(f"{'':8} {escape(diagnosis.problem, limit=400)}")
        lines += _fix(diagnosis.fix, 8)
        for reading in diagnosis.controls:
            state = "ok" if reading.held else "NOT HELD"
            mechanism = escape(reading.mechanism, limit=60)
            lines.append(f"{'':8} {state:8} {reading.control:18} {mechanism}")
    return "\n".join(lines) + "\n"


def _fix(fix: str, indent: int) -> list[str]:
    """Lines to paste, below each other."""
    lead = f"{_AMISS}: "
    return [
        f"{'':{indent}} {lead if not number else ' ' * len(lead)}{step}"
        for number, step in enumerate(fix.splitlines())
    ]
