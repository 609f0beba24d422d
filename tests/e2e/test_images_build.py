"""Builds the images for real, from Debian packages, and looks at what came out.

MAGICRUNE_TEST_IMAGES names a MAGICRUNE_HOME to take images from where it has them already.
"""

from __future__ import annotations

import os
import platform
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from magicrune.errors import ImageMissing
from magicrune.images import store
from magicrune.images.archive import image_id, write_archive
from magicrune.images.build import NAMES, build
from magicrune.images.record import Installed

pytestmark = pytest.mark.timeout(600)


def lacking(what: str) -> None:
    """Skips; where CI is set, fails."""
    if os.environ.get("CI"):
        pytest.fail(what)
    pytest.skip(what)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Installed]]:
    if shutil.which("mmdebstrap") is None:
        lacking("mmdebstrap is not installed")
    with pytest.MonkeyPatch.context() as patch:
        kept = os.environ.get("MAGICRUNE_TEST_IMAGES")
        patch.setenv("MAGICRUNE_HOME", kept or str(tmp_path_factory.mktemp("images") / "home"))
        found = {}
        for name in NAMES:
            try:
                found[name] = store.read(name)
            except ImageMissing:
                found[name] = build(name)
        yield found


@pytest.fixture(params=NAMES)
def image(request: pytest.FixtureRequest, images: dict[str, Installed]) -> Installed:
    return images[request.param]


def inside(image: Installed, *argv: str) -> str:
    """What a program of the image prints, in a chroot, as nobody where we are root."""
    user = ["--userspec=65534:65534"] if os.geteuid() == 0 else []
    mapped = [] if os.geteuid() == 0 else ["unshare", "--map-root-user"]
    done = subprocess.run(
        [*mapped, "/usr/sbin/chroot", *user, str(image.image.rootfs), *argv],
        env={"PATH": "/usr/bin:/bin:/usr/sbin", "LC_ALL": "C.UTF-8"},
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    return done.stdout


def test_the_image_is_sound(image: Installed) -> None:
    store.verify(image)
    assert store.find(image.image.name) == image.image
    assert {"dash", "coreutils", "libc6"} <= {each.name for each in image.packages}
    assert image.arch == {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]


def test_nothing_in_it_gives_rights(image: Installed) -> None:
    count = 0
    for path in image.image.rootfs.rglob("*"):
        found = path.lstat()
        count += 1
        if stat.S_ISLNK(found.st_mode):
            continue
        assert stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode), path
        assert not found.st_mode & 0o7022, path
        assert "security.capability" not in os.listxattr(path), path
    assert count > 200
    names = {path.name for path in (image.image.rootfs / "usr/bin").iterdir()}
    assert {"sh", "bash", "awk", "sed", "tar", "find", "diff"} <= names
    assert not {"apt", "apt-get", "dpkg", "perl", "su", "mount"} & names


def test_mount_points_are_there_and_empty(image: Installed) -> None:
    root = image.image.rootfs
    for name in ("proc", "sys", "dev", "tmp", "workspace", "run/magicrune"):
        assert not list((root / name).iterdir()), name
        assert (root / name).stat().st_mode & 0o7777 == 0o755, name
    for name in ("etc/resolv.conf", "etc/hosts", "etc/hostname"):
        assert (root / name).read_bytes() == b""
    users = [line.split(":")[:4] for line in (root / "etc/passwd").read_text().splitlines()]
    assert users == [["root", "x", "0", "0"], ["nobody", "x", "65534", "65534"]]


def test_everyday_tools_run(image: Installed) -> None:
    script = (
        "printf 'b\\na\\n' | sort | sed s/a/A/ | awk '{print NR $1}' | grep -c . ;"
        "printf 'é' | wc -m; echo x | gzip | gunzip; find /etc -name passwd; id -un"
    )
    lines = inside(image, "/bin/sh", "-c", script).splitlines()
    assert lines[:4] == ["2", "1", "x", "/etc/passwd"]
    assert lines[4] == ("nobody" if os.geteuid() == 0 else "root")
    assert inside(image, "/bin/bash", "-c", "echo ${BASH_VERSION%%.*}") == "5\n"


def test_python_has_its_library_compiled(images: dict[str, Installed]) -> None:
    code = (
        "import sys, ssl, sqlite3, ctypes, lzma, bz2, readline, curses, decimal, asyncio, zlib,"
        " distutils, lib2to3; import json; print(json.__cached__, sys.version_info[:2])"
    )
    for name in ("python", "python3"):
        told = inside(images["python"], f"/usr/bin/{name}", "-W", "ignore", "-c", code)
        assert told == "/usr/lib/python3.11/__pycache__/json.cpython-311.pyc (3, 11)\n".replace(
            "3.11/__pycache__/json.", "3.11/json/__pycache__/__init__."
        )
    library = images["python"].image.rootfs / "usr/lib/python3.11"
    for source in library.rglob("*.py"):
        compiled = source.parent / "__pycache__" / f"{source.stem}.cpython-311.pyc"
        assert compiled.read_bytes()[4:8] == b"\x01\0\0\0", source  # by hash, unchecked (PEP 552)


def test_a_second_build_gives_the_same_digest(
    image: Installed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAGICRUNE_HOME", str(tmp_path / "again"))
    again = build(image.image.name)
    if again.packages != image.packages:
        pytest.skip("the mirror has other versions now than when the kept image was built")
    assert again.image.digest == image.image.digest


def test_podman_gives_it_the_id_that_we_foretold(images: dict[str, Installed]) -> None:
    if shutil.which("podman") is None or os.geteuid() != 0:
        pytest.skip("needs podman and root")
    base = images["base"].image
    with tempfile.TemporaryDirectory() as short:  # podman refuses a runroot of 50 characters
        with (Path(short) / "archive.tar").open("wb") as file:
            write_archive(base, file)
        podman = ["podman", "--root", f"{short}/root", "--runroot", f"{short}/run"]
        podman += ["--storage-driver", "vfs"]
        subprocess.run([*podman, "load", "-q", "-i", f"{short}/archive.tar"], check=True)
        told = subprocess.check_output([*podman, "images", "--no-trunc", "--quiet"], text=True)
    assert told.strip() == image_id(base)


def test_net_has_clients_and_certificates(images: dict[str, Installed]) -> None:
    script = "for each in curl wget git pip3 nc host ip; do command -v $each; done; pip3 --version"
    said = inside(images["net"], "/bin/sh", "-c", script).splitlines()
    assert len(said) == 8
    assert said[-1].startswith("pip 2")
    code = "import ssl; print(len(ssl.create_default_context().get_ca_certs()) > 100)"
    assert inside(images["net"], "/usr/bin/python3", "-c", code) == "True\n"
    names = {each.name for each in images["net"].packages}
    assert {each.name for each in images["python"].packages} <= names
