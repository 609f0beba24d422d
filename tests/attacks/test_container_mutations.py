"""A control that is taken out of the container is missed: the job does not start."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from magicrune.backends.oci import engine
from magicrune.backends.oci.bundle import write_config
from magicrune.errors import ControlNotHeld
from tests.conftest import make_spec
from tests.engines import container_backend

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


def bind_host(config: Config) -> None:
    mount = {"destination": "/dev/host", "type": "bind", "source": "/usr", "options": ["bind"]}
    config["mounts"].append(mount)


def add_device(config: Config) -> None:
    device = {"path": "/dev/kmsg", "type": "c", "major": 1, "minor": 11, "fileMode": 0o666}
    config["linux"]["devices"] = [device]


MUTATIONS: list[tuple[str, Change]] = [
    ("namespaces", without("ipc")),
    ("namespaces", without("uts", "hostname")),
    ("capabilities", with_capability),
    ("no_new_privileges", lambda c: c["process"].update(noNewPrivileges=False)),
    ("seccomp", lambda c: c["linux"].pop("seccomp")),
    ("rootfs", lambda c: c["root"].update(readonly=False)),
    ("mounts", option("/tmp", "nodev", "dev")),
    ("mounts", option("/tmp", "nosuid", "suid")),
    ("mounts", option("/workspace", "size=33554432", "size=99999999")),
    ("mounts", option("/workspace", "nr_inodes=2001", "nr_inodes=99999")),
    ("filesystem", bind_host),
    ("devices", add_device),
    ("masked_paths", lambda c: c["linux"].update(maskedPaths=[])),
    ("readonly_paths", lambda c: c["linux"].update(readonlyPaths=[])),
    ("memory", lambda c: c["linux"]["resources"].pop("memory")),
    ("processes", lambda c: c["linux"]["resources"].pop("pids")),
    ("cpu_rate", lambda c: c["linux"]["resources"].update(cpu={})),
    ("host_identity", lambda c: c.update(hostname="another")),
]


@pytest.mark.parametrize("lane", ["oci-runc", "oci-crun"])
@pytest.mark.parametrize(("control", "change"), MUTATIONS)
def test_a_missing_control_stops_the_run(
    lane: str,
    control: str,
    change: Change,
    home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if (lane, control) == ("oci-runc", "no_new_privileges"):
        pytest.skip("runc itself refuses a filter without it for a user with few capabilities")
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
    with pytest.raises(ControlNotHeld, match=f"control {control} is not held"):
        backend.run(spec)
