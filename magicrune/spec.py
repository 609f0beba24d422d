"""What a sandbox must be: one `ContainerSpec`, made once, lowered by each backend.

A backend sees this and nothing else: no request, no policy. `plan()` (below) is pure.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from magicrune.admission import Grant
    from magicrune.netrule import NetRule
    from magicrune.request import SpellRequest


@dataclass(frozen=True, slots=True)
class FileInput:
    """A file put into the sandbox before the job starts. `path` is absolute and normalised."""

    path: str
    content: bytes
    mode: int = 0o755  # executable: `cmd` may want to run what the request brought


@dataclass(frozen=True, slots=True)
class Mount:
    """A private, empty directory tree of the sandbox; `writable` is the job's view of it."""

    path: str
    writable: bool = True


@dataclass(frozen=True, slots=True)
class Limits:
    """Ceilings of one run. All are enforced; reaching one is told in `Observation`."""

    wall_ms: int
    cpu_ms: int
    memory_bytes: int
    """All processes of the job together, files of the sandbox not counted."""
    pids: int
    output_bytes: int
    """stdout and stderr together; the job is ended when it writes more."""
    tmp_bytes: int
    """All files in all mounts together."""
    files: int
    """Files, directories and links in all mounts together."""
    open_files: int
    artifact_bytes: int
    """Content of all artifacts together; larger ones are named without content."""
    cpus: int | None = None
    """Processors' worth of time that the job may use at once; None: all of the machine."""


@dataclass(frozen=True, slots=True)
class NetLimits:
    """Ceilings of what one run does by network. Passing one ends the job, except
    `open_connections`: one more is refused. Defaults are those of a policy."""

    connections: int = 10_000
    """Connections that a rule allowed, those that nobody answered included."""
    open_connections: int = 256
    sent_bytes: int = 1 << 30
    """From the job to others, all connections together; so is `received_bytes`."""
    received_bytes: int = 4 << 30
    names: int = 256
    """Different granted names that were asked for."""
    queries: int = 10_000
    """DNS queries of the job, whatever they ask."""


@dataclass(frozen=True, slots=True)
class ContainerSpec:
    """The sandbox and the job, complete: no backend adds or guesses anything."""

    run_id: str
    argv: tuple[str, ...]
    env: tuple[tuple[str, str], ...]
    stdin: bytes
    files: tuple[FileInput, ...]
    cwd: str
    mounts: tuple[Mount, ...]
    limits: Limits
    net: tuple[NetRule, ...] = ()
    """Where the job may connect to; with `host_loopback` empty, too: no network at all."""
    net_exact: tuple[NetRule, ...] = ()
    """Those of `net` that the policy names as one address: only they reach an address of
    the executor's own machine."""
    host_loopback: tuple[NetRule, ...] = ()
    """Addresses of the *executor's* loopback that the job may connect to."""
    net_limits: NetLimits = NetLimits()
    resolvers: tuple[str, ...] = ()
    """DNS servers (``ADDRESS`` or ``ADDRESS:PORT``) that names are asked of; empty: the
    executor's own."""
    seed: int | None = None
    artifacts_dir: str = "/workspace/out"
    """Regular files under it are returned as artifacts."""
    hostname: str = "magicrune"
    uid: int = 65534
    gid: int = 65534
    image: str | None = None
    image_digest: str | None = None
    oci_runtime: str | None = None
    seccomp: str = "default"
    """Name of the outer profile (policies/seccomp)."""
    sensitive: tuple[str, ...] = field(default=())
    """Globs (magicrune.pathrule) of paths whose reading is reported as `sensitive`."""

    @property
    def has_network(self) -> bool:
        """Whether connections are brokered at all."""
        return bool(self.net or self.host_loopback)


FIXED_ENV = (
    ("HOME", "/workspace"),
    ("HOSTNAME", "magicrune"),
    ("LANG", "C.UTF-8"),
    ("LC_ALL", "C.UTF-8"),
    ("LOGNAME", "nobody"),
    ("PATH", "/usr/local/bin:/usr/bin:/bin"),
    ("SHELL", "/bin/sh"),
    ("SOURCE_DATE_EPOCH", "0"),
    ("TMPDIR", "/tmp"),  # noqa: S108 - the sandbox's own
    ("TZ", "UTC"),
    ("USER", "nobody"),
)
"""The same on every machine and every day: a deterministic job has one output."""


def plan(request: SpellRequest, grant: Grant, *, run_id: str, seed: int | None) -> ContainerSpec:
    """The sandbox for `request` under `grant`. Pure; `seed` is the one that counts.

    Without a seed the job sees 0. Of the request only what to run, its input and its files
    are taken; all that is a permission comes from the grant.
    """
    seen = 0 if seed is None else seed
    env = dict(grant.env)
    env.update(FIXED_ENV)
    env["MAGICRUNE_RUN_ID"] = run_id
    env["MAGICRUNE_SEED"] = str(seen)
    env["PYTHONHASHSEED"] = str(seen % 2**32)  # CPython takes 0 to 4294967295
    return ContainerSpec(
        run_id=run_id,
        argv=("sh", "-c", request.cmd),
        env=tuple(sorted(env.items())),
        stdin=request.stdin.encode(),
        files=tuple(FileInput(entry.path, entry.content()) for entry in request.files),
        cwd=_working_directory(grant),
        mounts=(
            *(Mount(path, writable=True) for path in grant.writable),
            *(Mount(path, writable=False) for path in grant.readonly),
        ),
        limits=grant.limits,
        net=grant.net,
        net_exact=grant.net_exact,
        host_loopback=grant.host_loopback,
        net_limits=grant.net_limits,
        resolvers=grant.resolvers,
        seed=seed,
        image=grant.image,
        image_digest=grant.image_digest,
        oci_runtime=grant.oci_runtime,
        seccomp=grant.seccomp,
        sensitive=grant.sensitive,
    )


def _working_directory(grant: Grant) -> str:
    """/workspace where it is granted; else what is granted first; else the root."""
    trees = (*grant.writable, *grant.readonly)
    if "/workspace" in trees or not trees:
        return "/workspace" if trees else "/"
    return trees[0]
