"""``magicrune images remove``: what goes, what stays, and what damage does not stop."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from magicrune import cli
from magicrune.errors import ImageMissing
from magicrune.images import store
from magicrune.images.record import Image
from tests.unit.test_images_cli import stored


def call(capfd: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    code = cli.main(["images", *words])
    return code, capfd.readouterr().out


@pytest.fixture
def images(home: Path, tmp_path: Path) -> dict[str, Image]:
    """An old and a current base, and a python."""
    return {
        "old": stored(tmp_path, "base", "old"),
        "base": stored(tmp_path, "base", "new"),
        "python": stored(tmp_path, "python", "py"),
    }


def left() -> set[str]:
    return {each.name for each in store.store_dir().iterdir() if not each.name.startswith(".")}


def places(*images: Image) -> set[str]:
    return {each.digest.removeprefix("sha256:") for each in images}


def test_a_name_takes_all_its_images(
    images: dict[str, Image], capfd: pytest.CaptureFixture[str]
) -> None:
    code, out = call(capfd, "remove", "base", "--json")
    assert code == 0
    told = {row["digest"]: row["state"] for row in json.loads(out)}
    assert told == dict.fromkeys((images["old"].digest, images["base"].digest), "removed")
    assert left() == places(images["python"]) | {"python.current"}
    with pytest.raises(ImageMissing):
        store.find("base")


def test_unused_are_those_that_no_name_leads_to(
    images: dict[str, Image], capfd: pytest.CaptureFixture[str]
) -> None:
    assert call(capfd, "remove", "--unused")[0] == 0
    assert store.find("base").digest == images["base"].digest
    assert not images["old"].layer.exists()
    assert call(capfd, "remove", "--unused") == (0, "nothing to remove\n")


@pytest.mark.parametrize("shape", ["{0}", "{1}", "{2}"])
def test_a_digest_or_its_beginning_takes_one(
    images: dict[str, Image], capfd: pytest.CaptureFixture[str], shape: str
) -> None:
    digest = images["old"].digest
    word = shape.format(digest, digest.removeprefix("sha256:"), digest[:19])
    assert call(capfd, "remove", word)[0] == 0
    assert not images["old"].layer.exists()
    assert images["base"].layer.exists()


def test_damage_stops_nothing(images: dict[str, Image], capfd: pytest.CaptureFixture[str]) -> None:
    (images["old"].layer.parent / "image.json").write_text("{")
    (store.store_dir() / "python.current").write_bytes(b"\xff")
    (store.store_dir() / ("0" * 64)).symlink_to("/nowhere")
    code, out = call(capfd, "list", "--json")
    states = sorted(row["state"] for row in json.loads(out))
    assert (code, states) == (4, ["damaged", "damaged", "stored", "stored"])
    assert call(capfd, "remove", images["old"].digest)[0] == 0
    assert call(capfd, "remove", "python")[0] == 0
    assert call(capfd, "remove", "--unused")[0] == 0
    assert left() == places(images["base"]) | {"base.current", "python.current"}


def test_nothing_is_removed_where_one_is_not_there(
    images: dict[str, Image], capfd: pytest.CaptureFixture[str]
) -> None:
    before = left()
    code, out = call(capfd, "remove", "base", "pyton")
    error = json.loads(out)["error"]
    assert (code, error["code"], error["hint"]) == (4, "MR-4501", "did you mean python?")
    assert left() == before
    assert call(capfd, "remove")[0] == 4


@pytest.mark.parametrize(
    ("name", "digest", "hint"),
    [
        ("pyhton", None, "did you mean python?"),
        ("ubuntu", None, "there are: base, python, net"),
        ("net", None, "magicrune images build net"),
        ("base", f"sha256:{'1' * 64}", "magicrune images build base"),
    ],
)
def test_a_name_that_is_no_images_gets_advice(
    images: dict[str, Image], name: str, digest: str | None, hint: str
) -> None:
    with pytest.raises(ImageMissing) as caught:
        store.find(name, digest)
    assert caught.value.hint.startswith(hint)


def test_building_an_unknown_name_gets_advice(
    home: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    code, out = call(capfd, "build", "bsae")
    assert (code, json.loads(out)["error"]["hint"]) == (4, "did you mean base?")
