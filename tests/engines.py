"""Real engines for tests: skipped where one is absent, failed where CI is set."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from magicrune.backends.oci.engine import OciEngine
from magicrune.backends.rune.backend import ContainerBackend
from magicrune.errors import ImageMissing
from magicrune.images import store

IMAGE_HOME = Path(
    os.environ.get("MAGICRUNE_TEST_IMAGES") or Path.home() / ".cache" / "magicrune-tests"
)
"""The MAGICRUNE_HOME where scripts/engines.sh builds the images, kept from run to run."""


def absent(what: str) -> None:
    """Ends the test: as failed where CI is set, else as skipped."""
    if os.environ.get("CI"):
        pytest.fail(what)
    pytest.skip(what)


def container_backend(lane: str, monkeypatch: pytest.MonkeyPatch) -> ContainerBackend:
    """The backend called `lane` (``oci-crun``), with the image that engines.sh built."""
    runtime = lane.partition("-")[2]
    if shutil.which(runtime) is None or os.geteuid() != 0:
        absent(f"{runtime} is not installed, or this is not root")
    monkeypatch.setattr(store, "cache_dir", lambda: IMAGE_HOME / "cache")
    backend = ContainerBackend(OciEngine(runtime))
    try:
        store.find("python")
    except ImageMissing as error:
        absent(str(error))
    return backend
