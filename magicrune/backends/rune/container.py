"""The locked-down container of one run, in no engine's words: each engine lowers this."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from magicrune.backends.rune.seccomp import Profile
from magicrune.owner import sign

if TYPE_CHECKING:
    from pathlib import Path

    from magicrune.spec import ContainerSpec

CAPABILITIES = ("CAP_KILL", "CAP_SETGID", "CAP_SETUID", "CAP_SYS_PTRACE")
"""Of init alone; the job has none. It changes to the job's user (SETUID, SETGID), kills what
belongs to that user (KILL) and reads the arguments of its calls (SYS_PTRACE)."""
INIT_PATH = "/run/magicrune/init"
INIT_DIR = "/run/magicrune"
INIT_MEMORY = 4 << 20
"""Bytes of the memory ceiling that are init's own (it took 1.2 MiB with full tables)."""
INIT_PIDS = 2
"""Init, and the second process that it may need to kill the job."""
INIT_FILES = 1024
SHM_BYTES = 16 << 20
"""Of /dev/shm, for semaphores and shared memory of the job (Python's multiprocessing)."""
SHM_INODES = 1000
SOCKET_BYTES = 16 << 20
"""Of TCP and UDP buffers, where they are no part of memory: more only makes windows smaller, as
on a machine that is short of memory."""
TERMINALS = 64
"""Pseudo-terminals of one container: the kernel has 4096 for the whole machine (kernel.pty.max),
and without a bound gives one container 3072 of them."""
TERMINAL_DIR = "/dev/pts"
TERMINAL_OPTIONS = (
    *("nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"),
    f"max={TERMINALS}",
)
"""Of the devpts there (linux/Documentation/filesystems/devpts.rst)."""
LABEL = "org.magicrune.run_id"
OWNER_LABEL = "org.magicrune.owner"

MASKED_PATHS = (
    *("/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kallsyms", "/proc/kcore"),
    *("/proc/key-users", "/proc/keys", "/proc/kmsg", "/proc/kpagecount", "/proc/kpageflags"),
    *("/proc/latency_stats", "/proc/sched_debug", "/proc/scsi", "/proc/timer_list"),
    *("/proc/timer_stats", "/sys/devices/virtual/powercap", "/sys/firmware", "/sys/kernel"),
)
"""What tells of the host or of other tenants; the same list that init measures."""
RESOLV_CONF = "/etc/resolv.conf"
GATE = ("127.0.0.53", 53)
"""Where the name server of a job with a network listens, in its own namespace: not 127.0.0.1,
whose ports are the job's."""
SHARED_TEXTS = {
    "resolv.conf": f"nameserver {GATE[0]}\n",
    "hosts": "127.0.0.1 localhost magicrune\n",
}
"""Beside init. To ask for the own loopback by name is then no question to a name server."""
HOSTS = "/etc/hosts"
SYSCTLS = {"net.ipv4.ip_unprivileged_port_start": str(GATE[1])}
"""Of the sandbox's own network namespace: init has no capability to take port 53 otherwise."""
READONLY_PATHS = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")


@dataclass(frozen=True, slots=True)
class TmpFs:
    """A private file system in memory. `mode` is of its root directory, owned by root."""

    path: str
    size_bytes: int
    inodes: int
    mode: int
    exec: bool = True


@dataclass(frozen=True, slots=True)
class Container:
    """Everything that an engine must set, and nothing that it may choose."""

    name: str
    """Unique on the machine, fit for any engine, signed by the owner (owner.sign)."""
    run_id: str
    hostname: str
    image: str
    image_digest: str | None
    tmpfs: tuple[TmpFs, ...]
    memory_bytes: int
    """Of the whole container: processes and the files in its file systems. No swap."""
    socket_bytes: int
    """Of buffers of TCP and UDP sockets, where the kernel counts them apart (socket_memory)."""
    pids: int
    cpus: int | None
    open_files: int
    seccomp: Profile
    oci_runtime: str | None
    network: bool
    """Whether connections are brokered: a resolv.conf then lies at RESOLV_CONF, and SYSCTLS are
    set. There is no interface in any case."""
    owner: str
    """The process whose death makes this container an orphan (owner.own)."""
    capabilities: tuple[str, ...] = CAPABILITIES
    masked_paths: tuple[str, ...] = MASKED_PATHS
    readonly_paths: tuple[str, ...] = READONLY_PATHS

    @property
    def sysctls(self) -> dict[str, str]:
        """Kernel settings of the container's own namespaces."""
        return SYSCTLS if self.network else {}

    def binds(self, shared: Path) -> dict[str, Path]:
        """What is mounted read-only, by its place in the container: `shared` has init, and
        SHARED_TEXTS. The name server is there with a network only."""
        resolver = {RESOLV_CONF: shared / "resolv.conf"} if self.network else {}
        return {INIT_DIR: shared, HOSTS: shared / "hosts", **resolver}

    @property
    def labels(self) -> dict[str, str]:
        """By which an engine is asked for what is ours."""
        return {LABEL: self.run_id, OWNER_LABEL: self.owner}


def lower(spec: ContainerSpec, *, profile: Profile, image: str, owner: str) -> Container:
    """The container that holds `spec`. `image` stands in where the spec names none.

    The memory ceiling has room for full file systems: the kernel charges their files to the
    same group, so the job can use for itself what it does not fill.
    """
    limits = spec.limits
    scratch = tuple(
        # One inode is the root of the file system itself.
        TmpFs(mount.path, limits.tmp_bytes, limits.files + 1, 0o1777 if mount.writable else 0o755)
        for mount in spec.mounts
    )
    name = f"magicrune-{spec.run_id[:40]}-{secrets.token_hex(4)}"
    shm = TmpFs("/dev/shm", SHM_BYTES, SHM_INODES, 0o1777, exec=False)  # noqa: S108
    return Container(
        name=sign(name.replace("_", "-"), owner),
        run_id=spec.run_id,
        hostname=spec.hostname,
        image=spec.image or image,
        image_digest=spec.image_digest,
        tmpfs=(*scratch, shm),
        memory_bytes=limits.memory_bytes + limits.tmp_bytes + INIT_MEMORY,
        socket_bytes=min(SOCKET_BYTES, limits.memory_bytes),
        pids=limits.pids + INIT_PIDS,
        cpus=limits.cpus,
        open_files=max(limits.open_files, INIT_FILES),
        seccomp=profile,
        oci_runtime=spec.oci_runtime,
        network=spec.has_network,
        owner=owner,
    )
