"""Puts a new image into the store: complete under its digest, or not at all.

One builder at a time holds the store's lock. What it makes lies in ``.build-*`` until it is
renamed; what a killed one left is swept by the next.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from magicrune.errors import ImageBuildFailed, ImageDamaged
from magicrune.images import stamp
from magicrune.images.layer import digest_of, unpack, write_layer
from magicrune.images.record import (
    FILE,
    Installed,
    Package,
    encode_record,
    image_at,
    read_record,
)
from magicrune.images.store import store_dir

_WORK = ".build-"


@dataclass(frozen=True, slots=True)
class Workplace:
    """A directory in the store for one build, and the descriptor that holds the lock.

    A process that inherits the descriptor keeps the lock for as long as it lives.
    """

    directory: Path
    lock: int


@contextlib.contextmanager
def workplace(on_wait: Callable[[], None] | None = None) -> Iterator[Workplace]:
    """Takes the store for one build; calls `on_wait` before it waits for another one.

    Raises ImageBuildFailed where the store cannot be written.
    """
    store = store_dir()
    lock = _open_lock(store)
    try:
        _lock(lock, on_wait)
        _sweep(store)
        directory = Path(tempfile.mkdtemp(prefix=_WORK, dir=store))
        try:
            yield Workplace(directory, lock)
        finally:
            shutil.rmtree(directory, ignore_errors=True)
    finally:
        os.close(lock)


def sweep() -> tuple[str, ...]:
    """Removes what killed builds left, unless one is under way; its names.

    Raises ImageBuildFailed where the store cannot be written.
    """
    store = store_dir()
    lock = _open_lock(store)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return _sweep(store)
    except BlockingIOError:
        return ()
    finally:
        os.close(lock)


def keep(
    work: Workplace, name: str, source: Path, arch: str, packages: tuple[Package, ...]
) -> Installed:
    """Makes the tar `source` the current image of `name`, whatever was there before.

    An image that is already stored under the same digest stays as it is, if it is sound.
    Raises ImageBuildFailed where `source` holds what no image may hold (`write_layer`).
    """
    made = work.directory / "image"
    try:
        made.mkdir(0o700)
        draft = image_at(made, name, "")
        write_layer(source, draft.layer)
        draft.layer.chmod(0o600)
        digest = digest_of(draft.layer)
        unpack(draft.layer, draft.rootfs)
        place = store_dir() / digest.removeprefix("sha256:")
        size = draft.layer.stat().st_size
        record = Installed(image_at(place, name, digest), arch, size, int(time.time()), packages)
        (made / FILE).write_bytes(encode_record(record))
        (made / FILE).chmod(0o600)
        record = _place(work, made, record)
        if record.image.name != name:
            raise ImageBuildFailed(f"is the same as {record.image.name!r}", where=name)
        _point(name, digest)
    except OSError as error:
        raise ImageBuildFailed(f"the store cannot be written: {error}") from error
    return record


def _place(work: Workplace, made: Path, record: Installed) -> Installed:
    place = record.image.layer.parent
    if os.path.lexists(place):
        with contextlib.suppress(ImageDamaged):
            there = read_record(place)
            stamp.verify(there.image, there.size)
            return there
        place.rename(work.directory / "damaged")
    os.sync()  # a name in the store means that all below it is on disk
    made.rename(place)
    stamp.verify(record.image, record.size)
    return record


def _point(name: str, digest: str) -> None:
    store = store_dir()
    descriptor, new = tempfile.mkstemp(prefix=_WORK, dir=store)
    with os.fdopen(descriptor, "w") as file:
        file.write(f"{digest}\n")
        file.flush()
        os.fsync(descriptor)
    Path(new).rename(store / f"{name}.current")


def _open_lock(store: Path) -> int:
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        return os.open(store / ".lock", flags, 0o600)
    except OSError as error:
        raise ImageBuildFailed(f"cannot be locked: {error.strerror}", where=str(store)) from error


def _lock(lock: int, on_wait: Callable[[], None] | None) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        if on_wait is not None:
            on_wait()
        fcntl.flock(lock, fcntl.LOCK_EX)


def _sweep(store: Path) -> tuple[str, ...]:
    """Removes what killed builds left. Ours alone: nothing is ever mounted there."""
    found = tuple(store.glob(f"{_WORK}*"))
    for each in found:
        if each.is_dir() and not each.is_symlink():
            shutil.rmtree(each, ignore_errors=True)
        else:
            each.unlink(missing_ok=True)
    return tuple(each.name for each in found)
