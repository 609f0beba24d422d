"""What an OCI runtime is told, and where it may lay mount points."""

from __future__ import annotations

from pathlib import Path

import pytest

from magicrune.backends.oci.bundle import write_config
from magicrune.backends.oci.hierarchy import Hierarchy, read_hierarchy
from magicrune.backends.oci.mountpoints import find_missing, lay_over
from magicrune.backends.rune.container import lower
from magicrune.backends.rune.seccomp import load
from magicrune.errors import BackendUnavailable
from magicrune.spec import Mount
from tests.conftest import make_spec

SPEC = make_spec("true", mounts=(Mount("/tmp"), Mount("/data", writable=False)))
CONTAINER = lower(SPEC, profile=load("default"), image="python", owner="7-9")


def config(*, limit_swap: bool = True) -> dict:  # type: ignore[type-arg]
    return write_config(
        CONTAINER,
        rootfs=Path("/images/x/rootfs"),
        init=Path("/cache/digest/init"),
        machine="x86_64",
        limit_swap=limit_swap,
    )


def test_the_job_gets_a_file_system_for_each_mount() -> None:
    mounts = {mount["destination"]: mount for mount in config()["mounts"]}
    assert {"mode=1777", "size=33554432", "nr_inodes=2001", "nosuid", "nodev"} == set(
        mounts["/tmp"]["options"]
    )
    assert "mode=755" in mounts["/data"]["options"]
    assert "noexec" in mounts["/dev/shm"]["options"]
    assert mounts["/run/magicrune"]["source"] == "/cache/digest"
    assert "ro" in mounts["/run/magicrune"]["options"]


def test_nothing_of_the_host_but_init_is_mounted() -> None:
    bound = [mount["destination"] for mount in config()["mounts"] if mount["type"] == "bind"]
    assert bound == ["/run/magicrune", "/etc/hosts"]


def test_limits_and_labels() -> None:
    linux = config()["linux"]
    memory = 256 << 20
    assert linux["resources"]["memory"]["limit"] == memory + (32 << 20) + (4 << 20)
    assert linux["resources"]["memory"]["swap"] == linux["resources"]["memory"]["limit"]
    assert linux["resources"]["pids"]["limit"] == 34
    assert "swap" not in config(limit_swap=False)["linux"]["resources"]["memory"]
    assert config()["annotations"] == {
        "org.magicrune.run_id": "r_test",
        "org.magicrune.owner": "7-9",
    }


def test_names_of_two_runs_differ() -> None:
    other = lower(SPEC, profile=load("default"), image="python", owner="7-9")
    assert other.name != CONTAINER.name
    assert other.name.startswith("magicrune-r-test-")


def test_missing_mount_points_are_laid_over_the_image(tmp_path: Path) -> None:
    rootfs = tmp_path / "root:fs"
    (rootfs / "tmp").mkdir(parents=True)
    missing = find_missing(("/tmp", "/data/deep", "/dev/shm"), rootfs)
    assert missing == ("/data/deep",)
    options = lay_over(missing, tmp_path / "skeleton", rootfs)
    assert (tmp_path / "skeleton/data/deep").is_dir()
    assert options == f"ro,lowerdir={tmp_path}/skeleton:{tmp_path}/root\\:fs"
    assert [path.name for path in rootfs.iterdir()] == ["tmp"]


def test_a_mount_behind_a_link_of_the_image_is_refused(tmp_path: Path) -> None:
    (tmp_path / "usr").mkdir()
    (tmp_path / "bin").symlink_to("usr")
    (tmp_path / "file").touch()
    for path in ("/bin/x", "/file/x"):
        with pytest.raises(BackendUnavailable, match="link or a file"):
            find_missing((path,), tmp_path)


def test_hierarchies_are_told_apart(tmp_path: Path) -> None:
    assert read_hierarchy(tmp_path) == Hierarchy(0, False, False)
    for name in ("memory/memory.limit_in_bytes", "unified/cgroup.procs"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert read_hierarchy(tmp_path) == Hierarchy(1, True, False)
    (tmp_path / "memory/memory.memsw.limit_in_bytes").touch()
    assert read_hierarchy(tmp_path).counts_swap
    (tmp_path / "cgroup.controllers").touch()
    assert read_hierarchy(tmp_path) == Hierarchy(2, False, True)
