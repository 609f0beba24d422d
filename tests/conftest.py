"""What all tests share: a private home, and jobs in the WASI lane without the pipeline."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from magicrune.observation import Observation
from magicrune.spec import FIXED_ENV, ContainerSpec, FileInput, Limits, Mount

# On a busy machine an example takes as long as it takes.
settings.register_profile("any-pace", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any-pace")


def need(module: str) -> None:
    """Skips a test whose optional package is absent; where CI is set, fails it instead."""
    if importlib.util.find_spec(module) is None:
        absent = f"{module} is not installed"
        if os.environ.get("CI"):
            pytest.fail(absent)
        pytest.skip(absent)


TESTS = Path(__file__).parent
TRIED_TWICE = (TESTS / "conformance", TESTS / "e2e")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where CI is set, what drives real engines and servers is tried once more before it fails:
    a busy machine is no defect. The summary names each such test as RERUN (-rR). Attacks and
    unit tests are never tried again: there once is once too often."""
    if os.environ.get("CI"):
        for item in items:
            if any(place in item.path.parents for place in TRIED_TWICE):
                item.add_marker(pytest.mark.flaky(reruns=1))


RunJob = Callable[..., Observation]

LIMITS: dict[str, int] = {
    "wall_ms": 20_000,
    "cpu_ms": 15_000,
    "memory_bytes": 256 << 20,
    "pids": 32,
    "output_bytes": 8 << 20,
    "tmp_bytes": 32 << 20,
    "files": 2000,
    "open_files": 128,
    "artifact_bytes": 1 << 20,
}
SENSITIVE = ("/**/.ssh/**", "/etc/shadow", "/proc/*/environ")


@pytest.fixture(scope="session")
def module_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compiled modules, kept for the session: compiling the shell takes seconds."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A MAGICRUNE_HOME of its own."""
    path = tmp_path / "home"
    monkeypatch.setenv("MAGICRUNE_HOME", str(path))
    return path


def make_spec(
    cmd: str,
    *,
    stdin: bytes = b"",
    files: Mapping[str, bytes] | None = None,
    env: Mapping[str, str] | None = None,
    seed: int | None = None,
    mounts: tuple[Mount, ...] = (Mount("/tmp"), Mount("/workspace")),
    **limits: int,
) -> ContainerSpec:
    """A spec as plan() would make it; limits are keywords, as in spec.Limits (there is
    one clash: its `files` is `file_count` here)."""
    if "file_count" in limits:
        limits["files"] = limits.pop("file_count")
    return ContainerSpec(
        run_id="r_test",
        argv=("sh", "-c", cmd),
        env=tuple({**dict(FIXED_ENV), **(env or {})}.items()),
        stdin=stdin,
        files=tuple(FileInput(path, content) for path, content in (files or {}).items()),
        cwd="/workspace",
        mounts=mounts,
        limits=Limits(**{**LIMITS, **limits}),
        seed=seed,
        sensitive=SENSITIVE,
    )


@pytest.fixture
def run_job(module_cache: Path, monkeypatch: pytest.MonkeyPatch) -> RunJob:
    """Runs a command in the WASI lane: `run_job("echo hi", pids=4).stdout`."""
    from magicrune.backends.wasi import backend

    monkeypatch.setattr(backend, "cache_dir", lambda: module_cache)
    lane = backend.WasiBackend()

    def run(cmd: str, **options: object) -> Observation:
        return lane.run(make_spec(cmd, **options))  # type: ignore[arg-type]

    return run
