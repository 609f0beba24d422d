"""A control that is taken out of the container is missed: the job does not start."""

from __future__ import annotations

import copy
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from magicrune.backends.oci import engine
from magicrune.backends.oci.bundle import write_config
from magicrune.backends.oci.delegation import Groups
from magicrune.backends.oci.hierarchy import read_hierarchy
from magicrune.backends.rune import backend as backend_module
from magicrune.backends.rune import record
from magicrune.backends.rune.container import Container
from magicrune.backends.rune.engine import Engine
from magicrune.backends.rune.seccomp import load
from magicrune.errors import BackendFailed, ControlNotHeld
from magicrune.spec import ContainerSpec
from tests.conftest import make_spec
from tests.engines import absent, container_backend, lanes

LANES = lanes(("oci-runc", "oci-crun"), ("oci-rootless-runc", "oci-rootless-crun"))
Config = dict[str, Any]
Change = Callable[[Config], object]


def without(kind: str, key: str = "") -> Change:
    def change(config: Config) -> None:
        config.pop(key, None)
        config["linux"]["namespaces"] = [
            each for each in config["linux"]["namespaces"] if each["type"] != kind
        ]

    return change


def with_capability(config: Config) -> None:
    for names in config["process"]["capabilities"].values():
        names.append("CAP_SYS_ADMIN")


def option(path: str, old: str, new: str) -> Change:
    def change(config: Config) -> None:
        (mount,) = [each for each in config["mounts"] if each["destination"] == path]
        assert old in mount["options"]
        mount["options"] = [new if each == old else each for each in mount["options"]]

    return change


def bind(source: str, path: str, *options: str) -> Change:
    def change(config: Config) -> None:
        mount = {"destination": path, "type": "bind", "source": source}
        config["mounts"].append({**mount, "options": ["bind", *options]})

    return change


def with_profile(name: str) -> Change:
    def change(config: Config) -> None:
        config["linux"]["seccomp"] = load(name).oci(platform.machine())

    return change


def allow_all(config: Config) -> None:
    config["linux"]["seccomp"] = {
        **config["linux"]["seccomp"],
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{"names": ["sync"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1}],
    }
    del config["linux"]["seccomp"]["defaultErrnoRet"]


def answer(call: str, **rule: Any) -> Change:
    """Gives one call another answer in the profile."""

    def change(config: Config) -> None:
        profile = config["linux"]["seccomp"] = copy.deepcopy(config["linux"]["seccomp"])
        for each in profile["syscalls"]:
            each["names"] = [name for name in each["names"] if name != call]
        profile["syscalls"] = [each for each in profile["syscalls"] if each["names"]]
        profile["syscalls"].append({"names": [call], **rule})

    return change


def add_device(config: Config) -> None:
    device = {"path": "/dev/kmsg", "type": "c", "major": 1, "minor": 11, "fileMode": 0o666}
    config["linux"]["devices"] = [device]


MUTATIONS: list[tuple[str, Change]] = [
    ("namespaces", without("ipc")),
    ("namespaces", without("pid")),
    ("namespaces", without("cgroup")),
    ("namespaces", without("network")),
    ("namespaces", without("uts", "hostname")),
    ("capabilities", with_capability),
    ("no_new_privileges", lambda c: c["process"].update(noNewPrivileges=False)),
    ("seccomp", lambda c: c["linux"].pop("seccomp")),
    ("seccomp", allow_all),
    ("seccomp", with_profile("loose")),
    ("seccomp", answer("vmsplice", action="SCMP_ACT_ALLOW")),
    ("watch", answer("ptrace", action="SCMP_ACT_ERRNO", errnoRet=38)),
    ("watch", answer("mount", action="SCMP_ACT_ERRNO", errnoRet=38)),
    ("rootfs", lambda c: c["root"].update(readonly=False)),
    ("mounts", option("/tmp", "nodev", "dev")),
    ("mounts", option("/tmp", "nosuid", "suid")),
    ("mounts", option("/workspace", "size=33554432", "size=99999999")),
    ("mounts", option("/workspace", "nr_inodes=2001", "nr_inodes=99999")),
    ("filesystem", bind("/usr", "/dev/host")),
    ("filesystem", bind("/usr", "/dev/host", "ro")),
    ("filesystem", bind("/usr", "/usr/share", "ro", "nosuid", "nodev")),
    ("filesystem", bind("/etc/passwd", "/etc/passwd", "ro")),
    ("devices", add_device),
    ("terminals", option("/dev/pts", "max=64", "max=3072")),
    ("masked_paths", lambda c: c["linux"].update(maskedPaths=[])),
    ("readonly_paths", lambda c: c["linux"].update(readonlyPaths=[])),
    ("memory", lambda c: c["linux"]["resources"].pop("memory")),
    ("processes", lambda c: c["linux"]["resources"].pop("pids")),
    ("cpu_rate", lambda c: c["linux"]["resources"].update(cpu={})),
    ("host_identity", lambda c: c.update(hostname="another")),
]


def sets_groups(lane: str) -> bool:
    """Whether limits are ours to set: on version 2 every runtime sets them by itself."""
    return lane == "oci-rootless-crun" and read_hierarchy().version == 1


IN_GROUPS: dict[str, dict[str, int]] = {
    "memory": {"memory_bytes": 1 << 34},
    "processes": {"pids": 9999},
    "cpu_rate": {"cpus": 2},
}
"""What we set ourselves where the runtime sets no limits, and more of it."""


@pytest.mark.parametrize("lane", LANES)
@pytest.mark.parametrize(("control", "change"), MUTATIONS)
def test_a_missing_control_stops_the_run(
    lane: str,
    control: str,
    change: Change,
    home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if lane.endswith("runc") and control == "no_new_privileges":
        pytest.skip("runc itself refuses a filter without it for a user with few capabilities")
    if sets_groups(lane) and control in IN_GROUPS:
        pytest.skip("not in the configuration there: the next test")
    if "rootless" in lane and control == "devices":
        pytest.skip("no device can be made in a user namespace")
    backend = container_backend(lane, monkeypatch)

    def mutated(*args: Any, **options: Any) -> Config:
        config = write_config(*args, **options)
        if control == "rootfs":  # init tries to write there: not into the image of others
            copy = tmp_path / "rootfs"
            shutil.copytree(config["root"]["path"], copy, symlinks=True)
            config["root"]["path"] = str(copy)
        change(config)
        return config

    spec = make_spec("touch /tmp/ran", cpus=1)
    assert backend.run(spec).exit_code == 0
    monkeypatch.setattr(engine, "write_config", mutated)
    stopped = f"control {control} is not held"
    if "rootless" in lane and control == "namespaces":
        # In a user namespace the kernel gives no /proc or /sys of namespaces that are not its own.
        stopped += "|[Oo]peration not permitted|ended before the job was started"
    with pytest.raises((ControlNotHeld, BackendFailed), match=stopped):
        backend.run(spec)


@pytest.mark.parametrize("lane", lanes((), ("oci-rootless-crun",)))
@pytest.mark.parametrize(("control", "change"), IN_GROUPS.items())
def test_a_limit_that_we_do_not_set_stops_the_run(
    lane: str, control: str, change: dict[str, int], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = container_backend(lane, monkeypatch)
    if not sets_groups(lane):
        pytest.skip("the runtime sets the limits on version 2: the test before this one")
    make = Groups.make

    def mutated(self: Groups, container: Container, *, limit_swap: bool) -> None:
        make(self, replace(container, **change), limit_swap=limit_swap)  # type: ignore[arg-type]

    spec = make_spec("true", cpus=1)
    assert backend.run(spec).exit_code == 0
    monkeypatch.setattr(Groups, "make", mutated)
    with pytest.raises(ControlNotHeld, match=f"control {control} is not held"):
        backend.run(spec)


@pytest.mark.parametrize("lane", LANES)
def test_swap_that_is_not_limited_stops_the_run(
    lane: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a host that has swap, whether this one has or not: the limit is there all the same."""
    backend = container_backend(lane, monkeypatch)
    hierarchy = read_hierarchy()
    if not hierarchy.counts_swap:
        absent("this kernel does not count swap for a control group")
    monkeypatch.setattr(backend_module, "_has_swap", lambda: True)
    seen = backend.run(make_spec("true"))
    (reading,) = [each for each in seen.enforcement if each.control == "swap"]
    assert reading.mechanism == f"cgroup v{hierarchy.version} swap limit"
    uncounted = replace(hierarchy, counts_swap=False)
    monkeypatch.setattr(engine, "read_hierarchy", lambda: uncounted)
    with pytest.raises(ControlNotHeld, match="control swap is not held"):
        backend.run(make_spec("true"))


class Claiming:
    """An engine that is asked for a user namespace and makes none."""

    rootless = True

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)


@pytest.mark.parametrize("lane", lanes(("oci-crun", "docker", "podman"), ()))
def test_a_missing_user_namespace_stops_the_run(
    lane: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = container_backend(lane, monkeypatch)
    monkeypatch.setattr(backend, "_engine", Claiming(backend._engine))
    with pytest.raises(ControlNotHeld, match="control user_namespace is not held"):
        backend.run(make_spec("true"))


@pytest.mark.parametrize("lane", LANES)
def test_another_profile_than_wanted_stops_the_run(
    lane: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = container_backend(lane, monkeypatch)

    def mutated(*args: Any, **options: Any) -> Config:
        config = write_config(*args, **options)
        with_profile("default")(config)
        return config

    spec = replace(make_spec("true"), seccomp="strict")
    assert backend.run(spec).exit_code == 0
    monkeypatch.setattr(engine, "write_config", mutated)
    with pytest.raises(ControlNotHeld, match="control seccomp is not held"):
        backend.run(spec)


@pytest.fixture
def network() -> Iterator[str]:
    """A network namespace with an interface that is up; its path."""
    if os.geteuid() or shutil.which("ip") is None:
        absent("making a network namespace needs root and iproute2")
    name = "magicrune-mutation"
    ip = ["ip", "-n", name]
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        subprocess.run([*ip, "link", "add", "d0", "type", "veth", "peer", "d1"], check=True)
        subprocess.run([*ip, "addr", "add", "10.99.0.1/24", "dev", "d0"], check=True)
        subprocess.run([*ip, "link", "set", "d0", "up"], check=True)
        yield f"/run/netns/{name}"
    finally:
        subprocess.run(["ip", "netns", "del", name], check=True)


@pytest.mark.parametrize("lane", lanes(("oci-runc", "oci-crun"), ()))
@pytest.mark.parametrize("profile", ["default", "strict"])
def test_an_interface_stops_the_run(
    lane: str, profile: str, network: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = container_backend(lane, monkeypatch)

    def mutated(*args: Any, **options: Any) -> Config:
        config = write_config(*args, **options)
        for each in config["linux"]["namespaces"]:
            if each["type"] == "network":
                each["path"] = network
        return config

    spec = replace(make_spec("true"), seccomp=profile)
    assert backend.run(spec).exit_code == 0
    monkeypatch.setattr(engine, "write_config", mutated)
    with pytest.raises(ControlNotHeld, match=r"control network is not held: .* d0"):
        backend.run(spec)


@pytest.mark.parametrize("lane", LANES)
@pytest.mark.parametrize(
    ("control", "old", "new"),
    [
        ("open_files", b"nofile=128", b"nofile=1024"),
        ("rlimits", rb"fsize=\d+\0", b""),
        ("watch", b"cwd=", b"watch=0\0cwd="),
        ("job_user", b"uid=65534", b"uid=65533"),
        ("job_user", b"gid=65534", b"gid=65533"),
    ],
)
def test_a_limit_that_init_does_not_set_stops_the_run(
    lane: str,
    control: str,
    old: bytes,
    new: bytes,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    backend = container_backend(lane, monkeypatch)
    job_record = record.job_record

    def mutated(spec: ContainerSpec) -> bytes:
        whole = job_record(spec)
        changed = re.sub(old, new, whole)
        assert changed != whole
        return changed

    spec = make_spec("true")
    assert backend.run(spec).exit_code == 0
    monkeypatch.setattr(record, "job_record", mutated)
    with pytest.raises(ControlNotHeld, match=f"control {control} is not held"):
        backend.run(spec)
