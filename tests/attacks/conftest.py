"""What attacks on containers share."""

from __future__ import annotations

from pathlib import Path

import pytest

from magicrune.backends.rune import backend
from tests.attacks.lesser_init import Workshop
from tests.attacks.weaker import Weaker
from tests.engines import container_backend


@pytest.fixture(scope="session")
def copies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("image")


@pytest.fixture
def weaker(tmp_path: Path, copies: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Weaker:
    container_backend("oci-runc", monkeypatch)
    return Weaker(tmp_path, copies)


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    return Workshop(tmp_path_factory.mktemp("init"))


@pytest.fixture
def unchecked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A control that is not held stops no run: what would the attack get then?"""
    monkeypatch.setattr(backend, "require_held", lambda *_, **__: None)
