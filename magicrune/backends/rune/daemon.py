"""What Docker and Podman have in common: a daemon on this machine that is given our images."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from typing import IO, TYPE_CHECKING

from magicrune.backends.base import Probe
from magicrune.backends.rune.outside import HINT
from magicrune.errors import BackendBroken, BackendFailed, MagicRuneError
from magicrune.images import store
from magicrune.images.archive import image_id, write_archive
from magicrune.remedy import install

if TYPE_CHECKING:
    from magicrune.backends.rune.outside import Outside
    from magicrune.images.record import Image

LOAD_S = 900
"""For an image that a daemon is given: on a slow machine it takes minutes, and says nothing."""


def probe_ours(name: str, version: str, outside: Outside) -> Probe:
    """What a daemon that answers needs of us: a directory that it sees, and an image."""
    if problem := outside.problem():
        return Probe(name, False, version, problem, f"# {HINT}")
    if not any(store.current(image) for image in ("python", "base")):
        return Probe(name, False, version, "there is no image", "magicrune images build")
    return Probe(name, True, version)


def give_image(
    image: Image,
    *,
    has: Callable[[str], bool],
    load: Callable[[Image, IO[bytes]], None],
    where: str,
) -> str:
    """The id by which the daemon knows `image`, which is loaded where it does not have it.
    Never a pull. Raises BackendBroken where it has none after that."""
    wanted = image_id(image)
    with telling(where):
        if not has(wanted):
            with tempfile.TemporaryFile() as file:
                write_archive(image, file)
                file.seek(0)
                load(image, file)
            if not has(wanted):
                raise BackendBroken(f"has no image {wanted} after loading it", where=where)
    return wanted


@contextlib.contextmanager
def telling(where: str) -> Iterator[None]:
    """What an engine's SDK raises, told as our failure (BackendFailed); ours pass as they are."""
    try:
        yield
    except MagicRuneError:
        raise
    except Exception as error:
        status = getattr(error, "status_code", None)  # of docker.errors.APIError
        raise refusal(shorten(error), status, where) from error


_PASSING = (408, 409, 423, 425, 429)


def refusal(text: str, status: int | None, where: str) -> BackendFailed:
    """A daemon's answer with that HTTP status (None: it gave none) as our failure: what it finds
    wrong with a call it will find wrong again."""
    lasting = status is not None and 400 <= status < 500 and status not in _PASSING
    # Docker starts nothing where the kernel has AppArmor and the machine not its programs.
    hint = install("apparmor") if "AppArmor enabled on system" in text else ""
    return (BackendBroken if lasting else BackendFailed)(text, where=where, hint=hint)


def shorten(error: object) -> str:
    """What an SDK's exception or a daemon's answer says, on one line of at most 300 characters."""
    return " ".join(str(error).split())[:300] or type(error).__name__
