"""Writes docs/isolation.md: the controls of each backend, as `magicrune doctor` read them back.

It tells what held on the machine where it was run, so it is not compared in CI; a test holds
the names of the controls to those of a real run.
"""

from __future__ import annotations

import re
from pathlib import Path

from magicrune.doctor import Diagnosis, examine
from magicrune.machine import look_around

PAGE = Path(__file__).resolve().parent.parent / "docs" / "isolation.md"
HEAD = """# Isolation: which control is held by what

Made by `scripts/isolation.py` from a real `magicrune doctor` run; do not edit. Every control below
was **read back** from a sandbox that ran a job: from inside the container before the job started
(or, for time and output, after it ended), or by a trial of the WASI lane. Your machine may differ:
`magicrune doctor` tells, and a run whose controls are not held does not start (`MR-4103`).

Machine: {machine}
"""


def main() -> None:
    machine = "; ".join(f"{fact.name} {fact.value}" for fact in look_around())
    parts = [HEAD.format(machine=machine), *map(_section, _taken())]
    PAGE.write_text("\n".join(parts))


def _taken() -> list[Diagnosis]:
    """Without further runtimes: they hold the same controls, or are refused."""
    return [each for each in examine() if ":" not in each.backend]


def _section(diagnosis: Diagnosis) -> str:
    if not diagnosis.controls:
        return f"## {diagnosis.backend}\nNot usable there: {diagnosis.problem}\n"
    rows = [
        f"| `{r.control}` | {_cell(r.mechanism)} | {_cell(r.wanted)} | {_cell(r.measured)} |"
        for r in diagnosis.controls
        if r.held
    ]
    head = f"## {diagnosis.backend} ({diagnosis.version})"
    return "\n".join((head, "| control | by | wanted | measured |", "|---|---|---|---|", *rows, ""))


def _cell(text: str) -> str:
    return re.sub(r"\s+", " ", text).replace("|", "\\|")[:200]


if __name__ == "__main__":
    main()
