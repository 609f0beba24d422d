"""Golden cases of the shell and its tools: NAME.sh, and NAME.out with what must come of it.

A case runs in an empty /workspace. The expected text is stdout and then a line
"[status N]". The first comment lines of a case say what it is about.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import RunJob

HERE = Path(__file__).parent
CASES = sorted(HERE.glob("*/*.sh"))


def test_there_are_cases() -> None:
    assert len(CASES) >= 40
    assert {case.with_suffix(".out") for case in CASES} == set(HERE.glob("*/*.out"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name}/{case.stem}")
def test_case(case: Path, run_job: RunJob) -> None:
    seen = run_job(case.read_text())
    expected = case.with_suffix(".out").read_bytes()
    got = seen.stdout + f"[status {seen.exit_code}]\n".encode()
    assert got == expected, f"stderr: {seen.stderr!r}; ending: {seen.ending}"
