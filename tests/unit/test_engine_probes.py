"""Engines that are not there say so, and what mends it."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from docker.errors import NotFound

from magicrune.backends.base import Probe
from magicrune.backends.docker.engine import DockerContainer, DockerEngine
from magicrune.backends.podman.engine import PodmanEngine
from magicrune.backends.rune import daemon
from magicrune.backends.rune.reach import Trouble, find_trouble
from magicrune.backends.rune.socket_dir import SocketDir
from magicrune.backends.select import choose
from magicrune.errors import BackendFailed, BackendUnavailable
from magicrune.images import store


def test_a_socket_that_answers_is_reachable(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        found = find_trouble(f"unix://{path}")
        assert found is not None
        assert (found.trouble, "refused" in found.detail) == (Trouble.DEAF, True)
        listener.listen(1)
        assert find_trouble(f"unix://{path}") is None


@pytest.mark.parametrize("address", ["tcp://10.0.0.1:2375", "ssh://host", "npipe:////./x", ""])
def test_a_daemon_of_another_machine_is_none(address: str) -> None:
    found = find_trouble(address)
    assert found is not None
    assert found.trouble is Trouble.REMOTE
    assert "not a socket of this machine" in found.detail


def test_absent_daemons_are_told_with_a_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DOCKER_HOST", "CONTAINER_HOST"):
        monkeypatch.setenv(name, f"unix://{tmp_path}/none")
    for engine in (DockerEngine(), PodmanEngine()):
        probe = engine.probe()
        assert (probe.usable, "no such socket" in probe.detail) == (False, True)
        assert probe.fix.startswith("unset ")


@pytest.fixture
def rude(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A daemon that takes every connection and hangs up."""
    path = tmp_path / "s"
    for name in ("DOCKER_HOST", "CONTAINER_HOST"):
        monkeypatch.setenv(name, f"unix://{path}")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(8)

        def hang_up() -> None:
            with contextlib.suppress(OSError):
                while True:
                    listener.accept()[0].close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        yield
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


@pytest.mark.usefixtures("rude")
@pytest.mark.parametrize("kind", [DockerEngine, PodmanEngine])
def test_what_a_sdk_raises_is_told_as_our_failure(
    kind: type[DockerEngine | PodmanEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(daemon, "image_id", lambda _image: f"sha256:{'0' * 64}")
    monkeypatch.setattr(store, "find", lambda *_: None)
    with pytest.raises(BackendFailed):
        kind().find_image("base", None)
    with pytest.raises(BackendFailed):
        kind().sweep()
    with pytest.raises(BackendFailed):
        kind().require_runtime("crun")


@pytest.mark.usefixtures("rude")
def test_a_daemon_that_fails_hides_no_control_that_is_not_held() -> None:
    assert DockerEngine().how_to_hold("memory") == ""


@pytest.mark.usefixtures("rude")
def test_auto_passes_over_a_daemon_that_fails_when_asked_for_a_runtime(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    usable = Probe("docker", True, "")
    monkeypatch.setattr(DockerEngine, "probe", lambda _self: usable)
    with pytest.raises(BackendUnavailable, match="docker: "):
        choose("auto", ("docker",), oci_runtime="crun")


class NoAppArmor:
    """Docker's client on a machine whose kernel has AppArmor and that lacks its programs."""

    def create_container_from_config(self, _body: object, _name: str) -> dict[str, str]:
        return {"Id": "1"}

    def start(self, _identity: str) -> None:
        raise OSError("AppArmor enabled on system but running `apparmor_parser` failed")

    def inspect_container(self, _identity: str) -> None:
        raise NotFound("gone")

    def remove_container(self, _identity: str, **_options: bool) -> None:
        raise NotFound("gone")


def test_docker_without_the_programs_of_apparmor_is_told_with_a_remedy(home: Path) -> None:
    with pytest.raises(BackendFailed) as caught:
        DockerContainer(NoAppArmor(), "name", {}, SocketDir())
    assert "apparmor" in caught.value.hint


class Quick(NoAppArmor):
    """Docker's client where the container is gone as soon as it has connected."""

    def start(self, _identity: str) -> None:
        """Nothing to wait for."""


def test_docker_that_removed_the_container_is_told_as_our_failure(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = socket.socketpair()
    monkeypatch.setattr(SocketDir, "accept", lambda *_: ours)
    container = DockerContainer(Quick(), "name", {}, SocketDir())
    with pytest.raises(BackendFailed, match="gone"):
        container.runtime()
    container.remove()
    theirs.close()
