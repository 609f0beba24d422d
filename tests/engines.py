"""Real engines for tests: skipped where one is absent, failed where CI is set."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pytest

from magicrune.backends.oci.engine import OciEngine
from magicrune.backends.rune.backend import ContainerBackend
from magicrune.backends.rune.engine import Engine
from magicrune.images import store

IMAGE_HOME = Path(
    os.environ.get("MAGICRUNE_TEST_IMAGES") or Path.home() / ".cache" / "magicrune-tests"
)
"""The MAGICRUNE_HOME where scripts/engines.sh builds the images, kept from run to run."""


def lanes(rooted: Sequence[str], rootless: Sequence[str]) -> tuple[str, ...]:
    """Root's lanes for root, the rootless ones for an ordinary user: scripts/test.sh runs both
    where CI is set."""
    return tuple(rooted if os.geteuid() == 0 else rootless)


def images_under(place: Path) -> Path:
    """A cache directory of its own below `place` that has the images."""
    cache = place / "cache"
    if not (IMAGE_HOME / "cache").exists():
        absent("no images: sh scripts/engines.sh")
    if not cache.exists():
        cache.mkdir()
        shutil.copytree(IMAGE_HOME / "cache", cache / "magicrune", symlinks=True)
    return cache


def absent(what: str) -> None:
    """Ends the test: as failed where CI is set, else as skipped."""
    if os.environ.get("CI"):
        pytest.fail(what)
    pytest.skip(what)


def container_backend(lane: str, monkeypatch: pytest.MonkeyPatch) -> ContainerBackend:
    """The backend called `lane` (``oci-crun``), with the image that engines.sh built."""
    monkeypatch.setattr(store, "cache_dir", lambda: IMAGE_HOME / "cache")
    name, _, runtime = lane.replace("-rootless", "").partition("-")
    if ("-rootless" in lane) != (os.geteuid() != 0):
        absent(f"{lane}: this is uid {os.geteuid()}; scripts/rootless.sh runs those of a user")
    backend = ContainerBackend(_ENGINES[name](runtime))
    probe = backend.probe()
    if not probe.usable:
        absent(f"{lane}: {probe.detail} ({probe.fix})")
    return backend


def _oci(runtime: str) -> Engine:
    return OciEngine(runtime)


def _docker(_runtime: str) -> Engine:
    return _docker_at(os.environ.get("DOCKER_HOST"))


def _podman(_runtime: str) -> Engine:
    return _podman_at(os.environ.get("CONTAINER_HOST"))


@cache  # one client for all tests: Podman takes 0.3 s to say what it is
def _docker_at(_address: str | None) -> Engine:
    from magicrune.backends.docker.engine import DockerEngine

    return DockerEngine()


@cache
def _podman_at(_address: str | None) -> Engine:
    from magicrune.backends.podman.engine import PodmanEngine

    return PodmanEngine()


_ENGINES = {"oci": _oci, "docker": _docker, "podman": _podman}
