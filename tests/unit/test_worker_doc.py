"""docs/worker.md's table of what is survived: each row names tests and guards that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TABLE = (ROOT / "docs/worker.md").read_text().partition("## Survived")[2].partition("\n## ")[0]
ROWS = [line.strip("|").split(" | ") for line in TABLE.splitlines() if line.startswith("| ")][1:]
TESTS = "".join(
    path.read_text()
    for place in ("e2e", "unit")
    for path in sorted((ROOT / "tests" / place).glob("test_worker*.py"))
)
GUARDS = {
    name
    for path in (ROOT / "tests/guards").glob("*.py")
    for name in re.findall(r"^@guard\ndef (\w+)", path.read_text(), re.MULTILINE)
}


@pytest.mark.parametrize("row", ROWS, ids=[row[0].strip() for row in ROWS])
def test_each_row(row: list[str]) -> None:
    _, kept, broken = row
    assert broken.strip(), "nothing is said of its guard"
    for name in re.findall(r"`(test_\w+)`", kept + broken):
        assert f"def {name}(" in TESTS, name
    for path in re.findall(r"`(test_\w+\.py)`", kept):
        assert list((ROOT / "tests").glob(f"*/{path}")), path
    for names in re.findall(r"`\[([\w, ]+)\]`", broken):
        assert set(names.split(", ")) <= GUARDS, names
        for name in names.split(", "):
            assert f'"{name}"' in TESTS, f"no test takes out {name}"


def test_there_are_rows() -> None:
    assert len(ROWS) > 25
