"""Trust in a stored image: verified once, then known again by its stamp.

The stamp holds inode, size and times of the layer and of the root directory as they were
when the layer was hashed and the tree compared with it. It finds a changed layer and a
changed top of the tree; a change deeper in the tree is found by `verify` alone. Nobody but
the user can make either: directories that others could write to are refused each time.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import stat
from pathlib import Path

from magicrune.errors import ImageDamaged
from magicrune.images.layer import compare, digest_of
from magicrune.images.record import Image, is_private, read_private
from magicrune.newfile import put

_FILE = "verified.json"
_SIZE_MAX = 4096
_REFUSED = "belongs to another user, is writable by others or not what it should be"


def check(image: Image, size: int) -> None:
    """Makes sure that nobody else can write to the image and that it is as verified.

    Without a stamp that fits, the image is verified (0.2 s for each 100 MB) and stamped.
    Raises ImageDamaged.
    """
    now = _state(image, size)
    with contextlib.suppress(OSError, ValueError):
        if json.loads(read_private(image.layer.parent / _FILE, _SIZE_MAX)) == now:
            return
    verify(image, size)


def verify(image: Image, size: int) -> None:
    """Hashes the layer, compares the whole tree with it and writes the stamp.

    Raises ImageDamaged that says what differs; then there is no stamp, unless it lies on a
    read-only file system, where nothing can be taken away.
    """
    stamp = image.layer.parent / _FILE
    try:
        before = _state(image, size)
        _take_away(stamp)
        if digest_of(image.layer) != image.digest:
            raise ImageDamaged("is not what its digest says", where=str(image.layer))
        compare(image.layer, image.rootfs)
        if _state(image, size) != before:
            raise ImageDamaged("changed while it was verified", where=str(image.layer.parent))
        with contextlib.suppress(OSError):  # a store that cannot be written is only slower
            put(stamp, json.dumps(before).encode())
    except OSError as error:
        where = str(image.layer.parent)
        raise ImageDamaged(f"cannot be verified: {error}", where=where) from error


def _take_away(stamp: Path) -> None:
    try:
        stamp.unlink(missing_ok=True)
    except OSError as error:
        if error.errno != errno.EROFS:  # which comes before ENOENT, where there is no stamp too
            raise


def _state(image: Image, size: int) -> dict[str, list[int]]:
    """What the stamp says of an untouched image. Raises ImageDamaged where others may write."""
    place = image.layer.parent
    try:
        for directory in (place, image.rootfs):
            _must(directory, directory.lstat())
        layer, root = image.layer.lstat(), image.rootfs.lstat()
    except OSError as error:
        raise ImageDamaged(f"cannot be read: {error.strerror}", where=str(place)) from error
    if not stat.S_ISREG(layer.st_mode) or not is_private(layer):
        raise ImageDamaged(_REFUSED, where=str(image.layer))
    if layer.st_size != size:
        raise ImageDamaged(f"has {layer.st_size} bytes, not {size}", where=str(image.layer))
    return {
        "layer": [layer.st_ino, layer.st_size, layer.st_mtime_ns, layer.st_ctime_ns],
        "rootfs": [root.st_ino, root.st_mtime_ns, root.st_ctime_ns],
    }


def _must(path: Path, found: os.stat_result) -> None:
    if not stat.S_ISDIR(found.st_mode) or not is_private(found):
        raise ImageDamaged(_REFUSED, where=str(path))
