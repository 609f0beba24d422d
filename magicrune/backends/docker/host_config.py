"""The container in Docker's words (Docker Engine API 1.41, POST /containers/create). Pure."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from magicrune.backends.rune.container import (
    INIT_DIR,
    INIT_PATH,
    TERMINAL_DIR,
    TERMINAL_OPTIONS,
)
from magicrune.backends.rune.socket_dir import SOCKET_NAME

if TYPE_CHECKING:
    from magicrune.backends.rune.container import Container, TmpFs

_PERIOD_US = 100_000


def write_create(container: Container, *, image: str, shared: Path) -> dict[str, Any]:
    """The body of the create call; `shared` is the directory with init and the socket."""
    return {
        "Image": image,
        "Hostname": container.hostname,
        "User": "0:0",
        "Env": ["PATH=/usr/bin:/bin", f"RUNE_SOCK={INIT_DIR}/{SOCKET_NAME}"],
        "Entrypoint": [INIT_PATH],
        "Cmd": [],
        "WorkingDir": "/",
        "Labels": container.labels,
        "NetworkDisabled": True,
        "AttachStdin": False,
        "AttachStdout": False,
        "AttachStderr": False,
        "Tty": False,
        "HostConfig": _host_config(container, shared),
    }


def _host_config(container: Container, shared: Path) -> dict[str, Any]:
    cpu = {}
    if container.cpus is not None:
        cpu = {"CpuPeriod": _PERIOD_US, "CpuQuota": container.cpus * _PERIOD_US}
    named = {} if container.oci_runtime is None else {"Runtime": container.oci_runtime}
    return {
        "AutoRemove": True,
        "Init": False,
        "RestartPolicy": {"Name": "no"},
        "NetworkMode": "none",
        "IpcMode": "none",  # no /dev/shm of the engine's choosing: ours is one of `Tmpfs`
        "CgroupnsMode": "private",
        "ReadonlyRootfs": True,
        "Privileged": False,
        "CapDrop": ["ALL"],
        "CapAdd": [name.removeprefix("CAP_") for name in container.capabilities],
        "SecurityOpt": ["no-new-privileges", f"seccomp={container.seccomp.docker_json()}"],
        "MaskedPaths": list(container.masked_paths),
        "ReadonlyPaths": list(container.readonly_paths),
        "Memory": container.memory_bytes,
        "MemorySwap": container.memory_bytes,  # memory and swap together
        "PidsLimit": container.pids,
        "Ulimits": [
            {"Name": "nofile", "Soft": container.open_files, "Hard": container.open_files},
            {"Name": "core", "Soft": 0, "Hard": 0},
        ],
        "Tmpfs": {each.path: _options(each) for each in container.tmpfs},
        "Sysctls": container.sysctls,
        "Mounts": [
            *(
                {"Type": "bind", "Source": str(source), "Target": target, "ReadOnly": True}
                for target, source in container.binds(shared).items()
            ),
            _terminals(container),
        ],
        "LogConfig": {"Type": "none", "Config": {}},
        **cpu,
        **named,
    }


def _terminals(container: Container) -> dict[str, Any]:
    """Instead of Docker's own /dev/pts, which has no bound: a volume without a name, which goes
    with the container."""
    options = {"type": "devpts", "device": "devpts", "o": ",".join(TERMINAL_OPTIONS)}
    volume = {
        "NoCopy": True,
        "Labels": container.labels,
        "DriverConfig": {"Name": "local", "Options": options},
    }
    return {"Type": "volume", "Target": TERMINAL_DIR, "VolumeOptions": volume}


def _options(wanted: TmpFs) -> str:
    flags = ["rw", "nosuid", "nodev", "exec" if wanted.exec else "noexec"]
    sizes = [f"size={wanted.size_bytes}", f"nr_inodes={wanted.inodes}", f"mode={wanted.mode:o}"]
    return ",".join((*flags, *sizes))
