"""What a start of `exec` does not load, and that it is there for whoever asks later."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from magicrune.cli_start import Deferred

SAMPLE = Path(__file__).parents[2] / "samples" / "ok.json"
SCRIPT = """
import os, sys
os.environ["MAGICRUNE_DRY_RUN"] = "1"
from magicrune.cli import main
for _ in range(2):
    assert main(["exec", "-f", sys.argv[1]]) == 0
    print(sorted({"importlib.metadata", "zipfile", "email", "subprocess"} & set(sys.modules)))
import importlib.metadata
print(importlib.metadata.version("click") != "")
"""


def test_start_loads_no_metadata_and_leaves_it_usable(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(SAMPLE)],
        capture_output=True,
        text=True,
        check=True,
        env={"MAGICRUNE_HOME": str(tmp_path), "HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
    )
    told = [line for line in done.stdout.splitlines() if not line.startswith("{")]
    assert told[-2:] == ["[]", "True"], done.stdout


def test_what_stands_in_calls_the_real_module(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.metadata as real

    stand_in = Deferred(real.__name__)
    monkeypatch.setitem(sys.modules, real.__name__, stand_in)
    assert stand_in.version("click") == real.version("click")
    assert importlib.import_module(real.__name__) is not stand_in
