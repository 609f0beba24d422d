"""kill -9 of the command line at random moments leaves nothing running, and nothing for good."""

from __future__ import annotations

import json
import os
import random
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from magicrune.request import parse_request, run_id
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


@dataclass(frozen=True, slots=True)
class Asked:
    """A request of this test alone: other runs on this machine have other names."""

    file: Path
    run_id: str

    @property
    def marker(self) -> str:
        """What the names of its containers begin with."""
        return f"magicrune-{self.run_id}".replace("_", "-")


def ask(cmd: str, place: Path) -> Asked:
    text = json.dumps({"cmd": cmd, "env": {"NONCE": secrets.token_hex(8)}}).encode()
    file = place / "request.json"
    file.write_bytes(text)
    return Asked(file, run_id(parse_request(text)))


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
    return found + groups("magicrune", marker)


def groups(above: str, marker: str) -> list[str]:
    """Control groups below `above`. A runtime makes and removes those of root's containers; for
    an ordinary user we make them, and they may be left until the next sweep."""
    return [str(path) for path in Path("/sys/fs/cgroup").glob(f"*/{above}/{marker}*")]


def until_gone(look: Callable[[], list[str]]) -> list[str]:
    deadline = time.monotonic() + PATIENCE_S
    while (left := look()) and time.monotonic() < deadline:
        time.sleep(0.2)
    return left


def engine_has(lane: str, run_id: str) -> list[str]:
    if not lane.startswith(("docker", "podman")):
        return []
    words = [lane, "ps", "-aq", "--filter", f"label=org.magicrune.run_id={run_id}"]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()


def left_over(state: Path, marker: str) -> list[str]:
    places = [*state.glob("oci/magicrune-*"), *state.glob("oci/state/*"), *state.glob("sockets/*")]
    return [*map(str, places), *groups(f"magicrune-{os.geteuid()}", marker)]


@pytest.mark.timeout(400)
@pytest.mark.parametrize("lane", LANES)
def test_nothing_survives(lane: str, state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    container_backend(lane, monkeypatch)  # skips, or fails in CI, where it is absent
    name, _, runtime = lane.replace("-rootless", "").partition("-")
    policy = state.parent.parent / "kill.policy.yml"
    text = Path("policies/default.policy.yml").read_text()
    text = text.replace("image_digest: null", f"oci_runtime: {runtime or 'null'}")
    policy.write_text(text)
    asked = ask(JOB, state.parent.parent)
    words = [sys.executable, "-m", "magicrune", "exec", "-f", str(asked.file)]
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
    assert until_gone(lambda: running(asked.marker)) == []
    clean = [sys.executable, "-m", "magicrune", "doctor", "--clean", "--json"]
    subprocess.run(clean, env=environment(state), check=True, capture_output=True)
    assert until_gone(lambda: engine_has(lane, asked.run_id)) == []
    assert until_gone(lambda: left_over(state, asked.marker)) == []


def test_a_running_job_would_have_been_seen(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The positive control: while a job runs, the same look finds it."""
    container_backend(lanes(["oci-runc"], ["oci-rootless-runc"])[0], monkeypatch)
    asked = ask("sleep 300", state.parent.parent)
    words = [sys.executable, "-m", "magicrune", "exec", "-f", str(asked.file), "--backend", "oci"]
    words += ["--policy", "container"]
    process = subprocess.Popen(words, env=environment(state), stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + PATIENCE_S
        while not running(asked.marker) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert running(asked.marker)
        assert left_over(state, asked.marker)
    finally:
        process.kill()
        process.wait()
    assert until_gone(lambda: running(asked.marker)) == []
