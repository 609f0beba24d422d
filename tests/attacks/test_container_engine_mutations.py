"""A control that is left out of what Docker or Podman is told is missed: the job does not start.

Not among them: no_new_privs, without which runc itself refuses a filter to a user with so few
capabilities.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from magicrune.backends.docker import engine as docker_engine
from magicrune.backends.podman import create as podman_create
from magicrune.backends.podman import engine as podman_engine
from magicrune.backends.rune.container import Container
from magicrune.backends.rune.seccomp import load
from magicrune.errors import ControlNotHeld
from tests.conftest import make_spec
from tests.engines import container_backend, lanes

Body = dict[str, Any]
Change = Callable[[Body], object]


def host(**options: Any) -> Change:
    """Docker's own words for what it takes from the host."""
    return lambda body: body["HostConfig"].update(options)


def profile(text: str) -> Change:
    return host(SecurityOpt=["no-new-privileges", f"seccomp={text}"])


def scratch(old: str, new: str) -> Change:
    def change(body: Body) -> None:
        options = body["HostConfig"]["Tmpfs"]
        assert old in options["/tmp"]
        body["HostConfig"]["Tmpfs"] = {at: text.replace(old, new) for at, text in options.items()}

    return change


def on_the_hosts_network(body: Body) -> None:
    body.update(NetworkDisabled=False)
    body["HostConfig"].update(NetworkMode="host", Sysctls={})


USR = {"Type": "bind", "Source": "/usr", "Target": "/dev/host", "ReadOnly": True}
KMSG = {**dict.fromkeys(("PathOnHost", "PathInContainer"), "/dev/kmsg"), "CgroupPermissions": "r"}
DOCKER: list[tuple[str, Change]] = [
    ("namespaces", host(PidMode="host")),
    ("namespaces", host(IpcMode="host")),
    ("namespaces", host(CgroupnsMode="host")),
    ("namespaces", on_the_hosts_network),
    ("namespaces", lambda body: (body.pop("Hostname"), body["HostConfig"].update(UTSMode="host"))),
    ("capabilities", lambda body: body["HostConfig"]["CapAdd"].append("SYS_ADMIN")),
    ("capabilities", host(CapDrop=[])),
    ("seccomp", profile("unconfined")),
    ("seccomp", host(SecurityOpt=["no-new-privileges"])),  # Docker's own profile
    ("seccomp", profile(load("loose").docker_json())),
    ("rootfs", host(ReadonlyRootfs=False)),
    ("mounts", scratch("nosuid", "suid")),
    ("mounts", scratch("size=33554432", "size=99999999")),
    ("mounts", scratch("nr_inodes=2001,", "")),
    ("filesystem", lambda body: body["HostConfig"]["Mounts"].append(USR)),
    ("filesystem", host(Binds=["/etc/passwd:/etc/passwd:ro"])),
    ("devices", host(Devices=[KMSG])),
    ("masked_paths", host(MaskedPaths=[])),
    ("readonly_paths", host(ReadonlyPaths=[])),
    ("memory", host(Memory=0, MemorySwap=0)),
    ("processes", host(PidsLimit=0)),
    ("cpu_rate", host(CpuQuota=0)),
    ("host_identity", lambda body: body.update(Hostname="another")),
]


def mode(key: str, name: str = "host") -> Change:
    return lambda body: body.update({key: {"nsmode": name}})


def bind(path: str, source: str) -> Change:
    def change(body: Body) -> None:
        mount = {"destination": path, "type": "bind", "source": source}
        body["mounts"].append({**mount, "options": ["bind", "ro"]})

    return change


def own_network(body: Body) -> None:
    """Of the host, with what goes with it."""
    body.update(netns={"nsmode": "host"}, sysctl={})


PODMAN: list[tuple[str, Change]] = [
    ("namespaces", mode("pidns")),
    ("namespaces", mode("ipcns")),
    ("namespaces", mode("cgroupns")),
    ("namespaces", own_network),
    ("namespaces", lambda body: (body.pop("hostname"), body.update(utsns={"nsmode": "host"}))),
    ("capabilities", lambda body: body["cap_add"].append("CAP_SYS_ADMIN")),
    ("capabilities", lambda body: body.update(cap_drop=[])),
    ("seccomp", lambda body: body.update(seccomp_profile_path="unconfined")),
    ("seccomp", lambda body: body.update(seccomp_profile_path="")),  # Podman's own profile
    ("rootfs", lambda body: body.update(read_only_filesystem=False)),
    ("filesystem", bind("/dev/host", "/usr")),
    ("filesystem", bind("/etc/passwd", "/etc/passwd")),
    ("devices", lambda body: body.update(devices=[{"path": "/dev/kmsg"}])),
    ("masked_paths", lambda body: body.update(mask=[], unmask=["ALL"])),
    ("memory", lambda body: body["resource_limits"].pop("memory")),
    ("processes", lambda body: body["resource_limits"].update(pids={"limit": 0})),
    ("cpu_rate", lambda body: body["resource_limits"].pop("cpu")),
    ("host_identity", lambda body: body.update(hostname="another")),
]


def leave_out(engine: ModuleType, change: Change, monkeypatch: pytest.MonkeyPatch) -> None:
    """From what `engine` is told of each container."""
    write_create = engine.write_create

    def mutated(*args: Any, **options: Any) -> Body:
        body: Body = write_create(*args, **options)
        change(body)
        return body

    monkeypatch.setattr(engine, "write_create", mutated)


def refused(lane: str, control: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what `monkeypatch` changed; the run without it was the control."""
    backend = container_backend(lane, monkeypatch)
    with pytest.raises(ControlNotHeld, match=f"control {control} is not held"):
        backend.run(make_spec("touch /tmp/ran", cpus=1))


@pytest.mark.parametrize("lane", lanes(("docker", "podman"), ()))
def test_nothing_is_missed_where_nothing_is_left_out(
    lane: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = container_backend(lane, monkeypatch).run(make_spec("true", cpus=1))
    assert all(reading.held for reading in seen.enforcement)


@pytest.mark.parametrize("lane", lanes(("docker",), ()))
@pytest.mark.parametrize(("control", "change"), DOCKER)
def test_what_docker_is_not_told(
    lane: str, control: str, change: Change, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_out(docker_engine, change, monkeypatch)
    refused(lane, control, monkeypatch)


@pytest.mark.parametrize("lane", lanes(("podman",), ()))
@pytest.mark.parametrize(("control", "change"), PODMAN)
def test_what_podman_is_not_told(
    lane: str, control: str, change: Change, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_out(podman_engine, change, monkeypatch)
    refused(lane, control, monkeypatch)


@pytest.mark.parametrize("lane", lanes(("podman",), ()))
@pytest.mark.parametrize("more", [{"size_bytes": 99 << 20}, {"inodes": 9999}])
def test_what_podmans_volumes_are_not_told(
    lane: str, more: dict[str, int], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def larger(container: Container) -> list[Body]:
        tmpfs = tuple(replace(each, **more) for each in container.tmpfs)
        return podman_create.write_volumes(replace(container, tmpfs=tmpfs))

    monkeypatch.setattr(podman_engine, "write_volumes", larger)
    refused(lane, "mounts", monkeypatch)
