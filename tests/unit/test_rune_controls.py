"""Controls read back: each one that is not as wanted is found, and only that one."""

from __future__ import annotations

import copy
import socket
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from magicrune.backends.rune import backend
from magicrune.backends.rune.container import Container, lower
from magicrune.backends.rune.controls import (
    read_container,
    read_controls,
    read_runtime,
    require_held,
)
from magicrune.backends.rune.controls_cgroup import read_sockets
from magicrune.backends.rune.engine import FoundImage
from magicrune.backends.rune.seccomp import load
from magicrune.backends.rune.session import Approve
from magicrune.errors import BackendBroken, ControlNotHeld
from magicrune.observation import ControlReading
from tests.conftest import make_spec

SPEC = make_spec("true", cpus=2)
WANTED: Container = lower(SPEC, profile=load("default"), image="python", owner="1-1")
HOST = {
    name: f"1{number}" for number, name in enumerate(("pid", "mnt", "net", "ipc", "uts", "cgroup"))
}
CAPS = "00000000000800e0"
NONE = "0000000000000000"


def _tmpfs(path: str, size: str, inodes: int, *more: str) -> dict[str, Any]:
    flags = ["rw", "nosuid", "nodev", *more]
    options = ["rw", f"size={size}", f"nr_inodes={inodes}"]
    return {"path": path, "root": "/", "type": "tmpfs", "options": flags, "super": options}


REFUSALS = dict.fromkeys(
    "ptrace kcmp move_pages migrate_pages mount umount2 pivot_root chroot open_tree move_mount "
    "fsopen fsmount fsconfig fspick mount_setattr unshare setns bpf perf_event_open keyctl "
    "add_key request_key init_module finit_module delete_module kexec_load swapon swapoff "
    "userfaultfd name_to_handle_at open_by_handle_at quotactl acct syslog vmsplice".split(),
    38,
)


CONTAINER: dict[str, Any] = {
    "stage": "container",
    "init": {
        "caps": {"inh": NONE, "prm": CAPS, "eff": CAPS, "bnd": CAPS, "amb": NONE},
        "seccomp": 2,
        "no_new_privs": 1,
        "nice": 0,
    },
    "pid1": True,
    "dumpable": 0,
    "hostname": "magicrune",
    "namespaces": {name: f"2{number}" for number, name in enumerate(HOST)},
    "rootfs_readonly": True,
    "mounts": [
        {"path": "/", "root": "/", "type": "ext4", "options": ["ro"], "super": ["rw"]},
        {"path": "/proc", "root": "/", "type": "proc", "options": ["rw"], "super": ["rw"]},
        _tmpfs("/tmp", "32768k", 2001),
        _tmpfs("/workspace", "32768k", 2001),
        _tmpfs("/dev/shm", "16384k", 1000, "noexec"),
        {"path": "/dev/pts", "root": "/", "type": "devpts", "options": ["rw"], "super": ["max=64"]},
    ],
    "cgroup": {
        "version": 1,
        "memory_max": WANTED.memory_bytes,
        "swap_max": None,
        "memsw_max": WANTED.memory_bytes,
        "pids_max": WANTED.pids,
        "cpu_quota_us": 200_000,
        "cpu_period_us": 100_000,
    },
    "interfaces": [{"name": "lo", "up": True, "addresses": ["127.0.0.1"]}],
    "routes": [],
    "devices": [{"path": "/dev/null", "type": "c", "major": 1, "minor": 3}],
    "paths": dict.fromkeys(WANTED.masked_paths, "empty"),
    "refusals": REFUSALS,
    "readonly": {**dict.fromkeys(WANTED.readonly_paths, "ro"), "/sys": "ro"},
}
JOB: dict[str, Any] = {
    "stage": "job",
    "job": {
        "uid": [65534] * 4,
        "gid": [65534] * 4,
        "groups": [],
        "caps": {"inh": NONE, "prm": NONE, "eff": NONE, "bnd": CAPS, "amb": NONE},
        "seccomp": 2,
        "seccomp_filters": 2,
        "no_new_privs": 1,
        "nice": 19,
        "rlimits": {
            "nofile": [128, 128],
            "core": [0, 0],
            "memlock": [0, 0],
            "msgqueue": [0, 0],
            "nice": [0, 0],
            "rtprio": [0, 0],
            "fsize": [33 << 20, 33 << 20],
        },
    },
    "filter_bytes": 2488,
    "watched": True,
    "unseen": ["statmount"],
    "tried": 57,
    "kill_scope": "pid_namespace",
}


@pytest.mark.parametrize(
    ("group", "trouble", "held", "told"),
    [
        ({"version": 1, "tcp_max": 16 << 20}, "", True, "limit 16777216"),
        ({"version": 1, "tcp_max": (16 << 20) + 1}, "", False, "limit 16777217"),
        ({"version": 1, "tcp_max": "max"}, "", False, "limit max"),
        ({"version": 1, "tcp_max": None}, "", False, "limit None"),
        ({"version": None}, "", False, "limit None"),
        ({"version": 1, "tcp_max": "max"}, "no right", True, "limit max"),
        ({"version": 1, "tcp_max": 1}, "no right", True, "limit 1"),
        ({"version": 2, "memory_max": 1 << 28}, "", True, "part of it"),
        ({"version": 2, "memory_max": "max"}, "", False, "no memory limit"),
    ],
)
def test_buffers_of_sockets_are_limited_or_it_is_said_that_they_cannot_be(
    group: dict[str, Any], trouble: str, held: bool, told: str
) -> None:
    reading = read_sockets({"cgroup": group}, WANTED, trouble)
    assert (reading.held, reading.measured) == (held, told)
    assert (trouble in reading.mechanism) is (group.get("tcp_max") != 1)


def read(container: Any, job: Any, *, swap: bool = True) -> tuple[ControlReading, ...]:
    return read_controls(
        container, job, spec=SPEC, wanted=WANTED, host_namespaces=HOST, host_has_swap=swap
    )


def test_all_is_held_where_all_is_as_wanted() -> None:
    readings = read(CONTAINER, JOB)
    assert [reading.control for reading in readings if not reading.held] == []
    require_held(readings)


def test_no_swap_on_the_host_needs_no_limit() -> None:
    container = {**CONTAINER, "cgroup": {**CONTAINER["cgroup"], "memsw_max": None}}
    assert not all(reading.held for reading in read(container, JOB))
    assert all(reading.held for reading in read(container, JOB, swap=False))


PODMANS = [
    ("/sys/fs/selinux", "/", "tmpfs", "ro", True),  # where the kernel has SELinux
    ("/sys/fs/selinux", "/", "tmpfs", "rw", False),
    ("/sys/fs/selinux", "/", "selinuxfs", "ro", False),
    ("/sys/dev/block", "/", "tmpfs", "ro", True),
    ("/proc/asound", "/asound", "proc", "ro", True),  # where it has sound: read-only, then masked
    ("/proc/asound", "/asound", "proc", "rw", False),
    ("/proc/asound", "/", "proc", "ro", False),
    ("/proc/kcore", "/null", "devtmpfs", "rw", True),
    ("/sys/fs/another", "/", "tmpfs", "ro", False),
]


@pytest.mark.parametrize(("path", "root", "kind", "flag", "known"), PODMANS)
def test_what_podman_masks_besides_is_known(
    path: str, root: str, kind: str, flag: str, known: bool
) -> None:
    mount = {"path": path, "root": root, "type": kind, "source": "x", "super": ["rw"]}
    more = {**mount, "options": [flag, "nosuid", "nodev"]}
    readings = read({**CONTAINER, "mounts": [*CONTAINER["mounts"], more]}, JOB)
    held = {reading.control: reading.held for reading in readings}
    assert held["filesystem"] is known
    assert all(held[name] for name in held if name != "filesystem")


def test_a_container_is_judged_without_its_job() -> None:
    told: dict[str, Any] = {"spec": SPEC, "wanted": WANTED, "host_namespaces": HOST}
    told["host_has_swap"] = True
    readings = read_container(CONTAINER, **told)
    assert all(reading.held for reading in readings)
    assert {"namespaces", "filesystem", "memory", "network"} <= {r.control for r in readings}
    (lost,) = [r for r in read_container({**CONTAINER, "routes": None}, **told) if not r.held]
    assert lost.control == "network"
    assert not any(reading.held for reading in read_container({}, **told))


@pytest.mark.parametrize(("measured", "held"), [("crun", True), ("runc", False), (None, False)])
def test_the_runtime_is_the_one_that_was_named(measured: str | None, held: bool) -> None:
    assert read_runtime("crun", measured).held is held


Change = Callable[[dict[str, Any], dict[str, Any]], object]


def put(place: str, value: object) -> Change:
    """A change: `place` is ``c`` or ``j`` (the stage) and keys or indices, with dots."""

    def change(container: dict[str, Any], job: dict[str, Any]) -> None:
        stage, *path, last = place.split(" ")
        target: Any = container if stage == "c" else job
        for key in path:
            target = target[int(key) if isinstance(target, list) else key]
        target[int(last) if isinstance(target, list) else last] = value

    return change


BROKEN: list[tuple[str, Change]] = [
    ("namespaces", put("c namespaces net", HOST["net"])),
    ("namespaces", put("c namespaces pid", None)),
    ("namespaces", put("c pid1", False)),
    ("capabilities", put("c init caps eff", "00000000002800e0")),
    ("capabilities", put("c init caps bnd", "000001ffffffffff")),
    ("capabilities", put("c init caps", None)),
    ("capabilities", put("j job caps eff", "0000000000000001")),
    ("capabilities", put("j job caps amb", CAPS)),
    ("capabilities", put("j job caps bnd", "000001ffffffffff")),
    ("no_new_privileges", put("c init no_new_privs", 0)),
    ("no_new_privileges", put("j job no_new_privs", 0)),
    ("job_user", put("j job uid", [65534, 65534, 0, 65534])),
    ("job_user", put("j job gid", [0] * 4)),
    ("job_user", put("j job groups", [0])),
    ("seccomp", put("c init seccomp", 0)),
    ("seccomp", put("j job seccomp", 0)),
    ("seccomp", put("j job seccomp_filters", 1)),
    ("seccomp", put("c refusals ptrace", 1)),
    ("seccomp", put("c refusals vmsplice", 0)),
    ("seccomp", put("c refusals", {})),
    ("seccomp", put("c refusals", None)),
    ("watch", put("j unseen", ["ptrace"])),
    ("watch", put("j unseen", None)),
    ("watch", put("j tried", 0)),
    ("namespaces", put("c namespaces cgroup", None)),
    ("namespaces", put("c namespaces pid", "4026531836")),
    ("watch", put("j watched", False)),
    ("watch", put("j filter_bytes", None)),
    ("rootfs", put("c rootfs_readonly", False)),
    ("rootfs", put("c rootfs_readonly", None)),
    ("mounts", put("c mounts 2 type", "ext4")),
    ("mounts", put("c mounts 2 options", ["rw", "nosuid"])),
    ("mounts", put("c mounts 2 super", ["rw", "nr_inodes=2001"])),
    ("mounts", put("c mounts 2 super", ["rw", "size=1g", "nr_inodes=2001"])),
    ("mounts", put("c mounts 3 super", ["rw", "size=32768k"])),
    ("mounts", put("c mounts 4 options", ["rw", "nosuid", "nodev"])),
    ("filesystem", lambda c, j: c["mounts"].append(
        {"path": "/host", "type": "ext4", "options": ["rw"], "super": ["rw"]})),
    ("filesystem", lambda c, j: c["mounts"].append(_tmpfs("/extra", "1k", 1))),
    ("terminals", put("c mounts 5 super", ["max=65"])),
    ("terminals", put("c mounts 5 super", ["rw"])),
    ("filesystem", put("c mounts 0 options", ["rw"])),
    ("devices", lambda c, j: c["devices"].append(
        {"path": "/dev/sda", "type": "b", "major": 8, "minor": 0})),
    ("devices", lambda c, j: c["devices"].append(
        {"path": "/dev/mem", "type": "c", "major": 1, "minor": 1})),
    ("devices", put("c devices", None)),
    ("masked_paths", put("c paths /proc/kcore", "readable")),
    ("masked_paths", lambda c, j: c["paths"].pop("/proc/keys")),
    ("readonly_paths", put("c readonly /proc/sys", "rw")),
    ("readonly_paths", lambda c, j: c["readonly"].pop("/sys")),
    ("memory", put("c cgroup memory_max", "max")),
    ("memory", put("c cgroup memory_max", None)),
    ("memory", put("c cgroup memory_max", WANTED.memory_bytes + 1)),
    ("swap", put("c cgroup memsw_max", "max")),
    ("swap", put("c cgroup memsw_max", None)),
    ("processes", put("c cgroup pids_max", "max")),
    ("processes", put("c cgroup pids_max", None)),
    ("cpu_rate", put("c cgroup cpu_quota_us", "max")),
    ("cpu_rate", put("c cgroup cpu_quota_us", 200_001)),
    ("cpu_rate", put("c cgroup cpu_period_us", None)),
    ("open_files", put("j job rlimits nofile", [128, 1024])),
    ("rlimits", put("j job rlimits core", ["max", "max"])),
    ("rlimits", put("j job rlimits", {"nofile": [128, 128], "nice": [0, 0]})),
    ("rlimits", put("j job rlimits rtprio", [99, 99])),
    ("priority", put("j job nice", 0)),
    ("priority", put("j job nice", None)),
    ("priority", put("j job rlimits nice", [0, 20])),
    ("priority", put("c init nice", 19)),
    ("priority", put("c init nice", None)),
    ("network", lambda c, j: c["interfaces"].append(
        {"name": "eth0", "up": True, "addresses": ["172.17.0.2"]})),
    ("network", put("c routes", ["eth0 0.0.0.0/0"])),
    ("network", put("c interfaces", None)),
    ("host_identity", put("c hostname", "mine")),
    ("kill_all", put("j kill_scope", "uid")),
    ("kill_all", put("c dumpable", 1)),
]  # fmt: skip


@pytest.mark.parametrize(("control", "change"), BROKEN)
def test_a_control_that_is_not_in_force_is_named(control: str, change: Change) -> None:
    container, job = copy.deepcopy(CONTAINER), copy.deepcopy(JOB)
    change(container, job)
    readings = read(container, job)
    assert [reading.control for reading in readings if not reading.held] == [control]
    with pytest.raises(ControlNotHeld, match=f"control {control} "):
        require_held(readings)


class Ending:
    """An engine that has removed the container by itself when it is asked about it."""

    name = "docker"
    own_mounts = ()
    rootless = False

    def __init__(self) -> None:
        self.connection, self._other = socket.socketpair()

    def find_image(self, name: str, _digest: str | None) -> FoundImage:
        return FoundImage(name, "sha256:0")

    def start(self, _container: Container, _image: FoundImage) -> Ending:
        return self

    def how_to_hold(self, _control: str) -> str:
        return ""

    def runtime(self) -> str:
        raise LookupError("No such container")

    def complaint(self) -> str:
        return ""

    def remove(self) -> None:
        self._other.close()


def test_why_init_made_no_job_is_told_though_its_container_is_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(_channel: object, _spec: object, approve: Approve, _complete: object) -> None:
        approve(CONTAINER, None)
        raise BackendBroken("what init said", where="rune-init")

    monkeypatch.setattr(backend, "converse", fail)
    monkeypatch.setattr(backend, "_own_namespaces", lambda: HOST)
    engine: Any = Ending()
    with pytest.raises(BackendBroken, match="what init said"):
        backend.ContainerBackend(engine).run(replace(SPEC, oci_runtime="crun"))


def test_every_control_has_a_case_in_which_it_fails() -> None:
    assert {control for control, _ in BROKEN} == {r.control for r in read(CONTAINER, JOB)}


def test_nothing_measured_is_nothing_held() -> None:
    assert not any(reading.held for reading in read({}, {}))


MAP = [[0, 1001, 1], [1, 100000, 65535]]
WRONG_MAPS: list[Any] = [
    None,
    [],
    [[0, 0, 4294967295]],
    [[0, 1001, 1]],
    [[0, 1001, 1], [1, 0, 65535]],
    [[0, 1001, 65534]],
    [[0, 1001, "1"]],
    [[0, 1001, 1], [1, 2]],
]


def read_rootless(**more: Any) -> ControlReading:
    stage = {**CONTAINER, "uid_map": MAP, "gid_map": MAP, "setgroups": "allow", **more}
    readings = read_controls(
        stage,
        JOB,
        spec=SPEC,
        wanted=WANTED,
        host_namespaces=HOST,
        host_has_swap=False,
        rootless=True,
    )
    (found,) = [each for each in readings if each.control == "user_namespace"]
    return found


def test_a_user_namespace_with_a_range_is_held() -> None:
    assert read_rootless().held
    assert "user_namespace" not in {each.control for each in read(CONTAINER, JOB)}


@pytest.mark.parametrize("ids", WRONG_MAPS)
@pytest.mark.parametrize("name", ["uid_map", "gid_map"])
def test_another_map_of_ids_is_not_held(name: str, ids: Any) -> None:
    found = read_rootless(**{name: ids})
    assert not found.held


def test_groups_that_cannot_be_dropped_are_not_held() -> None:
    assert not read_rootless(setgroups="deny").held
