"""Places for the container's file systems that the image does not have.

A runtime makes a missing one in the root file system, which here is an image that other
containers run from at the same time. So an empty skeleton is laid over the image instead.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from magicrune.errors import BackendUnavailable

_MADE_LATER = "/dev/"
"""Below a file system that the runtime mounts first: it makes these there."""


def find_missing(paths: Iterable[str], rootfs: Path) -> tuple[str, ...]:
    """Those of `paths` that are no directory of the image.

    Raises BackendUnavailable for one that lies behind a symlink or a file of the image.
    """
    return tuple(
        path for path in paths if not path.startswith(_MADE_LATER) and _is_missing(path, rootfs)
    )


def _is_missing(path: str, rootfs: Path) -> bool:
    place = rootfs
    for name in path.strip("/").split("/"):
        place /= name
        if place.is_symlink() or (place.exists() and not place.is_dir()):
            raise BackendUnavailable(
                f"{path} cannot be mounted: the image has a link or a file on the way",
                where="capabilities.fs of the policy",
                hint="name a directory that is none of the image's",
            )
        if not place.exists():
            return True
    return False


def lay_over(paths: Iterable[str], skeleton: Path, rootfs: Path) -> str:
    """Makes `paths` below `skeleton`; gives the options of a read-only overlay of both."""
    for path in paths:
        (skeleton / path.strip("/")).mkdir(mode=0o755, parents=True, exist_ok=True)
    return f"ro,lowerdir={_escape(skeleton)}:{_escape(rootfs)}"


def _escape(path: Path) -> str:
    r"""As the kernel reads overlay options: ``\`` before a colon, a comma or itself."""
    return "".join("\\" + each if each in "\\:," else each for each in str(path))
