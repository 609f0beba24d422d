"""kill -9 of the command line at random moments leaves nothing running, and nothing for good."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.engines import IMAGE_HOME, absent, container_backend, lanes

ROUNDS = {
    **{"oci-crun": 50, "oci-runc": 15, "docker": 15, "podman": 15},
    **{"oci-rootless-crun": 20, "oci-rootless-runc": 6},
}
LANES = lanes(
    [each for each in ROUNDS if "rootless" not in each],
    [each for each in ROUNDS if "rootless" in each],
)
PATIENCE_S = 15
JOB = "sleep 300 & setsid sleep 300 & touch /tmp/x; sleep 300"


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A home of its own that has the images (by a link to where they lie)."""
    home = tmp_path / "state" / "magicrune"
    cache = tmp_path / "cache"
    cache.mkdir()
    if not (IMAGE_HOME / "cache").exists():
        absent("no images: sh scripts/engines.sh")
    shutil.copytree(IMAGE_HOME / "cache", cache / "magicrune", symlinks=True)
    return home


def environment(state: Path) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("MAGICRUNE_")}
    places = {"XDG_STATE_HOME": state.parent, "XDG_CACHE_HOME": state.parent.parent / "cache"}
    return kept | {name: str(place) for name, place in places.items()}


def running(marker: str) -> list[str]:
    """Processes and control groups of containers whose name or cgroup has `marker`."""
    found = []
    for place in Path("/proc").glob("[0-9]*/cgroup"):
        try:
            if marker in place.read_text():
                found.append(place.parent.name)
        except OSError:
            continue
    found += [str(path) for path in Path("/sys/fs/cgroup").glob(f"*/magicrune/*{marker}*")]
    return found


def until_gone(look: Callable[[], list[str]]) -> list[str]:
    deadline = time.monotonic() + PATIENCE_S
    while (left := look()) and time.monotonic() < deadline:
        time.sleep(0.2)
    return left


def engine_has(lane: str) -> list[str]:
    if not lane.startswith(("docker", "podman")):
        return []
    words = [lane, "ps", "-aq", "--filter", "label=org.magicrune.owner"]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()


def left_over(state: Path) -> list[str]:
    places = [*state.glob("oci/magicrune-*"), *state.glob("oci/state/*"), *state.glob("sockets/*")]
    groups = Path("/sys/fs/cgroup").glob(f"*/magicrune-{os.geteuid()}/magicrune-*")
    return [str(place) for place in (*places, *groups)]


@pytest.mark.timeout(400)
@pytest.mark.parametrize("lane", LANES)
def test_nothing_survives(lane: str, state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    container_backend(lane, monkeypatch)  # skips, or fails in CI, where it is absent
    name, _, runtime = lane.replace("-rootless", "").partition("-")
    policy = state.parent.parent / "kill.policy.yml"
    text = Path("policies/default.policy.yml").read_text()
    text = text.replace("image_digest: null", f"oci_runtime: {runtime or 'null'}")
    policy.write_text(text)
    request = state.parent.parent / "request.json"
    request.write_text(json.dumps({"cmd": JOB}))
    words = [sys.executable, "-m", "magicrune", "exec", "-f", str(request)]
    words += ["--backend", name, "--policy", str(policy)]
    dice = random.Random(11)
    for number in range(ROUNDS[lane]):
        process = subprocess.Popen(
            words,
            env=environment(state),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        # Every third is left until its job runs for sure; the others die anywhere before.
        time.sleep(1.5 if number % 3 == 0 else dice.uniform(0.15, 0.9))
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert until_gone(lambda: running("magicrune-r-")) == []
    clean = [sys.executable, "-m", "magicrune", "doctor", "--clean", "--json"]
    subprocess.run(clean, env=environment(state), check=True, capture_output=True)
    assert until_gone(lambda: engine_has(lane)) == []
    assert until_gone(lambda: left_over(state)) == []


def test_a_running_job_would_have_been_seen(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The positive control: while a job runs, the same look finds it."""
    container_backend(lanes(["oci-runc"], ["oci-rootless-runc"])[0], monkeypatch)
    request = state.parent.parent / "request.json"
    request.write_text(json.dumps({"cmd": "sleep 300"}))
    words = [sys.executable, "-m", "magicrune", "exec", "-f", str(request), "--backend", "oci"]
    words += ["--policy", "container"]
    process = subprocess.Popen(words, env=environment(state), stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + PATIENCE_S
        while not running("magicrune-r-") and time.monotonic() < deadline:
            time.sleep(0.1)
        assert running("magicrune-r-")
        assert left_over(state)
    finally:
        process.kill()
        process.wait()
    assert until_gone(lambda: running("magicrune-r-")) == []
