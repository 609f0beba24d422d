"""Containers without root, from the command line: what runs, what is refused, what is left."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from magicrune.images import store
from magicrune.images.build import build
from tests.engines import IMAGE_HOME, container_backend

pytestmark = pytest.mark.skipif(
    os.geteuid() == 0, reason="of an ordinary user: scripts/rootless.sh"
)
LANE = "oci-rootless-crun"


def command(*words: str, **more: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "MAGICRUNE_HOME": str(IMAGE_HOME), **more}
    return subprocess.run(
        [sys.executable, "-m", "magicrune", *words],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )


def execute(tmp_path: Path, cmd: str, **more: str) -> subprocess.CompletedProcess[str]:
    request = tmp_path / "request.json"
    request.write_text(json.dumps({"cmd": cmd}))
    words = ["exec", "-f", str(request), "--policy", "container", "--backend", "oci"]
    return command(*words, **more)


def test_rootless_job_runs_with_every_control_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    container_backend(LANE, monkeypatch)
    done = execute(tmp_path, "id -u; cat /proc/self/uid_map")
    result = json.loads(done.stdout)
    assert result["stdout"].startswith("65534\n"), done.stderr
    assert result["backend"] == "oci"
    controls = {each["control"]: each for each in result["enforcement"]}
    assert {"user_namespace", "memory", "processes", "cpu_rate"} <= controls.keys()
    assert all(each["held"] for each in controls.values())
    assert f"0={os.geteuid()}+1" in controls["user_namespace"]["measured"]


def test_rootless_job_without_a_group_is_refused_and_doctor_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    container_backend(LANE, monkeypatch)
    done = execute(tmp_path, "true", MAGICRUNE_CGROUP="/not-there")
    assert done.returncode == 4
    assert "memory, processes and cpu_rate" in json.loads(done.stdout)["error"]["message"]
    told = json.loads(command("doctor", "--json", MAGICRUNE_CGROUP="/not-there").stdout)
    (oci,) = [each for each in told["backends"] if each["backend"] == "oci"]
    assert not oci["usable"]
    assert "chown" in oci["fix"]
    assert str(os.geteuid()) in oci["fix"]


def test_rootless_images_are_the_same_as_roots(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    container_backend(LANE, monkeypatch)
    wanted = store.current("base")  # engines.sh copied what root built
    monkeypatch.undo()
    monkeypatch.setenv("MAGICRUNE_HOME", str(tmp_path / "home"))
    assert build("base").image.digest == wanted
