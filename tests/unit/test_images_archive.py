"""The docker-archive of an image: what is in it, and that its id is known beforehand."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest

from magicrune.errors import ImageDamaged
from magicrune.images.archive import image_id, reference, write_archive
from magicrune.images.keep import keep, workplace
from magicrune.images.record import Image, Package


@pytest.fixture
def image(home: Path, tmp_path: Path) -> Image:
    info = tarfile.TarInfo("etc")
    info.type, info.mode = tarfile.DIRTYPE, 0o755
    with tarfile.open(tmp_path / "source.tar", "w:") as tar:
        tar.addfile(info)
    with workplace() as work:
        source = tmp_path / "source.tar"
        return keep(work, "base", source, "amd64", (Package("dash", "1"),)).image


def archive_of(image: Image) -> bytes:
    file = io.BytesIO()
    write_archive(image, file)
    return file.getvalue()


def test_the_archive_holds_manifest_config_and_layer(image: Image) -> None:
    with tarfile.open(fileobj=io.BytesIO(archive_of(image))) as tar:
        content = {each.name: tar.extractfile(each).read() for each in tar}  # type: ignore[union-attr]
    (manifest,) = json.loads(content["manifest.json"])
    config = content[manifest["Config"]]
    assert image_id(image) == f"sha256:{hashlib.sha256(config).hexdigest()}"
    assert [content[name] for name in manifest["Layers"]] == [image.layer.read_bytes()]
    assert manifest["RepoTags"] == [reference(image)] == [f"magicrune/base:{image.digest[7:19]}"]
    parsed = json.loads(config)
    assert parsed["rootfs"] == {"type": "layers", "diff_ids": [image.digest]}
    assert (parsed["architecture"], parsed["os"]) == ("amd64", "linux")
    assert parsed["config"] == {
        "User": "65534:65534",
        "WorkingDir": "/workspace",
        "Labels": {"org.magicrune.image": "base"},
    }


def test_the_same_image_gives_the_same_bytes(image: Image) -> None:
    first = archive_of(image)
    record = image.layer.parent / "image.json"
    document = json.loads(record.read_text())
    record.write_text(json.dumps({**document, "created": 7}))
    assert archive_of(image) == first


def test_a_damaged_layer_is_told(image: Image) -> None:
    content = bytearray(image.layer.read_bytes())
    content[-1] ^= 1
    image.layer.write_bytes(content)
    with pytest.raises(ImageDamaged):
        archive_of(image)
