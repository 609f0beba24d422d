"""``magicrune images``, without building: tables, JSON, exit codes, what a builder lacks."""

from __future__ import annotations

import json
import os
import shutil
import tarfile
from pathlib import Path

import pytest

from magicrune import cli
from magicrune.errors import ImageBuildFailed, ImageToolMissing
from magicrune.images import build as builder
from magicrune.images.build import build
from magicrune.images.keep import keep, workplace
from magicrune.images.record import Image, Package
from magicrune.images.store import installed


def stored(tmp_path: Path, name: str, directory: str) -> Image:
    info = tarfile.TarInfo(directory)
    info.type, info.mode = tarfile.DIRTYPE, 0o755
    with tarfile.open(tmp_path / "source.tar", "w:") as tar:
        tar.addfile(info)
    with workplace() as work:
        source = tmp_path / "source.tar"
        return keep(work, name, source, "amd64", (Package("dash", "1"),)).image


def test_list_tells_name_digest_size_and_which_is_current(
    home: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    old = stored(tmp_path, "base", "old")
    new = stored(tmp_path, "base", "new")
    assert cli.main(["images", "list", "--json"]) == 0
    rows = {row["digest"]: row for row in json.loads(capfd.readouterr().out)}
    assert set(rows) == {old.digest, new.digest}
    assert [rows[each.digest]["current"] for each in (old, new)] == [False, True]
    assert rows[new.digest]["size"] == new.layer.stat().st_size
    assert rows[new.digest]["packages"] == {"dash": "1"}
    assert cli.main(["images", "list"]) == 0
    lines = capfd.readouterr().out.splitlines()
    assert len(lines) == 3
    assert ["current" in line.split() for line in lines[1:] if old.digest in line] == [False]
    assert ["current" in line.split() for line in lines[1:] if new.digest in line] == [True]


def test_verify_ends_with_4_where_a_tree_was_changed(
    home: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    image = stored(tmp_path, "base", "etc")
    assert cli.main(["images", "list", "--verify", "--json"]) == 0
    assert json.loads(capfd.readouterr().out)[0]["state"] == "verified"
    (image.rootfs / "etc/new").write_bytes(b"")
    assert cli.main(["images", "list", "--verify", "--json"]) == 4
    (row,) = json.loads(capfd.readouterr().out)
    assert row["state"] == "damaged"
    assert "etc/new" in row["error"]
    (image.layer.parent / "image.json").unlink()
    assert cli.main(["images", "list"]) == 4
    assert "damaged" in capfd.readouterr().out


def test_an_unknown_image_cannot_be_built(home: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["images", "build", "nothing"]) == 4
    assert json.loads(capfd.readouterr().out)["error"]["code"] == "MR-4002"


def test_without_mmdebstrap_the_remedy_is_told(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert cli.main(["images", "build", "base"]) == 4
    error = json.loads(capfd.readouterr().out)["error"]
    assert error["code"] == "MR-4504"
    assert "install" in error["hint"]
    assert "mmdebstrap" in error["hint"]


def test_a_user_without_a_range_of_ids_is_told_what_to_do(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("mmdebstrap", "newuidmap"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: 4_000_000_000)
    with pytest.raises(ImageToolMissing) as caught:
        builder._need_ids()
    assert "usermod --add-subuids" in caught.value.hint


def test_a_failed_build_leaves_the_store_as_it_was(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.environ["PATH"]
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "mmdebstrap").write_text("#!/bin/sh\necho half\necho 'no mirror' >&2\nexit 25\n")
    (tools / "mmdebstrap").chmod(0o755)
    for name in ("newuidmap",):
        (tools / name).symlink_to("/bin/true")
    monkeypatch.setattr(builder, "_need_ids", lambda: None)
    monkeypatch.setenv("PATH", f"{tools}:{real}")
    if os.geteuid() == 0 and shutil.which("unshare") is None:
        pytest.skip("no unshare")
    with pytest.raises(ImageBuildFailed, match="no mirror"):
        build("base")
    assert installed() == ()
    assert {each.name for each in (home / "cache/images").iterdir()} == {".lock"}
