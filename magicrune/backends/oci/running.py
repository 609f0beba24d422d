"""One run of an OCI runtime: the runtime in the foreground, and our end of init's stream."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from magicrune.backends.oci.hierarchy import read_hierarchy
from magicrune.backends.oci.userns import map_ids
from magicrune.errors import BackendFailed, cannot_do

if TYPE_CHECKING:
    from magicrune.backends.oci.delegation import Groups

_START_S = 60.0
_REMOVE_S = 10.0
_COMPLAINT_MAX = 4096
_UNIFIED = "/sys/fs/cgroup/unified"
_GUARD = """\
clear() {
    rm -rf -- "$MAGICRUNE_BUNDLE"
    for each in $MAGICRUNE_GROUPS; do rmdir "$each"; done
}
fail() {
    clear
    exit 125
}
if [ -n "$MAGICRUNE_ROOTLESS" ]; then
    echo >&0
    read -r _ || fail
fi
[ -z "$MAGICRUNE_UMOUNT" ] || umount "$MAGICRUNE_UMOUNT" || fail
[ -z "$MAGICRUNE_COVER" ] ||
    mount -t tmpfs -o ro,size=4096 magicrune "$MAGICRUNE_COVER" || fail
if [ -n "$MAGICRUNE_OVERLAY" ]; then
    mount -t overlay -o "$MAGICRUNE_OVERLAY" overlay "$MAGICRUNE_BUNDLE/rootfs" || fail
fi
"$@" 3<&0 </dev/null
code=$?
[ -z "$MAGICRUNE_OVERLAY" ] || umount "$MAGICRUNE_BUNDLE/rootfs" || exit 125
clear
exit $code
"""
"""Runs the runtime in the foreground, which removes the container and its control groups when
init ends; then removes the bundle. It outlives us: killing us makes init end (its channel
closes), and all of this still happens.

For an ordinary user it begins in a new user namespace, says so, and waits for its ids."""
_PLACE = """\
echo $$ >"$MAGICRUNE_BUNDLE/pid" || exit 125
for each in $MAGICRUNE_GROUPS; do echo $$ >"$each/cgroup.procs" || exit 125; done
exec "$@"
"""
"""Becomes the runtime, in the control groups that were made for it."""


@dataclass(frozen=True, slots=True)
class Rootless:
    """What a run by an ordinary user needs besides: its groups, where we have to make them,
    and whether the runtime is to leave control groups alone."""

    groups: Groups | None
    leave_groups: bool


class OciContainer:
    """One runtime process in the foreground, and our end of the stream to its init."""

    def __init__(
        self,
        runtime: str,
        home: Path,
        bundle: Path,
        overlay: str,
        rootless: Rootless | None,
        memory: Path | None,
    ) -> None:
        """`memory`: its control group for memory (version 1), once the runtime has made it."""
        self._memory = memory
        self._runtime = [runtime, "--root", str(home / "state")]
        if rootless is not None and rootless.leave_groups:
            self._runtime.insert(1, "--cgroup-manager=disabled")
        self._name = bundle.name
        self._bundle = bundle
        self._overlay = overlay
        self._rootless = rootless
        self._groups = None if rootless is None else rootless.groups
        # Anonymous memory: what the runtime complains of must outlive the bundle.
        self._stderr = os.memfd_create("magicrune-stderr")
        self._said = ""  # what was read of it when it was closed
        self.connection, theirs = socket.socketpair()
        with theirs:
            self._process = self._spawn(theirs)
        if rootless is not None:
            try:
                self._settle(rootless)
            except BaseException:
                self.remove()
                raise

    def _spawn(self, theirs: socket.socket) -> subprocess.Popen[bytes]:
        environment = self._environment()
        # runc puts pipes of its own before init's standard streams, and no descriptor passes
        # through a pipe.
        run = [*self._runtime, "run", "--preserve-fds", "1"]
        run += ["--bundle", str(self._bundle), self._name]
        if self._groups is not None:
            run = ["/bin/sh", "-c", _PLACE, "magicrune-place", *run]
        guard = ["/bin/sh", "-c", _GUARD, "magicrune-guard", *run]
        user = ["--user"] if self._rootless is not None else []
        if user or environment["MAGICRUNE_UMOUNT"] or self._overlay:
            guard = ["unshare", *user, "--mount", "--propagation", "private", *guard]
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
            raise cannot_do(error, "cannot be started", where=guard[0]) from error

    def _environment(self) -> dict[str, str]:
        groups = self._groups.directories if self._groups is not None else ()
        # crun 1.8 takes a hybrid host for version 2 and finds no controllers there.
        crun = Path(self._runtime[0]).name == "crun"
        hide = _UNIFIED if crun and read_hierarchy().unified_beside else ""
        root = self._rootless is None
        return {
            "PATH": os.environ.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
            "MAGICRUNE_BUNDLE": str(self._bundle),
            "MAGICRUNE_OVERLAY": self._overlay,
            "MAGICRUNE_UMOUNT": hide if root else "",
            # A user cannot take away a mount that root made.
            "MAGICRUNE_COVER": "" if root else hide,
            "MAGICRUNE_ROOTLESS": "" if root else "1",
            "MAGICRUNE_GROUPS": " ".join(map(str, groups)),
        }

    def _settle(self, rootless: Rootless) -> None:
        """Gives the guard its ids, and the container's groups to the container alone."""
        self.connection.settimeout(_START_S)
        try:
            if self.connection.recv(1) != b"\n":
                raise BackendFailed(self._no_start(), where="unshare --user")
            map_ids(self._process.pid)
            self.connection.sendall(b"\n")
            if rootless.groups is not None and rootless.leave_groups:
                if not self.connection.recv(1, socket.MSG_PEEK):  # init is ready
                    raise BackendFailed(self._no_start(), where=self._runtime[0])
                rootless.groups.release(int((self._bundle / "pid").read_text()))
        except (OSError, ValueError) as error:
            raise BackendFailed(
                f"did not start: {error} {self._no_start()}", where=self._runtime[0]
            ) from error
        self.connection.settimeout(None)

    def _no_start(self) -> str:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(1.0)
        return self.complaint()[:500] or "did not start, and did not say why"

    def memory_group(self) -> Path | None:
        return self._memory

    def complaint(self) -> str:
        if self._stderr < 0:
            return self._said
        text = os.pread(self._stderr, _COMPLAINT_MAX, 0)
        return text.decode(errors="replace").strip()

    def runtime(self) -> str | None:
        return Path(self._runtime[0]).name

    def _close_stderr(self) -> None:
        """A worker makes many containers: none may leave a descriptor behind."""
        if self._stderr >= 0:
            self._said = self.complaint()
            os.close(self._stderr)
            self._stderr = -1

    def remove(self) -> None:
        self.connection.close()
        try:
            if not self._ended(_REMOVE_S):
                self._force()
        finally:
            self._close_stderr()
            shutil.rmtree(self._bundle, ignore_errors=True)
            if self._groups is not None:
                self._groups.remove()

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
