"""How many system calls reach the kernel: every number is tried, under each profile.

Harmless arguments (all bits set), each call in a child of its own. A call that is answered as
without any filter got through; so did one that blocked or crashed its child.
"""

from __future__ import annotations

import json
import subprocess
import uuid
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from magicrune.backends.docker.engine import DockerEngine
from magicrune.backends.oci.engine import OciEngine
from magicrune.backends.rune.backend import ContainerBackend
from magicrune.backends.rune.container import CAPABILITIES
from magicrune.backends.rune.seccomp import load
from tests.conftest import make_spec
from tests.engines import container_backend

LAST = 462
PROBE = f"""
import ctypes, json, os, signal
libc = ctypes.CDLL(None, use_errno=True)
found = []
for number in range({LAST}):
    child = os.fork()
    if child == 0:
        for each in range(3): os.close(each)
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        ctypes.set_errno(0)
        result = libc.syscall(ctypes.c_long(number), *[ctypes.c_long(-1)] * 6)
        os._exit(ctypes.get_errno() if result == -1 else 0)
    _, status = os.waitpid(child, 0)
    found.append(os.waitstatus_to_exitcode(status))
print(json.dumps(found))
"""


def under_runc(place: Path, seccomp: dict[str, Any] | None) -> list[int]:
    """As init runs: root with its four capabilities."""
    backend = ContainerBackend(OciEngine("runc"))
    container, image = backend.prepare(make_spec("true"))
    config = OciEngine("runc").words(container, image)
    config["process"]["args"] = ["python3", "-c", PROBE]
    config["linux"].pop("seccomp")
    if seccomp is not None:
        config["linux"]["seccomp"] = seccomp
    del config["linux"]["cgroupsPath"]
    (place / "config.json").write_text(json.dumps(config))
    words = ["runc", "run", "--bundle", str(place), f"reach-{uuid.uuid4().hex}"]
    return _answers(words)


def under_docker() -> list[int]:
    """Docker's own default profile, with the same capabilities."""
    image = ContainerBackend(DockerEngine()).prepare(make_spec("true"))[1].reference
    granted = [f"--cap-add={name.removeprefix('CAP_')}" for name in CAPABILITIES]
    words = ["docker", "run", "--rm", "--network=none", "--cap-drop=ALL", *granted]
    words += ["--security-opt=no-new-privileges", "--user=0:0", "--entrypoint=python3"]
    return _answers([*words, image, "-c", PROBE])


def _answers(words: list[str]) -> list[int]:
    done = subprocess.run(words, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stderr
    answers: list[int] = json.loads(done.stdout)
    return answers


def reached(answers: list[int], free: list[int]) -> int:
    """Calls that the kernel has (it knows them without a filter) and that were answered the
    same, or otherwise than by a refusal."""
    known = [number for number, answer in enumerate(free) if answer != 38]
    return sum(answers[n] == free[n] or answers[n] not in (1, 38) for n in known)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("reach")


@cache
def free(place: Path) -> tuple[int, ...]:
    return tuple(under_runc(place, None))


@pytest.fixture
def counted(place: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    container_backend("oci-runc", monkeypatch)
    container_backend("docker", monkeypatch)
    unfiltered = list(free(place))
    profiles = {name: load(name).oci("x86_64") for name in ("strict", "default", "loose")}
    found = {
        name: reached(under_runc(place, profile), unfiltered) for name, profile in profiles.items()
    }
    found["docker"] = reached(under_docker(), unfiltered)
    found["none"] = reached(unfiltered, unfiltered)
    return found


def test_ours_let_far_fewer_calls_through_than_dockers(counted: dict[str, int]) -> None:
    print(counted)
    assert counted["docker"] < counted["none"]  # the positive control: a filter is seen
    assert counted["strict"] < counted["default"] <= counted["docker"] - 30
    assert counted["loose"] <= counted["docker"]
