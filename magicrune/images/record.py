"""What the store knows of an image, and its file ``image.json``."""

from __future__ import annotations

import json
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from magicrune.errors import ImageDamaged

NAME = re.compile(r"[a-z][a-z0-9-]{0,31}")
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
FILE = "image.json"
_FORMAT = 1
_SIZE_MAX = 1 << 20
"""Bytes; the python image's record has about 8,000."""


@dataclass(frozen=True, slots=True)
class Image:
    """A root filesystem and the layer that it was unpacked from."""

    name: str
    digest: str
    """``sha256:`` of `layer`."""
    rootfs: Path
    layer: Path


@dataclass(frozen=True, slots=True)
class Package:
    """A Debian package in an image."""

    name: str
    version: str


@dataclass(frozen=True, slots=True)
class Installed:
    """An image and what its record tells."""

    image: Image
    arch: str
    """As OCI names it: ``amd64``, ``arm64``."""
    size: int
    """Bytes of the layer."""
    created: int
    """When it was built here; seconds since 1970."""
    packages: tuple[Package, ...]


def image_at(place: Path, name: str, digest: str) -> Image:
    """The image whose files lie in `place`."""
    return Image(name, digest, place / "rootfs", place / "layer.tar")


def encode_record(record: Installed) -> bytes:
    """The content of ``image.json``."""
    document = {
        "format": _FORMAT,
        "name": record.image.name,
        "digest": record.image.digest,
        "arch": record.arch,
        "size": record.size,
        "created": record.created,
        "packages": {each.name: each.version for each in record.packages},
    }
    return json.dumps(document, indent=1, sort_keys=True).encode() + b"\n"


def read_record(place: Path) -> Installed:
    """The record in `place`, whose name must be its digest.

    Raises ImageDamaged where it is missing or makes no sense.
    """
    try:
        value = json.loads(read_private(place / FILE, _SIZE_MAX))
        record = _parse(value, place)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ImageDamaged(f"cannot be read: {error!r}"[:300], where=str(place / FILE)) from error
    if record.image.digest != f"sha256:{place.name}":
        raise ImageDamaged("is the record of another image", where=str(place / FILE))
    return record


def _parse(value: Any, place: Path) -> Installed:
    name, digest, arch = value["name"], value["digest"], value["arch"]
    size, created = value["size"], value["created"]
    if value["format"] != _FORMAT or type(size) is not int or type(created) is not int:
        raise ValueError("unknown format")
    if not NAME.fullmatch(name) or not DIGEST.fullmatch(digest) or not NAME.fullmatch(arch):
        raise ValueError("not a name or a digest")
    packages = tuple(Package(str(key), str(text)) for key, text in value["packages"].items())
    return Installed(image_at(place, name, digest), arch, size, created, packages)


def read_private(path: Path, limit: int) -> bytes:
    """The content of a regular file that is ours and that nobody else can write.

    Raises OSError, and ValueError where it is something else or longer than `limit` bytes.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or not is_private(found):
            raise ValueError("is not a regular file, not ours, or writable by others")
        content = file.read(limit + 1)
    if len(content) > limit:
        raise ValueError(f"is longer than {limit} bytes")
    return content


def is_private(found: os.stat_result) -> bool:
    """Whether a file is ours and only we may write to it."""
    return found.st_uid == os.geteuid() and not found.st_mode & 0o022
