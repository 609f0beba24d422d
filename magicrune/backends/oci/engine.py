"""Containers by running an OCI runtime (crun, runc ...) on a bundle: no daemon, no copy."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from magicrune.backends.base import Probe
from magicrune.backends.oci.bundle import write_config
from magicrune.backends.oci.hierarchy import read_hierarchy
from magicrune.backends.oci.mountpoints import find_missing, lay_over
from magicrune.backends.oci.sweep import find_orphans, remove_orphan
from magicrune.backends.rune.engine import FoundImage
from magicrune.backends.rune.init_binary import init_path, machine
from magicrune.errors import BackendFailed, BackendUnavailable
from magicrune.images import store
from magicrune.locations import private_dir, state_dir

if TYPE_CHECKING:
    from magicrune.backends.rune.container import Container

RUNTIMES = ("crun", "runc")
"""Tried in this order; crun starts a container in about half the time of runc."""
_REMOVE_S = 10.0
_COMPLAINT_MAX = 4096
_GUARD = """\
[ -z "$MAGICRUNE_UMOUNT" ] || umount "$MAGICRUNE_UMOUNT" || exit 125
if [ -n "$MAGICRUNE_OVERLAY" ]; then
    mount -t overlay -o "$MAGICRUNE_OVERLAY" overlay "$MAGICRUNE_BUNDLE/rootfs" || exit 125
fi
"$@" 3<&0 </dev/null
code=$?
[ -z "$MAGICRUNE_OVERLAY" ] || umount "$MAGICRUNE_BUNDLE/rootfs" || exit 125
rm -rf -- "$MAGICRUNE_BUNDLE"
exit $code
"""
"""Runs the runtime in the foreground, which removes the container and its control groups when
init ends; then removes the bundle. It outlives us: killing us makes init end (its channel
closes), and all of this still happens."""


class OciEngine:
    """`runtime` is the name or path of a runtime; None: the first of RUNTIMES that is there."""

    name = "oci"
    own_mounts: tuple[str, ...] = ()

    def __init__(self, runtime: str | None = None) -> None:
        self._wanted = runtime

    def probe(self) -> Probe:
        runtime = self._find_runtime()
        if runtime is None:
            names = self._wanted or " or ".join(RUNTIMES)
            return Probe(self.name, False, "", f"no {names} here", "apt-get install crun")
        if os.geteuid() != 0:
            return Probe(self.name, False, runtime, "needs root on this machine")
        hierarchy = read_hierarchy()
        if not hierarchy.version:
            return Probe(self.name, False, runtime, "no cgroup controllers at /sys/fs/cgroup")
        version = f"{Path(runtime).name}, cgroup v{hierarchy.version}"
        if not any(store.current(name) for name in ("python", "base")):
            fix = "magicrune images build"
            return Probe(self.name, False, version, "there is no image", fix)
        return Probe(self.name, True, version)

    def find_image(self, name: str, digest: str | None) -> FoundImage:
        image = store.find(name, digest)
        return FoundImage(str(image.rootfs), image.digest)

    def words(self, container: Container, image: FoundImage) -> dict[str, Any]:
        return write_config(
            container,
            rootfs=Path(image.reference),
            init=init_path(),
            machine=machine(),
            limit_swap=read_hierarchy().counts_swap,
        )

    def start(self, container: Container, image: FoundImage) -> OciContainer:
        runtime = self._find_runtime(container.oci_runtime)
        if runtime is None:
            wanted = container.oci_runtime or "OCI runtime"
            raise BackendUnavailable(f"no {wanted} is installed", hint="apt-get install crun")
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
            return OciContainer(runtime, home, bundle, overlay)
        except BaseException:
            shutil.rmtree(bundle, ignore_errors=True)
            raise

    def sweep(self) -> tuple[str, ...]:
        home = private_dir(state_dir() / "oci")
        runtimes = [path for path in map(shutil.which, RUNTIMES) if path]
        found = tuple(find_orphans(home))
        stuck = [each.name for each in found if not remove_orphan(each, home / "state", runtimes)]
        if stuck:
            raise BackendFailed("cannot be removed", where=", ".join(stuck))
        return tuple(each.name for each in found)

    def _find_runtime(self, named: str | None = None) -> str | None:
        wanted = named or self._wanted
        names = (wanted,) if wanted else RUNTIMES
        found = (shutil.which(name) for name in names)
        return next((path for path in found if path), None)


class OciContainer:
    """One runtime process in the foreground, and our end of the stream to its init."""

    def __init__(self, runtime: str, home: Path, bundle: Path, overlay: str) -> None:
        self._runtime = [runtime, "--root", str(home / "state")]
        self._name = bundle.name
        self._bundle = bundle
        self._overlay = overlay
        # Anonymous memory: what the runtime complains of must outlive the bundle.
        self._stderr = os.memfd_create("magicrune-stderr")
        self.connection, theirs = socket.socketpair()
        with theirs:
            self._process = self._spawn(theirs)

    def _spawn(self, theirs: socket.socket) -> subprocess.Popen[bytes]:
        # runc puts pipes of its own before init's standard streams, and no descriptor passes
        # through a pipe.
        run = [*self._runtime, "run", "--preserve-fds", "1"]
        run += ["--bundle", str(self._bundle), self._name]
        environment = {
            "PATH": os.environ.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
            "MAGICRUNE_BUNDLE": str(self._bundle),
            "MAGICRUNE_OVERLAY": self._overlay,
            "MAGICRUNE_UMOUNT": "",
        }
        guard = ["/bin/sh", "-c", _GUARD, "magicrune-guard", *run]
        if Path(self._runtime[0]).name == "crun" and read_hierarchy().unified_beside:
            # crun 1.8 takes a hybrid host for version 2 and finds no controllers there.
            environment["MAGICRUNE_UMOUNT"] = "/sys/fs/cgroup/unified"
        if environment["MAGICRUNE_UMOUNT"] or self._overlay:
            guard = ["unshare", "--mount", "--propagation", "private", *guard]
        try:
            return subprocess.Popen(  # noqa: S603 - the runtime that we found
                guard,
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=self._stderr,
                env=environment,
                cwd="/",
                start_new_session=True,
            )
        except OSError as error:
            self.connection.close()
            os.close(self._stderr)
            raise BackendFailed(f"cannot be started: {error}", where=guard[0]) from error

    def complaint(self) -> str:
        text = os.pread(self._stderr, _COMPLAINT_MAX, 0)
        return text.decode(errors="replace").strip()

    def remove(self) -> None:
        self.connection.close()
        try:
            if not self._ended(_REMOVE_S):
                self._force()
        finally:
            shutil.rmtree(self._bundle, ignore_errors=True)

    def _ended(self, patience_s: float) -> bool:
        try:
            self._process.wait(patience_s)
        except subprocess.TimeoutExpired:
            return False
        return True

    def _force(self) -> None:
        """Init did not end when its channel closed: the runtime kills it."""
        for words in (["kill", self._name, "KILL"], ["delete", "--force", self._name]):
            with contextlib.suppress(OSError, subprocess.TimeoutExpired):
                subprocess.run(  # noqa: S603 - the runtime that we found
                    [*self._runtime, *words],
                    stdin=subprocess.DEVNULL,
                    capture_output=True,
                    timeout=_REMOVE_S,
                    check=False,
                )
        if not self._ended(_REMOVE_S):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            raise BackendFailed(
                "the container could not be removed",
                where=self._name,
                hint="magicrune doctor --clean",
            )
