"""A file appears whole or not at all, and what a killed writer left goes with the next one."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from magicrune.newfile import put
from magicrune.owner import sign

KILLED = """
import os, signal, sys
from pathlib import Path
from magicrune import newfile

os.fchmod = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
newfile.put(Path(sys.argv[1]), b"new")
"""


def names(place: Path) -> list[str]:
    return sorted(each.name for each in place.iterdir())


def test_a_file_is_replaced_with_its_mode(tmp_path: Path) -> None:
    target = tmp_path / "file"
    put(target, b"old")
    assert target.stat().st_mode & 0o777 == 0o600
    put(target, bytearray(b"new"), 0o755)
    assert (target.read_bytes(), target.stat().st_mode & 0o777) == (b"new", 0o755)
    assert names(tmp_path) == ["file"]


def test_a_killed_writer_changes_nothing_and_the_next_clears_up(tmp_path: Path) -> None:
    target = tmp_path / "file"
    put(target, b"old")
    done = subprocess.run([sys.executable, "-c", KILLED, target], check=False)
    assert done.returncode == -signal.SIGKILL
    assert target.read_bytes() == b"old"
    assert len(names(tmp_path)) == 2
    alive = tmp_path / sign(".new-0")
    alive.touch()
    put(tmp_path / "other", b"")
    assert names(tmp_path) == sorted([alive.name, "file", "other"])


def test_a_failure_leaves_no_draft(tmp_path: Path) -> None:
    (tmp_path / "directory" / "full").mkdir(parents=True)
    with pytest.raises(OSError):
        put(tmp_path / "directory", b"new")
    assert names(tmp_path) == ["directory"]


def test_the_draft_may_lie_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "seen").mkdir()
    left = tmp_path / sign(".new-0", sign("").strip(".").replace("-", "-1", 1))
    left.touch()
    put(tmp_path / "seen" / "file", b"x", drafts=tmp_path)
    assert names(tmp_path) == ["seen"]
    assert names(tmp_path / "seen") == ["file"]
