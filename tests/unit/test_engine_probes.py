"""Engines that are not there say so, and what mends it."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from magicrune.backends.docker.engine import DockerEngine
from magicrune.backends.podman.engine import PodmanEngine
from magicrune.backends.rune.daemon import why_unreachable


def test_a_socket_that_answers_is_reachable(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        assert "refused" in why_unreachable(f"unix://{path}")
        listener.listen(1)
        assert why_unreachable(f"unix://{path}") == ""


@pytest.mark.parametrize("address", ["tcp://10.0.0.1:2375", "ssh://host", "npipe:////./x", ""])
def test_a_daemon_of_another_machine_is_none(address: str) -> None:
    assert "not a socket of this machine" in why_unreachable(address)


def test_absent_daemons_are_told_with_a_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DOCKER_HOST", "CONTAINER_HOST"):
        monkeypatch.setenv(name, f"unix://{tmp_path}/none")
    for engine in (DockerEngine(), PodmanEngine()):
        probe = engine.probe()
        assert (probe.usable, "no such socket" in probe.detail) == (False, True)
        assert probe.fix
