"""Control groups for the containers of an ordinary user: below a directory that root gave.

Version 1: root made the same directory in each controller and gave it to the user; a runtime
run by a user does not use it by itself, so we make a group for the run, set its limits and put
the runtime into it before it starts. Version 2: a directory with its controllers on, that of
a systemd user manager or one that root gave; the runtime is told its path and does the rest.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from magicrune.backends.oci.hierarchy import Hierarchy
from magicrune.errors import cannot_do
from magicrune.owner import is_left
from magicrune.remedy import as_root, in_turn

if TYPE_CHECKING:
    from magicrune.backends.rune.container import Container

VARIABLE = "MAGICRUNE_CGROUP"
"""Names the directory, as a path below the hierarchy's root (``/magicrune-1000``)."""
CONTROLLERS = ("memory", "pids", "cpu", "cpuacct")
"""Of version 1. cpuacct limits nothing; without one of its own, init would count the time of
the whole machine as the job's."""
_UNIFIED = frozenset({"memory", "pids", "cpu"})
_ROOT = Path("/sys/fs/cgroup")
_OWN = Path("/proc/self/cgroup")
_IDS = Path("/proc/self/uid_map")
_PERIOD_US = 100_000


@dataclass(frozen=True, slots=True)
class Delegation:
    """A directory that this user may make groups in, the same in each controller."""

    version: int
    path: str
    root: Path = _ROOT

    @property
    def directories(self) -> tuple[Path, ...]:
        """That path in each hierarchy where it is needed."""
        return _places(self.root, self.version, self.path)


def find_delegation(
    hierarchy: Hierarchy, *, root: Path = _ROOT, own: Path = _OWN
) -> Delegation | None:
    """The one that `VARIABLE` names, else ``/magicrune-UID``, else (version 2) the nearest
    group above ours that may be used."""
    named = os.environ.get(VARIABLE)
    paths = [named] if named else [f"/magicrune-{_user()}", *_above(own)]
    for path in paths:
        found = Delegation(hierarchy.version, "/" + path.strip("/"), root)
        if ".." not in path.split("/") and _is_usable(found):
            return found
    return None


def how_to_delegate(hierarchy: Hierarchy, *, root: Path = _ROOT, own: Path = _OWN) -> str:
    """What to do so that limits can be held for this user; changes nothing."""
    if hierarchy.version == 2:
        return _how_to_get_unified(root, own)
    name = f"magicrune-{_user()}"
    each = f"d=/sys/fs/cgroup/$c/{name}; mkdir -p $d && chown -R {_user()} $d"
    return as_root(f"sh -c 'for c in {' '.join(CONTROLLERS)}; do {each}; done'")


def _how_to_get_unified(root: Path, own: Path) -> str:
    mine = root / _own_path(own).strip("/")
    if mine != root and _is_ours(mine) and _read_words(mine / "cgroup.controllers") >= _UNIFIED:
        # A service with Delegate=: what it may divide is the group that its processes are in.
        return in_turn(
            f"d={root}$(sed -n 's/^0:://p' /proc/self/cgroup); mkdir -p $d/main",
            "for p in $(cat $d/cgroup.procs); do echo $p >$d/main/cgroup.procs; done 2>/dev/null",
            "echo '+cpu +memory +pids' >$d/cgroup.subtree_control",
        )
    run = "# and for oci: systemd-run --user --scope -p Delegate=yes magicrune ..."
    manager = root / f"user.slice/user-{_user()}.slice/user@{_user()}.service"
    if _read_words(manager / "cgroup.controllers") >= _UNIFIED:
        return run.removeprefix("# and for oci: ")
    place = "/etc/systemd/system/user@.service.d"
    text = r"[Service]\nDelegate=cpu memory pids\n"
    return in_turn(
        as_root(f"mkdir -p {place}"),
        f"printf '{text}' | {as_root(f'tee {place}/magicrune.conf')}",
        as_root("systemctl daemon-reload"),
        as_root(f"systemctl restart user@{_user()}.service"),
        run,
    )


def _user() -> int:
    """Who runs this, outside of a user namespace of its own (that of rootless Podman)."""
    own = os.geteuid()
    try:
        rows = [list(map(int, each.split())) for each in _IDS.read_text().splitlines()]
    except (OSError, ValueError):
        return own
    inside = [row for row in rows if row[0] <= own < row[0] + row[2]]
    return inside[0][1] + own - inside[0][0] if inside else own


def _above(own: Path) -> list[str]:
    """The groups above ours in version 2, the nearest first: ours has processes in it, so
    none of its own groups can have limits (cgroups(7), "no internal processes")."""
    path = _own_path(own)
    found = []
    while path.strip("/"):
        path = path.rpartition("/")[0]
        if path:
            found.append(path)
    return found


def _own_path(own: Path) -> str:
    """Our group in version 2; the root where it is not known."""
    try:
        lines = own.read_text().splitlines()
    except OSError:
        return "/"
    return next((line[3:] for line in lines if line.startswith("0::")), "/")


def _read_words(path: Path) -> frozenset[str]:
    """Of a file of the kernel's; none where there is no such file."""
    try:
        return frozenset(path.read_text().split())
    except OSError:
        return frozenset()


def _places(root: Path, version: int, path: str) -> tuple[Path, ...]:
    if version == 2:
        return (root / path.strip("/"),)
    return tuple(root / each / path.strip("/") for each in CONTROLLERS)


def _is_usable(found: Delegation) -> bool:
    if not found.version or not found.path.strip("/"):
        return False
    if not all(_is_ours(place) for place in found.directories):
        return False
    if found.version == 1:
        return True
    return _read_words(found.directories[0] / "cgroup.subtree_control") >= _UNIFIED


def _is_ours(place: Path) -> bool:
    return place.is_dir() and all(
        os.access(each, os.W_OK) for each in (place, place / "cgroup.procs")
    )


class Groups:
    """The groups of one run below a delegation of version 1, made with their limits; `name` is
    signed by its owner (magicrune/owner.py)."""

    def __init__(self, delegation: Delegation, name: str) -> None:
        self._above = delegation.directories
        self._pids = -1
        self.directories = tuple(place / name for place in self._above)

    def make(self, container: Container, *, limit_swap: bool) -> None:
        """Raises BackendFailed where a limit cannot be set. That of processes comes with
        `release`: till then the runtime is one of them."""
        self._pids = container.pids
        memory, _, cpu, _ = self.directories
        with _told(self.directories[0].name):
            for place in self.directories:
                place.mkdir()
            _write(memory / "memory.limit_in_bytes", container.memory_bytes)
            if limit_swap:
                _write(memory / "memory.memsw.limit_in_bytes", container.memory_bytes)
            if container.cpus is not None:
                _write(cpu / "cpu.cfs_period_us", _PERIOD_US)
                _write(cpu / "cpu.cfs_quota_us", container.cpus * _PERIOD_US)

    def make_bare(self) -> None:
        """Without limits: for a runtime that makes groups with limits in these by itself."""
        with _told(self.directories[0].name):
            for place in self.directories:
                place.mkdir()

    def join(self) -> None:
        """Puts this process into them. Raises OSError."""
        for place in self.directories:
            _write(place / "cgroup.procs", os.getpid())

    def release(self, runtime: int) -> None:
        """Takes the runtime out, so that init and the job have the group for themselves."""
        with _told(self.directories[0].name):
            for place in self._above:
                _write(place / "cgroup.procs", runtime)
            _write(self.directories[1] / "pids.max", self._pids)

    def remove(self) -> None:
        """What is left of them, where nothing lives in it."""
        for place in self.directories:
            remove_group(place)


def remove_group(place: Path) -> None:
    """A group and those in it, as far as nothing lives there."""
    with contextlib.suppress(OSError):
        for below in place.iterdir():
            if below.is_dir():
                remove_group(below)
        place.rmdir()


def sweep_groups(directories: Iterable[Path]) -> None:
    """Removes the groups of runs in `directories` whose owner has ended."""
    for above in directories:
        for place in above.glob("magicrune-*"):
            if is_left(place.name):
                remove_group(place)


def _write(path: Path, value: int) -> None:
    path.write_text(f"{value}\n")


@contextlib.contextmanager
def _told(where: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise cannot_do(error, "control group cannot be made", where=where) from error
