"""The container as an OCI runtime configuration (github: opencontainers/runtime-spec 1.0). Pure."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from magicrune.backends.rune.container import INIT_PATH, TERMINAL_OPTIONS

if TYPE_CHECKING:
    from magicrune.backends.rune.container import Container, TmpFs

GROUP = "/magicrune"
"""Below which root's containers have their control groups."""
CHANNEL_FD = 3
"""The first that a runtime's ``--preserve-fds`` keeps."""
_DEV_BYTES = 64 << 10
_PERIOD_US = 100_000
"""Over which processor time is shared out: the kernel's own default (CFS bandwidth)."""
_DEVICES = ((1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0), (5, 2), (136, None))
"""null, zero, full, random, urandom, tty, ptmx, pts/*: what runtimes make by themselves."""


def write_config(
    container: Container,
    *,
    rootfs: Path,
    init: Path,
    machine: str,
    limit_swap: bool,
    group: str | None = GROUP,
    hidden: tuple[str, ...] = (),
) -> dict[str, Any]:
    """config.json for `container` over the unpacked image at `rootfs`.

    `init` lies in its directory with SHARED_TEXTS and nothing else. `limit_swap` is False
    only where the kernel counts no swap, and none is there to use. The container gets a control
    group of its own below `group`; with None its runtime is in the right one already. `hidden`
    are hierarchies of control groups in which it has none: it would see those of the host.
    """
    return {
        "ociVersion": "1.0.2",
        "process": _process(container),
        "root": {"path": str(rootfs), "readonly": True},
        "hostname": container.hostname,
        "mounts": [
            *_kernel_mounts(),
            *map(_tmpfs, container.tmpfs),
            *(_bind(source, path) for path, source in container.binds(init.parent).items()),
        ],
        "annotations": container.labels,
        "linux": {
            **({} if group is None else {"cgroupsPath": f"{group}/{container.name}"}),
            "namespaces": [
                {"type": kind} for kind in ("pid", "network", "ipc", "uts", "mount", "cgroup")
            ],
            "resources": _resources(container, limit_swap=limit_swap),
            "seccomp": container.seccomp.oci(machine),
            "sysctl": container.sysctls,
            "maskedPaths": [*container.masked_paths, *hidden],
            "readonlyPaths": list(container.readonly_paths),
        },
    }


def _process(container: Container) -> dict[str, Any]:
    capabilities = list(container.capabilities)
    return {
        "terminal": False,
        "user": {"uid": 0, "gid": 0},
        "args": [INIT_PATH],
        "env": ["PATH=/usr/bin:/bin", f"RUNE_SOCK=fd:{CHANNEL_FD}"],
        "cwd": "/",
        "capabilities": {
            "bounding": capabilities,
            "effective": capabilities,
            "permitted": capabilities,
        },
        "rlimits": [
            {"type": "RLIMIT_NOFILE", "hard": container.open_files, "soft": container.open_files},
            {"type": "RLIMIT_CORE", "hard": 0, "soft": 0},
        ],
        "noNewPrivileges": True,
    }


def _kernel_mounts() -> list[dict[str, Any]]:
    quiet = ["nosuid", "noexec", "nodev"]
    return [
        _mount("/proc", "proc", quiet),
        _mount("/dev", "tmpfs", ["nosuid", "noexec", "mode=755", f"size={_DEV_BYTES}"]),
        _mount(
            "/dev/pts",
            "devpts",
            list(TERMINAL_OPTIONS),
        ),
        _mount("/sys", "sysfs", [*quiet, "ro"]),
        _mount("/sys/fs/cgroup", "cgroup", [*quiet, "relatime", "ro"]),
    ]


def _mount(path: str, kind: str, options: list[str]) -> dict[str, Any]:
    return {"destination": path, "type": kind, "source": kind, "options": options}


def _tmpfs(wanted: TmpFs) -> dict[str, Any]:
    options = [
        "nosuid",
        "nodev",
        *(() if wanted.exec else ("noexec",)),
        f"mode={wanted.mode:o}",
        f"size={wanted.size_bytes}",
        f"nr_inodes={wanted.inodes}",
    ]
    return _mount(wanted.path, "tmpfs", options)


def _bind(source: Path, path: str) -> dict[str, Any]:
    options = ["bind", "ro", "nosuid", "nodev"]
    return {"destination": path, "type": "bind", "source": str(source), "options": options}


def _resources(container: Container, *, limit_swap: bool) -> dict[str, Any]:
    memory = {"limit": container.memory_bytes}
    if limit_swap:
        memory["swap"] = container.memory_bytes  # memory and swap together
    allowed = [
        {"allow": True, "type": "c", "major": major, "minor": minor, "access": "rwm"}
        if minor is not None
        else {"allow": True, "type": "c", "major": major, "access": "rwm"}
        for major, minor in _DEVICES
    ]
    cpu = {} if container.cpus is None else {"quota": container.cpus * _PERIOD_US}
    return {
        "memory": memory,
        "cpu": {**cpu, "period": _PERIOD_US} if cpu else {},
        "pids": {"limit": container.pids},
        "devices": [{"allow": False, "access": "rwm"}, *allowed],
    }
