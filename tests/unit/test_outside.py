"""Paths as the engine finds them: by the mounts of the container that we run in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from magicrune.backends.rune import outside
from magicrune.backends.rune.outside import Outside, look_outside, read_mounts
from magicrune.errors import BackendUnavailable

ID = "b71c19e5737e6ed88adac93a1d2cc022930776e8003672c48e6afcc9aae8658d"
OTHER = "a" * 64
LINE = "152 116 254:0 {root} {point} rw,relatime - ext4 /dev/vda rw\n"


def mountinfo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *mounts: tuple[str, str]) -> None:
    path = tmp_path / "mountinfo"
    path.write_text("".join(LINE.format(root=root, point=point) for root, point in mounts))
    monkeypatch.setattr(outside, "_MOUNTINFO", path)


def asked(*known: str) -> tuple[list[str], Any]:
    """Which containers were asked for, and an engine that knows some."""
    names: list[str] = []

    def mounts_of(identity: str) -> list[dict[str, str]] | None:
        names.append(identity)
        if identity not in known:
            return None
        return [
            {"Type": "bind", "Source": "/srv/here", "Destination": "/there"},
            {"Type": "volume", "Name": "v", "Source": "/volumes/v/_data", "Destination": "/vol"},
            {"Type": "tmpfs", "Source": "", "Destination": "/fleeting"},
        ]

    return names, mounts_of


def test_mounts_are_read_with_their_escapes() -> None:
    text = LINE.format(root="/a\\040b", point="/c\\134d")
    assert read_mounts(text) == [(Path("/c\\d"), "/a b")]


def test_a_path_is_translated_by_the_innermost_mount() -> None:
    points = (Path("/"), Path("/there"), Path("/there/deep"), Path("/there/over"))
    seen = Outside(points, {Path("/there"): Path("/srv/a"), Path("/there/deep"): Path("/srv/b")})
    assert seen.path(Path("/there")) == Path("/srv/a")
    assert seen.path(Path("/there/x/y")) == Path("/srv/a/x/y")
    assert seen.path(Path("/there/deep/x")) == Path("/srv/b/x")
    assert seen.path(Path("/there/deeper")) == Path("/srv/a/deeper")
    for hidden in ("/", "/etc/x", "/thereabouts", "/there/over/x"):
        with pytest.raises(BackendUnavailable, match="cannot see it"):
            seen.path(Path(hidden))


def test_on_the_host_paths_are_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mountinfo(tmp_path, monkeypatch, ("/", "/"), ("/", "/home"))
    names, mounts_of = asked(ID)
    assert look_outside(mounts_of).path(Path("/any/path")) == Path("/any/path")
    assert names == []


@pytest.mark.parametrize(
    ("root", "point"),
    [
        (f"/var/lib/docker/containers/{ID}/hostname", "/etc/hostname"),
        (f"/var/lib/docker/containers/{ID}/resolv.conf", "/etc/resolv.conf"),
        (f"/containers/storage/overlay-containers/{ID}/userdata/hosts", "/etc/hosts"),
        (f"/containers/overlay-containers/{ID}/userdata/.containerenv", "/run/.containerenv"),
        (f"/{OTHER}/docker/containers/{ID}/hosts", "/etc/hosts"),
    ],
)
def test_the_engine_is_asked_for_our_container(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, root: str, point: str
) -> None:
    mountinfo(
        tmp_path, monkeypatch, ("/", "/"), (root, point), ("/x", "/there"), ("/", "/fleeting")
    )
    names, mounts_of = asked(ID)
    seen = look_outside(mounts_of)
    assert names == [ID]
    assert seen.path(Path("/there/x")) == Path("/srv/here/x")
    with pytest.raises(BackendUnavailable):
        seen.path(Path("/fleeting/x"))


def test_a_container_of_another_engine_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mountinfo(tmp_path, monkeypatch, (f"/sandboxes/{OTHER}/hostname", "/etc/hostname"))
    names, mounts_of = asked(ID)
    assert look_outside(mounts_of).path(Path("/there/x")) == Path("/there/x")
    assert names == [OTHER]


def test_a_home_that_the_engine_cannot_see_is_a_problem(home: Path) -> None:
    assert Outside().problem() == ""
    assert "cannot see it" in Outside((Path("/"),), {}).problem()
    assert Outside((Path("/"),), {Path("/"): Path("/srv")}).problem() == ""
