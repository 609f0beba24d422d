"""What mends an engine that is not there, not for this user, or without limits."""

from __future__ import annotations

import grp
import os
import socket
from pathlib import Path
from types import SimpleNamespace

import pytest

from magicrune import remedy
from magicrune.backends.docker import remedy as docker
from magicrune.backends.oci.hierarchy import Hierarchy
from magicrune.backends.podman import remedy as podman
from magicrune.backends.rune.controls import require_held
from magicrune.backends.rune.reach import Trouble, Unreachable, find_trouble
from magicrune.backends.rune.starting import how_to_start
from magicrune.errors import ControlNotHeld
from magicrune.observation import ControlReading
from magicrune.subids import user_name

ONE = Hierarchy(1, False, True)
HYBRID = Hierarchy(1, True, True)
TWO = Hierarchy(2, False, True)


class World:
    """A machine as a test wants it."""

    def __init__(self, patch: pytest.MonkeyPatch, place: Path) -> None:
        self.patch = patch
        self.bin = place / "bin"
        self.bin.mkdir()
        patch.setenv("PATH", str(self.bin))
        patch.setattr(remedy, "_ADMIN_PATH", str(self.bin))
        patch.setenv("XDG_RUNTIME_DIR", str(place))
        for name in ("DOCKER_HOST", "CONTAINER_HOST"):
            patch.delenv(name, raising=False)
        self.has("apt-get", "dockerd", "podman", "runc")
        self.systemd(False)
        patch.setattr(podman, "why_not", lambda: ("", ""))
        patch.setattr(podman, "find_delegation", lambda hierarchy: None)

    def has(self, *programs: str) -> None:
        for each in programs:
            (self.bin / each).touch(mode=0o755)

    def lacks(self, program: str) -> None:
        (self.bin / program).unlink()

    def user(self, uid: int) -> None:
        self.patch.setattr(os, "geteuid", lambda: uid)

    def systemd(self, there: bool) -> None:
        self.patch.setattr(remedy, "_SYSTEMD", self.bin if there else self.bin / "none")


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> World:
    return World(monkeypatch, tmp_path)


def absent(path: str = "/none") -> Unreachable:
    return Unreachable(Trouble.ABSENT, path, "no such socket")


def test_a_socket_that_is_not_for_us_is_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: socket.socket, path: str) -> None:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(socket.socket, "connect", refuse)
        found = find_trouble(f"unix://{tmp_path}/s")
    assert found is not None
    assert found.trouble is Trouble.FORBIDDEN


def test_docker_is_installed_where_it_is_not(world: World) -> None:
    world.lacks("dockerd")
    world.user(0)
    fix = docker.how_to_reach(absent(), TWO).splitlines()
    assert fix[0] == "apt-get install --yes docker.io"
    world.user(1000)
    assert docker.how_to_reach(absent(), TWO).startswith("sudo apt-get install --yes docker.io\n")
    world.lacks("apt-get")
    assert docker.how_to_reach(absent(), TWO).startswith("# install docker.io")


def test_docker_is_started_as_the_machine_starts_services(world: World) -> None:
    world.user(1000)
    assert docker.how_to_reach(absent(), ONE).startswith("sudo sh -c 'cd / && nohup dockerd ")
    world.systemd(True)
    fix = docker.how_to_reach(absent(), ONE)
    assert fix == "sudo systemctl enable docker && sudo systemctl restart docker"


def test_a_docker_of_the_users_own_is_used_where_it_can_hold_limits(
    world: World, tmp_path: Path
) -> None:
    world.user(1000)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "docker.sock"))
        listener.listen(8)
        said = f"export DOCKER_HOST=unix://{tmp_path}/docker.sock"
        assert docker.how_to_reach(absent(), TWO) == said
        assert docker.how_to_reach(absent(), ONE) != said
    assert "Delegate=cpu memory pids" in docker.how_to_hold(TWO)
    assert docker.how_to_hold(ONE).endswith("unset DOCKER_HOST")


@pytest.mark.parametrize(
    ("gid", "members", "says"),
    [
        (77, [], "sudo usermod --append --groups mygroup {user}\nnewgrp mygroup"),
        (77, ["{user}"], "# or log in again\nnewgrp mygroup"),
        (0, [], "sudo groupadd --force docker\n"),
    ],
)
def test_rights_for_dockers_socket(
    world: World, tmp_path: Path, gid: int, members: list[str], says: str
) -> None:
    world.user(1000)
    names = [each.format(user=user_name()) for each in members]
    world.patch.setattr(grp, "getgrgid", lambda gid: ("mygroup", "x", gid, names))
    found_by = SimpleNamespace(stat=lambda: SimpleNamespace(st_gid=gid))
    world.patch.setattr(docker, "Path", lambda path: found_by)
    found = Unreachable(Trouble.FORBIDDEN, "/s", "denied")
    fix = docker.how_to_reach(found, TWO)
    assert says.format(user=user_name()) in fix
    assert ("can become root" in fix) == (not members)


@pytest.mark.parametrize(
    ("uid", "hierarchy", "systemd", "says"),
    [
        (0, TWO, True, "systemctl enable --now podman.socket"),
        (1000, TWO, True, "systemctl --user enable --now podman.socket"),
        (0, ONE, True, "nohup podman system service --time=0 unix:///run/podman/podman.sock"),
        (0, HYBRID, True, "nohup podman --runtime runc system service --time=0 unix:///run/"),
        (1000, TWO, False, "nohup podman system service --time=0 unix://{own}/podman/podman.sock"),
        (1000, ONE, True, "podman --cgroup-manager cgroupfs --runtime {runtime} system service"),
    ],
)
def test_podmans_service_is_started_with_what_it_needs(
    world: World, tmp_path: Path, uid: int, hierarchy: Hierarchy, systemd: bool, says: str
) -> None:
    world.user(uid)
    world.systemd(systemd)
    runtime = remedy.own_program("magicrune-runtime")
    fix = podman.how_to_reach(absent(), hierarchy)
    assert says.format(own=tmp_path, runtime=runtime) in fix
    assert ("cgroup/$c/magicrune-" in fix) == (uid != 0 and hierarchy.version == 1)
    hold = podman.how_to_hold(hierarchy)
    assert ("Delegate=" in hold) == (uid != 0 and hierarchy.version == 2)
    assert ("pkill" in hold) == (not systemd and not (uid and hierarchy.version == 2))


def test_podman_of_a_user_needs_ids_and_namespaces_too(world: World, tmp_path: Path) -> None:
    world.user(1000)
    world.patch.setattr(podman, "why_not", lambda: ("none", "sudo sysctl -w a=1"))
    world.patch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "gone"))
    for each in ("podman", "runc"):
        world.lacks(each)
    fix = podman.how_to_reach(absent(), ONE).splitlines()
    assert fix[0] == "sudo apt-get install --yes podman"
    assert fix[1] == "sudo sysctl -w a=1"
    assert fix[2] == "sudo apt-get install --yes runc"
    assert f"sudo install -d -o 1000 -m 700 {tmp_path}/gone" in fix
    found = Unreachable(Trouble.FORBIDDEN, "/s", "denied")
    assert podman.how_to_reach(found, ONE).startswith("# /s is not for this user")


def test_what_a_runtime_said_names_the_remedy() -> None:
    container = SimpleNamespace(open_files=5000, oci_runtime="kata")
    fix = how_to_start("setrlimit `RLIMIT_NOFILE`: Operation not permitted", container)
    assert fix.endswith("prlimit --pid $$ --nofile=5000:5000")
    fix = how_to_start('unknown or invalid runtime name: kata"', container)
    assert '{"runtimes": {"kata": {"path": "/usr/bin/kata"}}}' in fix
    assert how_to_start("no space left", container) == ""


def test_a_control_that_is_not_held_brings_its_remedy() -> None:
    loose = ControlReading("memory", "cgroup", "9 bytes", "none", False)
    with pytest.raises(ControlNotHeld) as caught:
        require_held([loose], lambda control: f"hold {control}")
    assert caught.value.hint == "hold memory"
    with pytest.raises(ControlNotHeld) as caught:
        require_held([loose])
    assert "magicrune doctor" in caught.value.hint
