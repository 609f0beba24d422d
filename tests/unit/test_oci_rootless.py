"""What an ordinary user needs for containers: ids, namespaces and groups of its own; found in
trees as the kernel and root lay them out."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest

from magicrune import subids
from magicrune.backends.oci.delegation import (
    CONTROLLERS,
    Delegation,
    Groups,
    find_delegation,
    how_to_delegate,
    sweep_groups,
)
from magicrune.backends.oci.hierarchy import Hierarchy, other_hierarchies, places_of
from magicrune.backends.oci.userns import why_not
from magicrune.backends.rune.container import lower
from magicrune.backends.rune.seccomp import load
from magicrune.errors import BackendFailed
from magicrune.owner import own, sign
from magicrune.subids import SubIds, find_ids
from tests.conftest import make_spec

ONE = Hierarchy(1, True, True)
TWO = Hierarchy(2, False, True)
OWN = f"magicrune-{os.geteuid()}"


@pytest.fixture(autouse=True)
def no_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MAGICRUNE_CGROUP", raising=False)


def make_one(root: Path, name: str = OWN, controllers: tuple[str, ...] = CONTROLLERS) -> None:
    for each in controllers:
        (root / each / name).mkdir(parents=True)
        (root / each / name / "cgroup.procs").touch()


def make_two(root: Path, path: str, on: str) -> None:
    (root / path).mkdir(parents=True)
    (root / path / "cgroup.procs").touch()
    (root / path / "cgroup.subtree_control").write_text(on)


def test_a_directory_in_each_controller_is_found(tmp_path: Path) -> None:
    assert find_delegation(ONE, root=tmp_path) is None
    make_one(tmp_path)
    found = find_delegation(ONE, root=tmp_path)
    assert found == Delegation(1, f"/{OWN}", tmp_path)
    assert found.directories == tuple(tmp_path / each / OWN for each in CONTROLLERS)


@pytest.mark.parametrize("missing", CONTROLLERS)
def test_one_controller_less_is_none(tmp_path: Path, missing: str) -> None:
    make_one(tmp_path)
    shutil.rmtree(tmp_path / missing)
    assert find_delegation(ONE, root=tmp_path) is None


@pytest.mark.parametrize("controller", CONTROLLERS)
def test_one_that_cannot_be_written_is_none(
    tmp_path: Path, controller: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_one(tmp_path)
    closed = tmp_path / controller / OWN / "cgroup.procs"
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: path != closed and access(path, mode))
    assert find_delegation(ONE, root=tmp_path) is None


def test_the_variable_names_another_and_then_no_other_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_one(tmp_path)
    monkeypatch.setenv("MAGICRUNE_CGROUP", "/given")
    assert find_delegation(ONE, root=tmp_path) is None
    make_one(tmp_path, "given")
    assert find_delegation(ONE, root=tmp_path) == Delegation(1, "/given", tmp_path)
    for wrong in ("/../given", "/", "/given/../.."):
        monkeypatch.setenv("MAGICRUNE_CGROUP", wrong)
        assert find_delegation(ONE, root=tmp_path) is None


USER = "user.slice/user-7.slice/user@7.service"


def test_version_2_takes_the_nearest_above_with_all_controllers(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.write_text(f"0::/{USER}/app.slice/run-1.scope\n")
    make_two(tmp_path, USER, "cpu memory pids")
    assert find_delegation(TWO, root=tmp_path, own=own) == Delegation(2, f"/{USER}", tmp_path)
    make_two(tmp_path, f"{USER}/app.slice", "memory pids")
    assert find_delegation(TWO, root=tmp_path, own=own) == Delegation(2, f"/{USER}", tmp_path)
    (tmp_path / USER / "app.slice/cgroup.subtree_control").write_text("memory cpu pids io")
    found = find_delegation(TWO, root=tmp_path, own=own)
    assert found == Delegation(2, f"/{USER}/app.slice", tmp_path)


def test_version_2_never_takes_the_group_that_we_are_in(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.write_text("0::/mine\n")
    make_two(tmp_path, "mine", "cpu memory pids")
    assert find_delegation(TWO, root=tmp_path, own=own) is None


def test_groups_get_the_limits_of_the_container(tmp_path: Path) -> None:
    make_one(tmp_path)
    container = lower(make_spec("true", cpus=2), profile=load("default"), image="x", owner="1-1")
    groups = Groups(Delegation(1, OWN, tmp_path), sign("magicrune-run"))
    groups.make(container, limit_swap=True)
    memory, pids, cpu, _ = groups.directories
    for name in ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes"):
        assert int((memory / name).read_text()) == container.memory_bytes
    assert int((cpu / "cpu.cfs_quota_us").read_text()) == 200_000
    assert not (pids / "pids.max").exists()  # the runtime is still in it
    groups.release(77)
    assert int((pids / "pids.max").read_text()) == container.pids
    assert (tmp_path / "memory" / OWN / "cgroup.procs").read_text() == "77\n"
    with pytest.raises(BackendFailed):
        groups.make(container, limit_swap=True)


def test_groups_whose_run_has_ended_are_removed(tmp_path: Path) -> None:
    make_one(tmp_path)
    delegation = Delegation(1, OWN, tmp_path)
    pid, _, rest = own().partition("-")
    alive = Groups(delegation, sign("magicrune-alive"))
    gone = f"{pid}-1-{rest.partition('-')[2]}"
    dead = Groups(delegation, sign("magicrune-dead", gone))
    other = Groups(delegation, sign("other", gone))
    for each in (alive, dead, other):
        each.make_bare()
    (dead.directories[0] / "below").mkdir()
    sweep_groups(delegation.directories)
    for each, left in ((alive, True), (dead, False), (other, True)):
        assert {place.exists() for place in each.directories} == {left}


def test_the_groups_of_root_are_found_in_each_hierarchy(tmp_path: Path) -> None:
    for name in ("memory/magicrune", "blkio/magicrune", "devices", "cpu,cpuacct/magicrune"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "cpu").symlink_to("cpu,cpuacct")
    found = [tmp_path / each / "magicrune" for each in ("blkio", "cpu,cpuacct", "memory")]
    assert list(places_of("/magicrune", ONE, tmp_path)) == found
    assert places_of("/magicrune", TWO, tmp_path) == ()
    (tmp_path / "magicrune").mkdir()
    assert places_of("/magicrune", TWO, tmp_path) == (tmp_path / "magicrune",)


def test_what_to_do_is_said_for_each_version() -> None:
    assert f"/sys/fs/cgroup/$c/{OWN}" in how_to_delegate(ONE)


def test_what_mends_version_2_depends_on_what_systemd_gave(tmp_path: Path) -> None:
    uid = os.geteuid()
    manager = f"user.slice/user-{uid}.slice/user@{uid}.service"
    own = tmp_path / "own"
    own.write_text("0::/user.slice/session-1.scope\n")
    said = how_to_delegate(TWO, root=tmp_path, own=own)
    assert "Delegate=cpu memory pids" in said
    assert said.endswith("systemd-run --user --scope -p Delegate=yes magicrune ...")
    make_two(tmp_path, manager, "")
    (tmp_path / manager / "cgroup.controllers").write_text("cpu io memory pids")
    said = how_to_delegate(TWO, root=tmp_path, own=own)
    assert said.startswith("systemd-run --user --scope")


def test_a_group_that_is_ours_with_us_in_it_can_be_divided(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.write_text("0::/system.slice/worker.service\n")
    make_two(tmp_path, "system.slice/worker.service", "")
    group = tmp_path / "system.slice/worker.service"
    (group / "cgroup.controllers").write_text("memory pids")
    assert "/main" not in how_to_delegate(TWO, root=tmp_path, own=own)
    (group / "cgroup.controllers").write_text("cpu memory pids")
    assert find_delegation(TWO, root=tmp_path, own=own) is None
    told = how_to_delegate(TWO, root=tmp_path, own=own)
    # No path: the next start of the service may have another.
    assert told.startswith(f"d={tmp_path}$(sed")
    assert "+cpu +memory +pids" in told


def test_other_hierarchies_are_those_that_give_no_group(tmp_path: Path) -> None:
    for name in (*CONTROLLERS, "blkio", "unified", "systemd"):
        (tmp_path / name).mkdir()
    (tmp_path / "cpu,cpuacct").symlink_to("cpu")
    assert other_hierarchies(CONTROLLERS, tmp_path) == (
        "/sys/fs/cgroup/blkio",
        "/sys/fs/cgroup/systemd",
    )


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("{name}:100000:65536", 100000),
        ("{uid}:200000:65535", 200000),
        ("other:100000:65536\n{name}:300000:1000\n{name}:400000:65536\n", 400000),
        ("{name}:100000:65534", None),
        ("{name}:0:65536", None),
        ("{name}:-5:65536", None),
        ("{name}x:100000:65536", None),
        ("garbage\n::\n", None),
        ("", None),
    ],
)
def test_ranges_are_read(tmp_path: Path, text: str, start: int | None) -> None:
    files = tmp_path / "subuid", tmp_path / "subgid"
    for file in files:
        file.write_text(text.format(name=subids.user_name(), uid=os.geteuid()))
    assert find_ids(files) == (None if start is None else SubIds(start, start))
    files[1].unlink()
    assert find_ids(files) is None


@pytest.mark.parametrize(
    ("file", "value", "says"),
    [
        ("user/max_user_namespaces", "0", "user.max_user_namespaces"),
        ("kernel/unprivileged_userns_clone", "0", "unprivileged_userns_clone=1"),
        ("kernel/apparmor_restrict_unprivileged_userns", "1", "apparmor_restrict"),
    ],
)
def test_what_forbids_a_user_namespace_is_named(
    tmp_path: Path, file: str, value: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for directory in ("user", "kernel"):
        (tmp_path / directory).mkdir()
    (tmp_path / "user/max_user_namespaces").write_text("9")
    for name in ("newuidmap", "newgidmap"):
        (tmp_path / name).touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    ids = SubIds(100000, 100000)
    monkeypatch.setattr("magicrune.backends.oci.userns.find_ids", lambda: ids)
    assert why_not(tmp_path) == ("", "")
    (tmp_path / file).write_text(value)
    assert says in why_not(tmp_path)[1]


def test_missing_tools_and_ranges_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "user").mkdir()
    (tmp_path / "user/max_user_namespaces").write_text("9")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert re.search("install.* uidmap", why_not(tmp_path)[1])
    for name in ("newuidmap", "newgidmap"):
        (tmp_path / name).touch(mode=0o755)
    monkeypatch.setattr("magicrune.backends.oci.userns.find_ids", lambda: None)
    assert "usermod --add-subuids" in why_not(tmp_path)[1]


def test_ids_that_are_offered_are_nobody_elses(tmp_path: Path) -> None:
    files = tmp_path / "subuid", tmp_path / "subgid"
    assert subids._first_free(files) == 100_000
    files[0].write_text("a:100000:65536\nb:300000:65536\ngarbage\n")
    files[1].write_text("a:900:10\n")
    assert subids._first_free(files) == 365_536
