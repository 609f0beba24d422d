"""Containers by running an OCI runtime (crun, runc ...) on a bundle: no daemon, no copy."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from magicrune.backends.base import Probe
from magicrune.backends.oci.bundle import GROUP, write_config
from magicrune.backends.oci.delegation import (
    CONTROLLERS,
    Delegation,
    Groups,
    find_delegation,
    how_to_delegate,
    sweep_groups,
)
from magicrune.backends.oci.hierarchy import (
    HOW_TO_MOUNT,
    MEMORY,
    Hierarchy,
    other_hierarchies,
    places_of,
    read_hierarchy,
)
from magicrune.backends.oci.mountpoints import find_missing, lay_over
from magicrune.backends.oci.running import OciContainer, Rootless
from magicrune.backends.oci.runtime import require_descriptors
from magicrune.backends.oci.sweep import find_orphans, remove_orphan
from magicrune.backends.oci.userns import why_not
from magicrune.backends.rune.engine import BY_CGROUP, FoundImage
from magicrune.backends.rune.init_binary import init_path, machine
from magicrune.errors import BackendFailed, BackendUnavailable
from magicrune.images import store
from magicrune.locations import private_dir, state_dir
from magicrune.remedy import install

if TYPE_CHECKING:
    from magicrune.backends.rune.container import Container

RUNTIMES = ("crun", "runc")
"""Tried in this order; crun starts a container in about half the time of runc."""
_KNOWN = (*RUNTIMES, "youki", "runsc", "kata-runtime")
"""Those that `magicrune doctor` looks for, and that a sweep asks; a policy may name others."""


class OciEngine:
    """`runtime` is the name or path of a runtime; None: the first of RUNTIMES that is there."""

    name = "oci"
    own_mounts: tuple[str, ...] = ()

    def __init__(self, runtime: str | None = None) -> None:
        self._wanted = runtime

    @property
    def rootless(self) -> bool:
        """Whether containers get a user namespace: those of an ordinary user do."""
        return os.geteuid() != 0

    def probe(self) -> Probe:
        runtime = self._find_runtime()
        if runtime is None:
            names = self._wanted or " or ".join(RUNTIMES)
            fix = _how_to_get(self._wanted)
            return Probe(self.name, False, "", f"no {names} here", fix)
        hierarchy = read_hierarchy()
        if not hierarchy.version:
            problem = "no cgroup controllers at /sys/fs/cgroup"
            return Probe(self.name, False, runtime, problem, HOW_TO_MOUNT)
        own = ", rootless" if self.rootless else ""
        version = f"{Path(runtime).name}, cgroup v{hierarchy.version}{own}"
        if self.rootless:
            problem, fix = _why_not_rootless(hierarchy)
            if problem:
                return Probe(self.name, False, version, problem, fix)
        if not any(store.current(name) for name in ("python", "base")):
            fix = "magicrune images build"
            return Probe(self.name, False, version, "there is no image", fix)
        return Probe(self.name, True, version)

    def other_runtimes(self) -> tuple[str, ...]:
        taken = Path(self._find_runtime() or "").name
        return tuple(each for each in _KNOWN if each != taken and shutil.which(each))

    def require_runtime(self, named: str) -> None:
        self._require(named)

    def find_image(self, name: str, digest: str | None) -> FoundImage:
        image = store.find(name, digest)
        return FoundImage(str(image.rootfs), image.digest)

    def how_to_hold(self, control: str) -> str:
        limited = self.rootless and control in BY_CGROUP
        return how_to_delegate(read_hierarchy()) if limited else ""

    def words(self, container: Container, image: FoundImage) -> dict[str, Any]:
        hierarchy = read_hierarchy()
        return write_config(
            container,
            rootfs=Path(image.reference),
            init=init_path(),
            machine=machine(),
            limit_swap=hierarchy.counts_swap,
            **(self._own_groups(hierarchy) if self.rootless else {}),
        )

    @staticmethod
    def _own_groups(hierarchy: Hierarchy) -> dict[str, Any]:
        if hierarchy.version == 2:
            return {"group": _require_delegation(hierarchy).path}
        return {"group": None, "hidden": other_hierarchies(CONTROLLERS)}

    def start(self, container: Container, image: FoundImage) -> OciContainer:
        runtime = self._require(container.oci_runtime)
        home = private_dir(state_dir() / "oci")
        bundle = home / container.name
        bundle.mkdir(mode=0o700)
        try:
            words = self.words(container, image)
            rootfs = Path(image.reference)
            missing = find_missing((each.path for each in container.tmpfs), rootfs)
            overlay = ""
            if missing:
                (bundle / "rootfs").mkdir()
                overlay = lay_over(missing, bundle / "skeleton", rootfs)
                words["root"]["path"] = str(bundle / "rootfs")
            (bundle / "config.json").write_text(json.dumps(words))
            rootless = self._prepare_user(runtime, container) if self.rootless else None
            memory = _memory_group(words, rootless)
            return OciContainer(runtime, home, bundle, overlay, rootless, memory)
        except BaseException:
            shutil.rmtree(bundle, ignore_errors=True)
            raise

    @staticmethod
    def _prepare_user(runtime: str, container: Container) -> Rootless:
        """Groups for the run, where the runtime cannot make them by itself."""
        hierarchy = read_hierarchy()
        delegation = _require_delegation(hierarchy)
        if hierarchy.version == 2:
            return Rootless(None, leave_groups=False)
        groups = Groups(delegation, container.name)
        leaves = Path(runtime).name == "crun"
        try:
            if leaves:
                groups.make(container, limit_swap=hierarchy.counts_swap)
            else:  # runc makes a group with limits in the one that it runs in
                groups.make_bare()
        except BaseException:
            groups.remove()
            raise
        return Rootless(groups, leave_groups=leaves)

    def sweep(self) -> tuple[str, ...]:
        home = private_dir(state_dir() / "oci")
        runtimes = [path for path in map(shutil.which, _KNOWN) if path]
        found = find_orphans(home)
        stuck = [name for name in found if not remove_orphan(home, name, runtimes)]
        hierarchy = read_hierarchy()
        if not self.rootless:
            sweep_groups(places_of(GROUP, hierarchy))
        elif delegation := find_delegation(hierarchy):
            sweep_groups(delegation.directories)
        if stuck:
            raise BackendFailed("cannot be removed", where=", ".join(stuck))
        return found

    def _require(self, named: str | None) -> str:
        runtime = self._find_runtime(named)
        if runtime is None:
            there = ", ".join(name for name in RUNTIMES if shutil.which(name)) or "none"
            wanted = named or "OCI runtime"
            message = f"no {wanted} is installed; here is {there}"
            raise BackendUnavailable(message, hint=_how_to_get(named))
        if Path(runtime).name not in RUNTIMES:
            require_descriptors(runtime)
        return runtime

    def _find_runtime(self, named: str | None = None) -> str | None:
        wanted = named or self._wanted
        names = (wanted,) if wanted else RUNTIMES
        found = (shutil.which(name) for name in names)
        return next((path for path in found if path), None)


def _how_to_get(runtime: str | None) -> str:
    if runtime is None or runtime in RUNTIMES:
        return install(runtime or RUNTIMES[0])
    return f"# put {runtime} on PATH, or name another runtime.oci_runtime in the policy"


def _memory_group(words: dict[str, Any], rootless: Rootless | None) -> Path | None:
    """Where the runtime puts the container in the memory hierarchy of version 1."""
    if rootless is not None:
        return rootless.groups.directories[0] if rootless.groups is not None else None
    return MEMORY / str(words["linux"]["cgroupsPath"]).lstrip("/")


def _why_not_rootless(hierarchy: Hierarchy) -> tuple[str, str]:
    """What keeps an ordinary user from running containers here, and what mends it."""
    problem, fix = why_not()
    if not problem and find_delegation(hierarchy) is None:
        problem = (
            "no control group is this user's: the controls memory, processes and cpu_rate "
            "could not be held"
        )
        fix = how_to_delegate(hierarchy)
    return problem, fix


def _require_delegation(hierarchy: Hierarchy) -> Delegation:
    found = find_delegation(hierarchy)
    if found is None:
        problem, fix = _why_not_rootless(hierarchy)
        raise BackendUnavailable(problem, hint=fix)
    return found
