"""One suite over every backend; what a backend cannot do is declared in behaviours.GAPS."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from magicrune.observation import Observation
from tests.conformance.behaviours import BEHAVIOURS, GAPS
from tests.conftest import make_spec
from tests.engines import container_backend, lanes

LANES = lanes(
    ("wasi", "oci-crun", "oci-runc", "docker", "podman"),
    ("wasi", "oci-rootless-crun", "oci-rootless-runc", "podman-rootless"),
)


@pytest.fixture(params=LANES)
def lane(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def run(
    lane: str, module_cache: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Observation]:
    if lane == "wasi":
        from magicrune.backends.wasi import backend

        monkeypatch.setattr(backend, "cache_dir", lambda: module_cache)
        sandbox = backend.WasiBackend()
    else:
        sandbox = container_backend(lane, monkeypatch)  # type: ignore[assignment]
    return lambda cmd, **options: sandbox.run(make_spec(cmd, **options))


PART = (
    *("exit_zero", "stdin_arrives", "flood_is_cut_at_the_limit", "files_are_put_in"),
    *("disk_is_bounded", "artifacts_come_out", "stubborn_tree_is_ended", "memory_is_bounded"),
    *("fork_bomb_is_bounded", "processors_are_bounded", "user_is_nobody", "controls_are_read_back"),
)
"""For the Podman of an ordinary user, which takes 2 s a container; all of them pass there."""
CASES = [
    (name, lane) for lane in LANES for name in (PART if lane == "podman-rootless" else BEHAVIOURS)
]


@pytest.mark.parametrize(("name", "lane"), CASES)
def test_behaviour(name: str, lane: str, run: Callable[..., Observation]) -> None:
    gap = GAPS[lane.partition("-")[0]].get(name)
    if gap is not None:
        pytest.skip(f"declared gap: {gap}")
    BEHAVIOURS[name](run)


def test_the_suite_is_as_large_as_it_claims() -> None:
    assert len(BEHAVIOURS) >= 45
    assert all(name in BEHAVIOURS for gaps in GAPS.values() for name in gaps)
