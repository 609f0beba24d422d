"""The container in Podman's words (libpod API 4, POST /libpod/containers/create). Pure."""

from __future__ import annotations

import json
import resource
from pathlib import Path
from typing import TYPE_CHECKING, Any

from magicrune.backends.rune.container import (
    INIT_DIR,
    INIT_PATH,
    OWNER_LABEL,
    TERMINAL_DIR,
    TERMINAL_OPTIONS,
)
from magicrune.backends.rune.socket_dir import SOCKET_NAME

if TYPE_CHECKING:
    from magicrune.backends.rune.container import Container, TmpFs

LIMITS = "org.magicrune.limits"
"""An annotation for podman/runtime.py: `resources` of an OCI configuration, as JSON."""
_PERIOD_US = 100_000
_NPROC = 4096
_TERMINALS = {
    "destination": TERMINAL_DIR,
    "type": "devpts",
    "source": "devpts",
    "options": list(TERMINAL_OPTIONS),
}
"""Instead of Podman's own, which has no bound."""


def write_create(
    container: Container, *, image: str, shared: Path, profile: Path
) -> dict[str, Any]:
    """The body of the create call. `shared` is the directory with init and the socket,
    `profile` the file with the seccomp profile.

    No runtime is named: Podman 4.3 takes `oci_runtime` here and ignores it.
    """
    return {
        "name": container.name,
        "image": image,
        "image_volume_mode": "ignore",
        "user": "0:0",
        "env": {"PATH": "/usr/bin:/bin", "RUNE_SOCK": f"{INIT_DIR}/{SOCKET_NAME}"},
        "env_host": False,
        "httpproxy": False,
        "entrypoint": [INIT_PATH],
        "command": [],
        "work_dir": "/",
        "labels": container.labels,
        "annotations": _annotations(container),
        "remove": True,
        "terminal": False,
        "stdin": False,
        "init": False,
        "systemd": "false",
        "log_configuration": {"driver": "none"},
        **_namespaces(container),
        **_rights(container, profile),
        **_files(container, shared),
        **_limits(container),
    }


def _namespaces(container: Container) -> dict[str, Any]:
    private = {"nsmode": "private"}
    return {
        "hostname": container.hostname,
        "netns": {"nsmode": "none"},
        # Else it copies /etc/hosts of the host (names and addresses of its network) in.
        "use_image_hosts": True,
        "use_image_resolve_conf": True,
        "ipcns": {"nsmode": "none"},  # no /dev/shm of the engine's choosing
        "pidns": private,
        "utsns": private,
        "cgroupns": private,
        "sysctl": container.sysctls,
    }


def _rights(container: Container, profile: Path) -> dict[str, Any]:
    return {
        "privileged": False,
        "cap_drop": ["all"],
        "cap_add": list(container.capabilities),
        "no_new_privileges": True,
        "seccomp_policy": "default",
        "seccomp_profile_path": str(profile),
        "mask": list(container.masked_paths),
    }


def _files(container: Container, shared: Path) -> dict[str, Any]:
    return {
        "read_only_filesystem": True,
        "mounts": [
            *(_bind(source, path) for path, source in container.binds(shared).items()),
            _TERMINALS,
        ],
        "volumes": [
            {"Name": volume["Name"], "Dest": wanted.path, "Options": _flags(wanted)}
            for wanted, volume in zip(container.tmpfs, write_volumes(container), strict=True)
        ],
    }


def _limits(container: Container) -> dict[str, Any]:
    return {
        "resource_limits": _resources(container),
        "r_limits": [
            {"type": "NOFILE", "hard": container.open_files, "soft": container.open_files},
            {"type": "CORE", "hard": 0, "soft": 0},
            # Else Podman asks for 1048576, which a low hard limit of its own refuses. The
            # kernel counts it for the user on the whole machine; what bounds is the cgroup.
            {"type": "NPROC", "hard": _NPROC, "soft": _NPROC},
        ],
    }


def write_volumes(container: Container) -> list[dict[str, Any]]:
    """The file systems of the container, each the body of a call to make a volume.

    Not ``mounts`` of type tmpfs: Podman refuses ``nr_inodes`` there.
    """
    return [
        {
            "Name": f"{container.name}-{number}",
            "Driver": "local",
            "Options": {"type": "tmpfs", "device": "tmpfs", "o": _sizes(wanted)},
            "Labels": container.labels,
        }
        for number, wanted in enumerate(container.tmpfs)
    ]


def _sizes(wanted: TmpFs) -> str:
    # Podman takes `size` for a disk quota of its own; tmpfs(5) counts in pages as well.
    blocks = -(-wanted.size_bytes // resource.getpagesize())
    sizes = f"nr_blocks={blocks},nr_inodes={wanted.inodes},mode={wanted.mode:o}"
    return f"{','.join(_flags(wanted)[1:4])},{sizes}"


def _flags(wanted: TmpFs) -> list[str]:
    return ["rw", "nosuid", "nodev", "exec" if wanted.exec else "noexec", "nocopy"]


def _bind(source: Path, path: str) -> dict[str, Any]:
    options = ["bind", "ro", "nosuid", "nodev", "private"]
    return {"destination": path, "type": "bind", "source": str(source), "options": options}


def _annotations(container: Container) -> dict[str, str]:
    """Podman leaves limits out where it takes them for impossible."""
    return {LIMITS: json.dumps(_resources(container)), OWNER_LABEL: container.owner}


def _resources(container: Container) -> dict[str, Any]:
    cpu = {}
    if container.cpus is not None:
        cpu = {"cpu": {"quota": container.cpus * _PERIOD_US, "period": _PERIOD_US}}
    memory = {"limit": container.memory_bytes, "swap": container.memory_bytes}
    return {"memory": memory, "pids": {"limit": container.pids}, **cpu}
