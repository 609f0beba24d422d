"""``--out``: a file, complete or not at all."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from magicrune import cli_output
from tests.unit.cli.calls import Done


def test_out_takes_the_document_and_leaves_stdout_empty(
    fake: Callable[..., Done], tmp_path: Path
) -> None:
    out = tmp_path / "result.json"
    out.write_text("old")
    out.chmod(0o644)
    done = fake({"stdout": "hi"}, "--out", str(out))
    assert (done.code, done.out) == (0, "")
    assert json.loads(out.read_text())["stdout"] == "hi"
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "home",
        "result.json",
        "script.json",
    ]


def test_out_takes_errors_too_so_that_no_old_result_is_mistaken(
    fake: Callable[..., Done], tmp_path: Path
) -> None:
    out = tmp_path / "result.json"
    assert fake({}, "--out", str(out)).code == 0
    done = fake({"raises": "boom"}, "--out", str(out))
    assert (done.code, done.out) == (4, "")
    assert json.loads(out.read_text())["error"]["code"] == "MR-4102"
    assert "boom" in done.err


@pytest.mark.parametrize("kind", ["symlink", "dangling", "directory", "fifo", "nowhere", "dots"])
def test_out_that_is_no_regular_file_is_refused_before_the_run(
    fake: Callable[..., Done], tmp_path: Path, kind: str
) -> None:
    victim, out = tmp_path / "victim", tmp_path / "result.json"
    victim.write_text("keep")
    if kind == "symlink":
        out.symlink_to(victim)
    elif kind == "dangling":
        out.symlink_to(tmp_path / "made-by-us")
    elif kind == "directory":
        out.mkdir()
    elif kind == "fifo":
        os.mkfifo(out)
    elif kind == "nowhere":
        out = tmp_path / "none" / "result.json"
    else:
        out = tmp_path / ".."
    done = fake({"raises": "must not be run"}, "--out", str(out))
    assert (done.code, done.document["error"]["code"]) == (4, "MR-4003")
    assert victim.read_text() == "keep"
    assert not (tmp_path / "made-by-us").exists()


def test_an_unfinished_out_file_is_removed(tmp_path: Path) -> None:
    with cli_output.open_sink(str(tmp_path / "x")):
        assert len(list(tmp_path.iterdir())) == 1
    assert list(tmp_path.iterdir()) == []
