"""Buffers of TCP and UDP sockets, which version 1 of control groups counts apart from memory, and
only where a limit of their own is set. No engine sets one, so the executor does, once init is
there and before the job is.

Without it a job whose memory was limited to 16 MiB had 600 MiB in the buffers of 64 sockets
(bounded by net.ipv4.tcp_mem of the whole machine alone). Buffers of unix sockets and of pipes are
part of the memory limit: there such a job was ended by it.
"""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass
from pathlib import Path

_FILE = "memory.kmem.tcp.limit_in_bytes"
"""Of UDP as well, whatever its name says: both charge one counter (mem_cgroup_charge_skmem)."""
_ROOT = Path("/sys/fs/cgroup/memory")
_CREDENTIALS = struct.Struct("3i")
"""pid, uid, gid (unix(7), SO_PEERCRED)."""


@dataclass(slots=True)
class SocketMemory:
    """`most` bytes for all sockets of a container."""

    most: int
    trouble: str = ""
    """Why the limit could not be set; empty where it was, or needs not be."""

    def limit(self, group: Path | None, root: Path = _ROOT) -> None:
        """Sets it in `group`, the container's own, and in those below it: none inherits it."""
        if not (root / "memory.limit_in_bytes").exists():
            return  # version 2: such buffers are memory like any other
        if group is None:
            self.trouble = "its control group cannot be told from here"
            return
        try:
            for place in (group, *(each for each in group.rglob("*") if each.is_dir())):
                (place / _FILE).write_text(f"{self.most}\n")
        except OSError as error:
            self.trouble = f"{error.strerror}: {group / _FILE}"


def group_of_peer(connection: socket.socket, root: Path = _ROOT) -> Path | None:
    """The memory group of whoever connected; None where this process does not see it."""
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid = _CREDENTIALS.unpack(raw)[0]
    try:
        lines = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if "memory" in controllers.split(",") and ".." not in path.split("/"):
            return root / path.lstrip("/")
    return None
