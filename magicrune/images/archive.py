"""An image as a docker-archive, which Docker and Podman load; its id is known beforehand."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import time
from typing import IO

from magicrune.errors import ImageDamaged
from magicrune.images.layer import EPOCH
from magicrune.images.record import Image, read_record

LABEL = "org.magicrune.image"


def image_id(image: Image) -> str:
    """``sha256:`` of the config: the id that Podman, and Docker's classic store, give it.

    Raises ImageDamaged where the image's record cannot be read.
    """
    return f"sha256:{hashlib.sha256(_config(image)).hexdigest()}"


def reference(image: Image) -> str:
    """The name under which the archive is loaded: ``magicrune/NAME:<12 hex digits>``."""
    return f"magicrune/{image.name}:{image.digest.removeprefix('sha256:')[:12]}"


def write_archive(image: Image, file: IO[bytes]) -> None:
    """Writes the docker-archive; the same image gives the same bytes.

    Raises OSError, and ImageDamaged where the layer is not what its digest says: then
    what was written must not be loaded.
    """
    config = _config(image)
    config_name = f"{hashlib.sha256(config).hexdigest()}.json"
    layer_name = f"{image.digest.removeprefix('sha256:')}.tar"
    manifest = [{"Config": config_name, "RepoTags": [reference(image)], "Layers": [layer_name]}]
    with (
        tarfile.open(fileobj=file, mode="w|", format=tarfile.PAX_FORMAT) as tar,
        image.layer.open("rb") as layer,
    ):
        _add(tar, "manifest.json", json.dumps(manifest, sort_keys=True).encode())
        _add(tar, config_name, config)
        hashed = _Hashed(layer)
        info = _info(layer_name, image.layer.stat().st_size)
        tar.addfile(info, hashed)
    if f"sha256:{hashed.sha256.hexdigest()}" != image.digest:
        raise ImageDamaged("is not what its digest says", where=str(image.layer))


class _Hashed:
    """A file that is hashed while it is read."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.sha256 = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        content = self._file.read(size)
        self.sha256.update(content)
        return content


def _config(image: Image) -> bytes:
    document = {
        "architecture": read_record(image.layer.parent).arch,
        "config": {
            "Labels": {LABEL: image.name},
            "User": "65534:65534",
            "WorkingDir": "/workspace",
        },
        "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(EPOCH)),
        "history": [{"comment": "magicrune images build"}],
        "os": "linux",
        "rootfs": {"diff_ids": [image.digest], "type": "layers"},
    }
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def _info(name: str, size: int) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size, info.mtime = size, EPOCH
    return info


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    tar.addfile(_info(name, len(content)), io.BytesIO(content))
