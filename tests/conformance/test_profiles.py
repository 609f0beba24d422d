"""Each seccomp profile lets ordinary programs do ordinary things, with all controls held."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from magicrune.observation import Ending
from tests.conftest import make_spec
from tests.engines import container_backend, lanes

TOUR = Path(__file__).parent / "tour"
SHELLS = {"tools.sh": "sh", "bash.sh": "bash", "program.py": "python3"}


# Docker's and Podman's filter is the same: there the widest part is enough.
TRIPS = [
    *((lane, name) for lane in lanes(("oci-crun", "oci-runc"), ()) for name in SHELLS),
    *((lane, "program.py") for lane in lanes(("docker", "podman"), ("oci-rootless-crun",))),
]


@pytest.mark.parametrize(("lane", "name"), TRIPS)
@pytest.mark.parametrize("profile", ["default", "strict", "loose"])
def test_the_tour(
    lane: str, profile: str, name: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {f"/workspace/{name}": (TOUR / name).read_bytes()}
    spec = make_spec(f"{SHELLS[name]} {name}", files=files, wall_ms=50_000, pids=64)
    seen = container_backend(lane, monkeypatch).run(replace(spec, seccomp=profile))
    assert (seen.ending, seen.exit_code) == (Ending.EXITED, 0), seen.stderr.decode()
    assert all(reading.held for reading in seen.enforcement)
    if name == "program.py":
        assert seen.stdout == b"done\n"
