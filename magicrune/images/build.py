"""Builds an image from Debian packages: ``images/rootfs.sh`` (mmdebstrap) into the store.

Packages are fetched and their signatures checked by apt, and only unpacked; no maintainer
script runs. Two programs of the packages run, chrooted: ldconfig and Python's compileall.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

from magicrune.errors import CliUsage, ImageBuildFailed, ImageToolMissing
from magicrune.images import store
from magicrune.images.keep import Workplace, keep, workplace
from magicrune.images.layer import EPOCH
from magicrune.images.record import Installed, Package
from magicrune.locations import shipped
from magicrune.remedy import in_turn, install
from magicrune.subids import find_ids, how_to_get, user_name

NAMES = store.BUILDABLE
_ARCH = {"x86_64": "amd64", "aarch64": "arm64"}
_LIST = "./usr/share/magicrune/packages"
_SOURCES = ("/etc/apt/sources.list.d/debian.sources", "/etc/apt/sources.list")
_SUITE = "bookworm"
_PASSED = ("PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "http_proxy", "https_proxy", "no_proxy")


def build(name: str, on_wait: Callable[[], None] | None = None) -> Installed:
    """Builds image `name` and makes it the current one; needs a Debian mirror.

    Raises CliUsage for a name that is none of `NAMES`, ImageToolMissing where mmdebstrap or
    the right to use it is not there, ImageBuildFailed.
    """
    if name not in NAMES:
        near = store.advise(name, NAMES)
        hint = near or f"there are: {', '.join(NAMES)}"
        raise CliUsage("is not an image that can be built", where=name[:64], hint=hint)
    arch = _ARCH.get(platform.machine())
    if arch is None:
        raise ImageToolMissing(f"no image for {platform.machine()}", hint="amd64 or arm64")
    store.store_dir()  # before all else: a user without a place for it is told so
    command = _command(name)
    with workplace(on_wait) as work:
        source = work.directory / "source.tar"
        _run(command, source, work)
        return keep(work, name, source, arch, _packages(source))


def _command(name: str) -> list[str]:
    """What builds, with no more privilege than the user has."""
    _need_tools()
    if os.geteuid() == 0:
        # mmdebstrap mounts /proc and /dev below the tree: nothing of that may outlive it.
        prefix, mode = ["unshare", "--mount", "--propagation", "private", "--"], "root"
    else:
        prefix, mode = [], "unshare"
        _need_ids()
    script = shipped("images/rootfs.sh")
    packages = shipped(f"images/{name}/packages")
    return [*prefix, "sh", str(script), mode, str(packages), *_sources()]


def _need_tools() -> None:
    """Raises ImageToolMissing naming all programs that are missing, and their packages."""
    packages = {"mmdebstrap": "mmdebstrap", "unshare": "util-linux"}
    if os.geteuid() != 0:
        packages["newuidmap"] = "uidmap"
    missing = [program for program in packages if shutil.which(program) is None]
    if missing:
        hint = install(*(packages[program] for program in missing))
        raise ImageToolMissing(f"missing: {', '.join(missing)}", hint=hint)


def _need_ids() -> None:
    """Raises ImageToolMissing where the user may not map ids into a user namespace."""
    if find_ids() is None:
        raise ImageToolMissing(
            f"user {user_name()!r} has no range of ids",
            where="/etc/subuid, /etc/subgid",
            hint=in_turn(how_to_get(), "# or build as root"),
        )


def _sources() -> list[str]:
    """The machine's own Debian sources where they have the suite; else mmdebstrap's default."""
    for path in _SOURCES:
        try:
            text = Path(path).read_text()
        except (OSError, UnicodeDecodeError):
            continue
        if re.search(rf"^[^#]*\b{_SUITE}\b", text, re.MULTILINE):
            return [path]
    return []


def _run(command: list[str], target: Path, work: Workplace) -> None:
    environment = {key: os.environ[key] for key in _PASSED if key in os.environ}
    environment |= {"LC_ALL": "C", "SOURCE_DATE_EPOCH": str(EPOCH)}
    log = work.directory / "log"
    try:
        with (
            target.open("xb") as out,
            log.open("xb") as err,
            subprocess.Popen(  # noqa: S603 - our own script, no word from outside
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env=environment,
                cwd="/",
                pass_fds=(work.lock,),
            ) as child,
        ):
            try:
                code = child.wait()
            except BaseException:
                child.terminate()  # it takes its own tree away
                raise
    except OSError as error:
        raise ImageBuildFailed(f"cannot be started: {error}", where=command[0]) from error
    if code != 0:
        said = log.read_text(errors="replace").strip().splitlines()[-6:]
        raise ImageBuildFailed(f"mmdebstrap failed: {' | '.join(said)}"[:1500])


def _packages(source: Path) -> tuple[Package, ...]:
    """Which packages were unpacked, as strip.sh wrote it down."""
    try:
        with tarfile.open(source, "r:") as tar:
            file = tar.extractfile(_LIST)
            lines = (file.read() if file else b"").decode().splitlines()
    except (OSError, tarfile.TarError, KeyError, ValueError) as error:
        raise ImageBuildFailed(f"cannot be read: {error}", where=source.name) from error
    found = tuple(Package(*line.split(" ", 1)) for line in lines if " " in line)
    if not found:
        raise ImageBuildFailed("has no packages", where=source.name)
    return found
