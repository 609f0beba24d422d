"""The positive control of attacks on a container: the same, with something taken away."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from magicrune.backends.oci.engine import OciEngine
from magicrune.backends.rune.backend import ContainerBackend
from tests.conftest import make_spec

Config = dict[str, Any]
Weaken = Callable[[Config], None]
CAPABILITIES = (
    "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE "
    "NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO "
    "SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME "
    "SYS_TTY_CONFIG MKNOD"
).split()
"""By their numbers, from 0 (linux/capability.h)."""
HEAD = """
import ctypes, os, socket, stat, sys
libc = ctypes.CDLL(None, use_errno=True)
def call(*args):
    return libc.syscall(*args), ctypes.get_errno()
def told(good):
    print("yes" if good else "no", ctypes.get_errno(), flush=True)
REFUSED = (1, 13, 38)  # EPERM, EACCES, ENOSYS: what a filter or a missing right answers
"""


def own_capabilities() -> list[str]:
    """Those that this machine has to give."""
    (line,) = re.findall(r"CapBnd:\s*(\w+)", Path("/proc/self/status").read_text())
    return [f"CAP_{name}" for bit, name in enumerate(CAPABILITIES) if int(line, 16) >> bit & 1]


def unfiltered(config: Config) -> None:
    """The job's user as it is, but no outer system call filter."""
    del config["linux"]["seccomp"]


def root(config: Config) -> None:
    """Root with every capability, no filter, nothing masked or read-only."""
    unfiltered(config)
    config["process"]["user"] = {"uid": 0, "gid": 0}
    config["process"]["capabilities"] = dict.fromkeys(
        ("bounding", "effective", "permitted"), own_capabilities()
    )
    config["process"]["noNewPrivileges"] = False
    config["linux"] |= {"maskedPaths": [], "readonlyPaths": []}
    for mount in config["mounts"]:
        if mount["destination"].startswith("/sys"):
            mount["options"] = [each for each in mount["options"] if each != "ro"]


class Weaker:
    """A copy of the same image and the same runtime, without init, with something taken away.

    A copy, since a runtime makes mount points that are missing: in the image of others.
    """

    def __init__(self, place: Path, copies: Path) -> None:
        self._place = place
        self._rootfs = copies / "rootfs"

    def run(self, probe: str, weaken: Callable[[Config], None]) -> str:
        backend = ContainerBackend(OciEngine("runc"))
        container, image = backend.prepare(make_spec("true"))
        config = OciEngine("runc").words(container, image)
        config["process"]["args"] = ["python3", "-c", HEAD + probe]
        config["process"]["user"] = {"uid": 65534, "gid": 65534}
        config["process"]["capabilities"] = {}
        if not self._rootfs.exists():
            shutil.copytree(config["root"]["path"], self._rootfs, symlinks=True)
        config["root"]["path"] = str(self._rootfs)
        weaken(config)
        del config["linux"]["cgroupsPath"]
        (self._place / "config.json").write_text(json.dumps(config))
        words = ["runc", "run", "--bundle", str(self._place), f"weaker-{uuid.uuid4().hex}"]
        done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
        return done.stdout + done.stderr
