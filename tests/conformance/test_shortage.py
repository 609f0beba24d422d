"""The executor itself has no process left: that is told as what may pass, in every backend.

A control group of the test's own holds the number of its processes and threads, which binds
root as well. The control: the same call with room enough ends green.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.attacks.init_process import wait_for
from tests.engines import absent, images_under

REQUEST = '{"cmd": "echo hi"}'
ENOUGH = 64
Call = Callable[[str, int], dict[str, Any]]


def pids_groups() -> Path:
    """The directory below which groups with a number of processes can be made."""
    first, unified = Path("/sys/fs/cgroup/pids"), Path("/sys/fs/cgroup")
    if first.is_dir():
        return first
    on = unified / "cgroup.subtree_control"
    if on.exists() and "pids" in on.read_text().split():
        return unified
    return absent("no control group with a number of processes")  # type: ignore[return-value]


@contextlib.contextmanager
def group(pids: int) -> Iterator[Path]:
    place = pids_groups() / f"magicrune-shortage-{os.getpid()}-{pids}"
    place.mkdir()
    try:
        (place / "pids.max").write_text(str(pids))
        yield place
    finally:
        wait_for(lambda: not (place / "cgroup.procs").read_text())  # what a runtime left to end
        place.rmdir()


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    if os.geteuid() != 0:
        pytest.skip("root makes the group")
    monkeypatch.delenv("MAGICRUNE_HOME", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(images_under(tmp_path)))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))

    def run(backend: str, pids: int) -> dict[str, Any]:
        words = [sys.executable, "-m", "magicrune", "exec", "-f", "-", "--backend", backend]
        if backend != "wasi":
            words += ["--policy", "container"]
        with group(pids) as place:
            done = subprocess.run(
                ["sh", "-c", f'echo $$ >"{place}/cgroup.procs"; exec "$@"', "sh", *words],
                input=REQUEST,
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    return run


@pytest.mark.parametrize("backend", ["wasi", "oci"])
def test_no_process_left_is_a_failure_that_passes(backend: str, call: Call) -> None:
    assert call(backend, ENOUGH)["verdict"] == "green"
    told = []
    for pids in range(1, ENOUGH):
        found = call(backend, pids)
        if "verdict" in found:
            assert found["verdict"] == "green"
            break
        told.append((found["error"]["code"], found["error"]["retryable"]))
    assert told
    assert set(told) == {("MR-4102", True)}
