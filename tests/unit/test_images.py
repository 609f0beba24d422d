"""The image store on small handmade layers: what it keeps, finds, refuses."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from magicrune.errors import ImageBuildFailed, ImageDamaged, ImageMissing
from magicrune.images import stamp, store
from magicrune.images.keep import keep, sweep, workplace
from magicrune.images.layer import EPOCH, compare, digest_of, unpack, write_layer
from magicrune.images.record import Installed, Package
from magicrune.locations import LocationUnsafe

Change = Callable[[tarfile.TarInfo], None]

PACKAGES = (Package("dash", "0.5"), Package("sed", "4.9"))


def member(
    name: str, content: bytes | None = None, **more: object
) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type = tarfile.DIRTYPE if content is None else tarfile.REGTYPE
    info.mode = 0o755
    info.size = len(content or b"")
    for key, value in more.items():
        setattr(info, key, value)
    return info, content or b""


def tree() -> list[tuple[tarfile.TarInfo, bytes]]:
    return [
        member("./"),
        member("./usr"),
        member("./usr/bin"),
        member("./usr/bin/tool", b"#!/bin/sh\necho hello\n", mtime=time.time()),
        member("./usr/bin/twin", type=tarfile.LNKTYPE, linkname="./usr/bin/tool"),
        member("./bin", type=tarfile.SYMTYPE, linkname="usr/bin", mode=0o777),
        member("./etc"),
        member("./etc/passwd", b"root:x:0:0:root:/root:/bin/sh\n", mode=0o644),
        member("./etc-more", mode=0o700),
    ]


def pack(path: Path, members: list[tuple[tarfile.TarInfo, bytes]]) -> Path:
    with tarfile.open(path, "w:", format=tarfile.PAX_FORMAT) as tar:
        for info, content in members:
            tar.addfile(info, io.BytesIO(content))
    return path


@pytest.fixture
def made(home: Path, tmp_path: Path) -> Installed:
    """An image `base` in a store of its own."""
    source = pack(tmp_path / "source.tar", tree())
    with workplace() as work:
        return keep(work, "base", source, "amd64", PACKAGES)


def test_what_is_kept_is_found(made: Installed) -> None:
    image = store.find("base")
    assert image == made.image == store.find("base", image.digest)
    assert image.digest == "sha256:" + hashlib.sha256(image.layer.read_bytes()).hexdigest()
    assert (image.rootfs / "bin/tool").read_bytes() == b"#!/bin/sh\necho hello\n"
    assert (image.rootfs / "usr/bin/twin").read_bytes() == b"#!/bin/sh\necho hello\n"
    assert (image.rootfs / "usr/bin/tool").stat().st_mtime == EPOCH
    assert (image.rootfs / "etc-more").stat().st_mode & 0o7777 == 0o700
    assert store.installed() == (made,)
    assert made.packages == PACKAGES
    assert store.current("base") == image.digest
    # The store is the user's alone, and nothing of the build is left.
    assert image.layer.parent.stat().st_mode & 0o077 == 0
    names = {each.name for each in store.store_dir().iterdir()}
    assert names == {image.digest[7:], "base.current", ".lock"}


def test_the_same_files_give_the_same_digest(made: Installed, tmp_path: Path) -> None:
    again = tree()
    for info, _ in again:
        info.mtime += 5000
    source = pack(tmp_path / "again.tar", [again[0], *sorted(again[1:], key=lambda e: e[0].name)])
    assert digest_of(source) != digest_of(tmp_path / "source.tar")
    write_layer(source, tmp_path / "layer.tar")
    assert digest_of(tmp_path / "layer.tar") == made.image.digest
    again[3][0].mode = 0o555
    write_layer(pack(source, again), tmp_path / "other.tar")
    assert digest_of(tmp_path / "other.tar") != made.image.digest


def test_a_second_build_becomes_current_and_the_first_stays(
    made: Installed, tmp_path: Path
) -> None:
    source = pack(tmp_path / "new.tar", [*tree(), member("./etc/new", b"new")])
    with workplace() as work:
        new = keep(work, "base", source, "amd64", PACKAGES)
    assert store.find("base") == new.image != made.image
    assert store.find("base", made.image.digest) == made.image
    assert set(store.installed()) == {made, new}


@pytest.mark.parametrize(
    ("name", "digest"),
    [
        ("python", None),
        ("base", "sha256:" + "0" * 64),
        ("base", "sha256:../x"),
        ("base", ""),
        ("../base", None),
        ("", None),
    ],
)
def test_what_is_not_there_is_missing(made: Installed, name: str, digest: str | None) -> None:
    with pytest.raises(ImageMissing) as caught:
        store.find(name, digest)
    assert caught.value.code == "MR-4501"
    assert caught.value.exit_code == 4
    advice = (
        f"magicrune images build {name}" if name in store.BUILDABLE else ("did you", "there are")
    )
    assert caught.value.hint.startswith(advice)


def test_an_image_answers_to_its_own_name_only(made: Installed) -> None:
    with pytest.raises(ImageMissing):
        store.find("python", made.image.digest)


def test_an_empty_store_has_no_image(home: Path) -> None:
    assert store.installed() == ()
    with pytest.raises(ImageMissing):
        store.find("base")


FORBIDDEN = {
    "setuid": member("./usr/bin/su", b"x", mode=0o4755),
    "setgid": member("./usr/bin/wall", b"x", mode=0o2755),
    "sticky": member("./tmp", mode=0o1755),
    "world-writable": member("./tmp", mode=0o777),
    "group-writable": member("./etc/group", b"x", mode=0o664),
    "device": member("./etc/null", type=tarfile.CHRTYPE, mode=0o600, devmajor=1, devminor=3),
    "pipe": member("./etc/pipe", type=tarfile.FIFOTYPE, mode=0o600),
    "other-owner": member("./etc/mail", b"x", gid=8),
    "capability": member(
        "./usr/bin/ping", b"x", pax_headers={"SCHILY.xattr.security.capability": "\1"}
    ),
    "outside": member("../evil", b"x"),
    "absolute": member("/evil", b"x"),
    "below-a-link": member("./bin/evil", b"x"),
    "below-a-file": member("./etc/passwd/evil", b"x"),
    "no-parent": member("./opt/evil", b"x"),
    "twice": member("./etc/passwd", b"x", mode=0o644),
    "dangling-hard-link": member("./etc/gone", type=tarfile.LNKTYPE, linkname="./nowhere"),
}


@pytest.mark.parametrize("kind", FORBIDDEN)
def test_what_no_image_may_hold(made: Installed, tmp_path: Path, kind: str) -> None:
    source = pack(tmp_path / "bad.tar", [*tree(), FORBIDDEN[kind]])
    with workplace() as work, pytest.raises(ImageBuildFailed):
        keep(work, "base", source, "amd64", PACKAGES)
    assert store.installed() == (made,)
    assert store.find("base") == made.image


def test_a_layer_that_write_layer_did_not_make_is_not_unpacked(tmp_path: Path) -> None:
    for number, members in enumerate(
        (
            [member("usr"), member("etc")],
            [member("bin", type=tarfile.SYMTYPE, linkname=str(tmp_path)), member("bin/evil", b"x")],
            [member("su", b"x", mode=0o4755)],
            [member("../evil", b"x")],
        )
    ):
        layer = pack(tmp_path / f"{number}.tar", members)
        with pytest.raises(ImageDamaged):
            unpack(layer, tmp_path / f"{number}")
    assert not (tmp_path / "evil").exists()
    unpack(pack(tmp_path / "good.tar", [member("etc"), member("etc/x", b"x")]), tmp_path / "good")
    assert (tmp_path / "good/etc/x").read_bytes() == b"x"


DAMAGE: dict[str, Callable[[Path], object]] = {
    "content": lambda root: (root / "etc/passwd").write_bytes(b"root::0:0:root:/root:/bin/sh\n"),
    "longer": lambda root: (root / "etc/passwd").write_bytes(
        (root / "etc/passwd").read_bytes() + b"x"
    ),
    "mode": lambda root: (root / "usr/bin/tool").chmod(0o4755),
    "added": lambda root: (root / "etc/new").write_bytes(b""),
    "removed": lambda root: (root / "etc/passwd").unlink(),
    "link": lambda root: ((root / "bin").unlink(), (root / "bin").symlink_to("/bin")),
    "type": lambda root: ((root / "etc-more").rmdir(), (root / "etc-more").symlink_to("/etc")),
    "xattr": lambda root: os.setxattr(root / "usr/bin/tool", "user.x", b"x"),
    "root-mode": lambda root: root.chmod(0o777),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_changed_tree_is_told(made: Installed, kind: str) -> None:
    compare(made.image.layer, made.image.rootfs)
    DAMAGE[kind](made.image.rootfs)
    with pytest.raises(ImageDamaged) as caught:
        store.verify(made)
    assert caught.value.code == "MR-4502"
    # Having been seen once, the damage is seen by each later run.
    with pytest.raises(ImageDamaged) as caught:
        store.find("base")
    assert caught.value.hint == "magicrune images build base"


def test_a_changed_layer_is_found_without_being_asked(made: Installed) -> None:
    layer = made.image.layer
    content = bytearray(layer.read_bytes())
    content[600] ^= 1
    layer.write_bytes(content)
    with pytest.raises(ImageDamaged):
        store.find("base")


@pytest.mark.parametrize("part", [".", "rootfs", "layer.tar", "image.json"])
def test_what_others_can_write_is_refused(made: Installed, part: str) -> None:
    path = made.image.layer.parent / part
    path.chmod(path.stat().st_mode | 0o020)
    with pytest.raises(ImageDamaged):
        store.find("base")
    path.chmod(path.stat().st_mode & ~0o022)
    assert store.find("base") == made.image


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize("part", [".", "rootfs", "layer.tar", "image.json"])
def test_what_belongs_to_another_is_refused(made: Installed, part: str) -> None:
    os.chown(made.image.layer.parent / part, 65534, 65534)
    with pytest.raises(ImageDamaged):
        store.find("base")


def test_a_store_that_others_can_write_is_refused(made: Installed) -> None:
    store.store_dir().chmod(0o770)
    with pytest.raises(LocationUnsafe):
        store.find("base")


def test_a_symlink_is_no_image(made: Installed, tmp_path: Path) -> None:
    place = made.image.layer.parent
    place.rename(tmp_path / "elsewhere")
    place.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ImageDamaged):
        store.find("base")


def test_a_verified_image_is_not_hashed_again(
    made: Installed, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed = []

    def count(path: Path) -> str:
        hashed.append(path)
        return digest_of(path)

    monkeypatch.setattr(stamp, "digest_of", count)
    store.find("base")
    assert not hashed
    os.utime(made.image.layer)
    store.find("base")
    store.find("base")
    assert hashed == [made.image.layer]


def test_a_read_only_store_is_only_slower(made: Installed, monkeypatch: pytest.MonkeyPatch) -> None:
    (made.image.layer.parent / "verified.json").unlink()

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "unlink", refuse)
    monkeypatch.setattr(stamp, "put", refuse)
    assert store.find("base") == made.image
    (made.image.rootfs / "etc/passwd").write_text("changed")
    with pytest.raises(ImageDamaged):
        store.find("base")


def test_a_copied_store_is_verified_and_used(
    made: Installed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(store.store_dir(), tmp_path / "other/cache/images", symlinks=True)
    monkeypatch.setenv("MAGICRUNE_HOME", str(tmp_path / "other"))
    copy = store.find("base")
    assert copy.digest == made.image.digest
    assert copy.rootfs.is_relative_to(tmp_path / "other")


def test_a_damaged_record_is_told(made: Installed) -> None:
    path = made.image.layer.parent / "image.json"
    kept = json.loads(path.read_text())
    for change in ({"digest": "sha256:" + "1" * 64}, {"format": 2}, {"size": 1}, {"name": "../x"}):
        path.write_text(json.dumps({**kept, **change}))
        with pytest.raises(ImageDamaged):
            store.find("base")
    path.write_text("[" * 100_000)
    with pytest.raises(ImageDamaged):
        store.installed()
    told: list[str] = []
    assert store.installed(lambda digest, error: told.append(f"{digest} {error.code}")) == ()
    assert told == [f"{made.image.digest} MR-4502"]


def test_building_again_repairs(made: Installed, tmp_path: Path) -> None:
    (made.image.rootfs / "etc/passwd").unlink()
    with pytest.raises(ImageDamaged):
        store.verify(made)
    with workplace() as work:
        keep(work, "base", tmp_path / "source.tar", "amd64", PACKAGES)
    assert store.find("base") == made.image
    store.verify(made)


KILLED = """
import os, pathlib, sys
from magicrune.images.keep import workplace
with workplace() as work:
    (work.directory / "half").write_text("half")
    print("ready", flush=True)
    sys.stdin.read()
"""


def _builder() -> subprocess.Popen[str]:
    child = subprocess.Popen(
        [sys.executable, "-c", KILLED],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout
    assert child.stdout.readline() == "ready\n"
    return child


def test_a_killed_build_leaves_nothing_that_counts(made: Installed) -> None:
    child = _builder()
    child.kill()
    child.communicate()
    left = list(store.store_dir().glob(".build-*"))
    assert len(left) == 1
    assert store.installed() == (made,)
    with workplace() as work:
        assert list(store.store_dir().glob(".build-*")) == [work.directory]
    assert not list(store.store_dir().glob(".build-*"))


def test_a_sweep_takes_what_a_killed_build_left_and_nothing_of_a_living_one(home: Path) -> None:
    child = _builder()
    assert sweep() == ()
    (left,) = store.store_dir().glob(".build-*")
    child.kill()
    child.communicate()
    assert sweep() == (left.name,)
    assert not list(store.store_dir().glob(".build-*"))


def test_a_second_build_waits_for_the_first(home: Path, tmp_path: Path) -> None:
    source = pack(tmp_path / "source.tar", tree())
    child = _builder()
    waiting = threading.Event()

    def build() -> None:
        with workplace(waiting.set) as work:
            keep(work, "base", source, "amd64", PACKAGES)

    second = threading.Thread(target=build)
    second.start()
    assert waiting.wait(20)
    # The first still has its half-made files, and the second has made nothing.
    assert len(list(store.store_dir().glob(".build-*/half"))) == 1
    with pytest.raises(ImageMissing):
        store.find("base")
    child.communicate("", timeout=20)
    second.join(20)
    assert store.find("base").name == "base"


def test_whoever_inherits_the_lock_holds_it(home: Path) -> None:
    with workplace() as work:
        child = subprocess.Popen(["sleep", "60"], pass_fds=(work.lock,))
    probe = os.open(store.store_dir() / ".lock", os.O_RDWR)
    try:
        with pytest.raises(BlockingIOError):
            fcntl.flock(probe, fcntl.LOCK_EX | fcntl.LOCK_NB)
        child.kill()
        child.wait()
        fcntl.flock(probe, fcntl.LOCK_EX | fcntl.LOCK_NB)
    finally:
        child.kill()
        child.wait()
        os.close(probe)
