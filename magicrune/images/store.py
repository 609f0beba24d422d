"""The image store: ``cache_dir()/images/<hex>/`` with ``layer.tar``, ``rootfs/``, ``image.json``.

``NAME.current`` holds the digest that was built last. A name that begins with a dot is a
build under way, or what a killed one left.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable
from pathlib import Path

from magicrune.errors import ImageDamaged, ImageMissing
from magicrune.images import stamp
from magicrune.images.record import (
    DIGEST,
    NAME,
    Image,
    Installed,
    Package,
    read_private,
    read_record,
)
from magicrune.locations import cache_dir, private_dir

__all__ = [
    "BUILDABLE",
    "Image",
    "Installed",
    "Package",
    "advise",
    "all_current",
    "current",
    "find",
    "installed",
    "read",
    "verify",
]

BUILDABLE = ("base", "python", "net")
"""Names that `magicrune images build` knows."""


def find(name: str, digest: str | None = None) -> Image:
    """The image `name` of that digest; without one, the last that was built.

    Hashes nothing while the image is as it was when verified last (`stamp`). Raises
    ImageMissing where there is none, ImageDamaged where it cannot be trusted: others can
    write to it, or it is no longer what its digest says.
    """
    return read(name, digest).image


def read(name: str, digest: str | None = None) -> Installed:
    """Like `find`, with what the image's record tells."""
    wanted = digest if digest is not None else current(name)
    if wanted is None or not NAME.fullmatch(name) or not DIGEST.fullmatch(wanted):
        raise _missing(name, digest)
    place = store_dir() / wanted.removeprefix("sha256:")
    if not os.path.lexists(place):
        raise _missing(name, wanted)
    hint = f"magicrune images build {name}"
    try:
        found = read_record(place)
        stamp.check(found.image, found.size)
    except ImageDamaged as error:
        raise ImageDamaged(error.message, where=error.where, hint=hint) from error
    if found.image.name != name:
        raise _missing(name, wanted)
    return found


def installed(
    on_damage: Callable[[str, ImageDamaged], None] | None = None,
) -> tuple[Installed, ...]:
    """Every image in the store, by name, the newest first. Contents are not looked at.

    An image whose record cannot be read is given to `on_damage` (digest, error); without
    that, ImageDamaged is raised.
    """
    found = []
    for place in store_dir().iterdir():
        digest = f"sha256:{place.name}"
        if not DIGEST.fullmatch(digest):
            continue
        try:
            found.append(read_record(place))
        except ImageDamaged as error:
            if on_damage is None:
                raise
            on_damage(digest, error)
    return tuple(sorted(found, key=lambda each: (each.image.name, -each.created)))


def verify(record: Installed) -> None:
    """Hashes the layer and compares the whole tree with it. Raises ImageDamaged."""
    stamp.verify(record.image, record.size)


def current(name: str) -> str | None:
    """The digest that was built last for `name`. Raises ImageDamaged."""
    if not NAME.fullmatch(name):
        return None
    path = store_dir() / f"{name}.current"
    try:
        digest = read_private(path, 100).decode("ascii").strip()
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        hint = f"remove it; magicrune images build {name}"
        raise ImageDamaged(f"cannot be read: {error}", where=str(path), hint=hint) from error
    return digest


def all_current() -> dict[str, str]:
    """The digest that was built last, for each name; a file that cannot be read is left out."""
    found = {}
    for path in store_dir().glob("*.current"):
        with contextlib.suppress(ImageDamaged):
            digest = current(path.name.removesuffix(".current"))
            if digest is not None:
                found[path.name.removesuffix(".current")] = digest
    return found


def advise(name: str, known: Iterable[str]) -> str:
    """What a person may have meant by `name`; empty where nothing is like it."""
    import difflib  # here: only mistakes need it

    near = difflib.get_close_matches(name[:64], tuple(known), n=1)
    return f"did you mean {near[0]}?" if near else ""


def store_dir() -> Path:
    """Where images lie; made where it is missing. Raises LocationUnsafe."""
    return private_dir(cache_dir() / "images")


def _missing(name: str, digest: str | None) -> ImageMissing:
    what = f"no image {name[:64]!r}" + (f" with digest {digest[:80]}" if digest else "")
    if name not in BUILDABLE:
        near = advise(name, BUILDABLE)
        return ImageMissing(what, hint=near or f"there are: {', '.join(BUILDABLE)}")
    return ImageMissing(what, hint=f"magicrune images build {name}")
