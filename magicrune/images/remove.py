"""Takes images out of the store: those named, or all that no name leads to.

An image that is damaged is removed like any other, and is in nobody's way.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from magicrune.errors import CliUsage, ImageBuildFailed, ImageDamaged, ImageMissing
from magicrune.images import store
from magicrune.images.keep import Workplace, workplace
from magicrune.images.record import DIGEST, NAME

_PREFIX = re.compile(r"(?:sha256:)?([0-9a-f]{8,64})")


@dataclass(frozen=True, slots=True)
class Stored:
    """A place in the store. `name` is None where the record of an image cannot be read."""

    digest: str
    name: str | None
    current: bool


def remove(
    wanted: Iterable[str], *, unused: bool = False, on_wait: Callable[[], None] | None = None
) -> tuple[Stored, ...]:
    """Removes the images of each name or digest (8 digits of it are enough) in `wanted`, and
    with `unused` those that are not the current one of their name. What a run under way uses
    breaks that run.

    Raises ImageMissing for what is not there, before anything is removed; CliUsage for a
    beginning that several digests have; ImageBuildFailed where the store cannot be written.
    """
    with workplace(on_wait) as work:
        stored = survey()
        chosen = [each for one in wanted for each in _select(one, stored)]
        if unused:
            chosen += [each for each in stored if not each.current]
        removed = tuple({each.digest: each for each in chosen}.values())
        for each in removed:
            _take_out(work, each)
    return removed


def survey() -> tuple[Stored, ...]:
    """All that the store holds, sound or not."""
    damaged: list[str] = []
    sound = store.installed(lambda digest, _: damaged.append(digest))
    current = store.all_current()
    return (
        *(
            Stored(each.image.digest, each.image.name, each.image.digest in current.values())
            for each in sound
        ),
        *(Stored(digest, None, digest in current.values()) for digest in sorted(damaged)),
    )


def _select(wanted: str, stored: tuple[Stored, ...]) -> list[Stored]:
    found = [each for each in stored if each.name == wanted]
    prefix = _PREFIX.fullmatch(wanted)
    if not found and prefix:
        found = [each for each in stored if each.digest.startswith(f"sha256:{prefix.group(1)}")]
        if len(found) > 1:
            raise CliUsage("is the beginning of several digests", where=wanted)
    if not found:
        names = sorted({each.name for each in stored if each.name})
        near = store.advise(wanted, names)
        raise ImageMissing(f"no image {wanted[:80]!r}", hint=near or "magicrune images list")
    return found


def _take_out(work: Workplace, stored: Stored) -> None:
    if not DIGEST.fullmatch(stored.digest):
        raise ImageDamaged("is not a digest", where=stored.digest)
    home = store.store_dir()
    place = home / stored.digest.removeprefix("sha256:")
    try:
        for name, digest in store.all_current().items():
            if digest == stored.digest and NAME.fullmatch(name):
                (home / f"{name}.current").unlink()
        if os.path.lexists(place):  # whatever it is; below `work` it is swept
            place.rename(work.directory / place.name)
    except OSError as error:
        raise ImageBuildFailed(f"cannot be removed: {error.strerror}", where=str(place)) from error
