"""A program of root's with the setuid bit, brought along or in the image: it makes nobody root.

Two controls, each enough alone: the mount (nosuid), and no_new_privs. The control of the attack
is a container of the same image from which both are taken.
"""

from __future__ import annotations

import os
import shutil
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from magicrune.backends.oci import engine
from magicrune.backends.oci.bundle import write_config
from magicrune.backends.rune.backend import ContainerBackend
from magicrune.backends.rune.container import CAPABILITIES, Container
from magicrune.errors import BackendFailed, ControlNotHeld
from magicrune.images import store
from magicrune.spec import FileInput, Mount
from tests.attacks.lesser_init import Cut, Workshop
from tests.attacks.weaker import Config, Weaker, unfiltered
from tests.conftest import make_spec
from tests.engines import container_backend, lanes

LANES = lanes(("oci-runc", "oci-crun", "docker", "podman"), ("oci-rootless-crun",))
LOOK = r"""
import re
told = open('/proc/self/status').read()
ids = set(re.search(r'Uid:(.*)', told)[1].split() + re.search(r'Gid:(.*)', told)[1].split())
rights = [int(word, 16) for word in re.findall(r'Cap(?:Prm|Eff|Amb):\s*(\w+)', told)]
print('yes' if ids != {'65534'} or any(rights) else 'no', sorted(ids), rights)
"""
NOBODY = b"no ['65534'] [0, 0, 0]\n"
RIGHTS = struct.pack("<5I", 0x02000001, 0x000800E0, 0, 0, 0)
"""security.capability, version 2 and effective (linux/capability.h), with init's four: a file
with more than the bounding set cannot be run at all."""
KINDS = lanes(("setuid", "setgid", "capabilities"), ("setuid", "setgid"))
"""A user cannot give capabilities to a file."""


def python() -> Path:
    """The image's interpreter: a program that tells who it is."""
    return store.find("python", None).rootfs / "usr" / "bin" / "python3.11"


def make_dangerous(program: Path, kind: str) -> None:
    if kind == "capabilities":
        os.setxattr(program, "security.capability", RIGHTS)
    program.chmod({"setuid": 0o4755, "setgid": 0o2755}.get(kind, 0o755))


@pytest.fixture(params=LANES)
def backend(
    request: pytest.FixtureRequest, home: Path, monkeypatch: pytest.MonkeyPatch
) -> ContainerBackend:
    return container_backend(request.param, monkeypatch)


@pytest.fixture(params=KINDS)
def dangerous(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Path]:
    """Makes a directory of root's with such a program, in a file system that heeds it."""

    def make() -> Path:
        place = tmp_path / "programs"
        place.mkdir(mode=0o755)
        shutil.copyfile(python(), place / "program")
        make_dangerous(place / "program", request.param)
        return place

    return make


def bring(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    binds = Container.binds

    def more(self: Container, shared: Path) -> dict[str, Path]:
        return {**binds(self, shared), "/dev/programs": place}

    monkeypatch.setattr(Container, "binds", more)


def test_a_dangerous_program_makes_nobody_root(
    backend: ContainerBackend,
    dangerous: Callable[[], Path],
    unchecked: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bring(dangerous(), monkeypatch)
    seen = backend.run(make_spec('/dev/programs/program -c "$LOOK"', env={"LOOK": LOOK}))
    assert seen.stdout == NOBODY, seen.stderr


def test_its_mount_stops_the_run(
    backend: ContainerBackend, dangerous: Callable[[], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    bring(dangerous(), monkeypatch)
    with pytest.raises(ControlNotHeld, match=r"filesystem is not held: .*/dev/programs"):
        backend.run(make_spec("true"))


@pytest.mark.skipif(os.geteuid() != 0, reason="the program is the same; root's run proves it")
@pytest.mark.parametrize(
    ("nosuid", "no_new_privs", "told"),
    [(True, True, "no"), (True, False, "no"), (False, True, "no"), (False, False, "yes")],
)
def test_it_makes_root_where_both_controls_are_out(
    nosuid: bool,
    no_new_privs: bool,
    told: str,
    weaker: Weaker,
    dangerous: Callable[[], Path],
) -> None:
    place = dangerous()

    def weaken(config: Config) -> None:
        unfiltered(config)
        config["process"]["noNewPrivileges"] = no_new_privs
        config["process"]["capabilities"] = {"bounding": list(CAPABILITIES)}
        options = ["bind", "ro", *(["nosuid"] if nosuid else [])]
        mount = {"destination": "/dev/programs", "type": "bind", "source": str(place)}
        config["mounts"].append({**mount, "options": options})

    run = f"os.execv('/dev/programs/program', ['program', '-c', {LOOK!r}])"
    assert weaker.run(run, weaken).startswith(told)


@pytest.mark.parametrize("lane", lanes(("oci-runc", "oci-crun"), ("oci-rootless-crun",)))
@pytest.mark.parametrize("kind", KINDS)
def test_one_in_the_image_makes_nobody_root(
    lane: str, kind: str, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mistake in an image is one of ours; nothing but no_new_privs stands in its way there."""
    backend = container_backend(lane, monkeypatch)

    def mutated(*args: Any, **options: Any) -> Config:
        config = write_config(*args, **options)
        copy = tmp_path / "rootfs"
        shutil.copytree(config["root"]["path"], copy, symlinks=True)
        config["root"]["path"] = str(copy)
        make_dangerous(copy / "usr" / "bin" / "python3.11", kind)
        return config

    monkeypatch.setattr(engine, "write_config", mutated)
    seen = backend.run(make_spec('python3 -c "$LOOK"', env={"LOOK": LOOK}))
    assert seen.stdout == NOBODY, seen.stderr


def find_dangerous(root: Path) -> list[str]:
    """Files below `root` that make who runs them another, or more."""
    found = []
    for place, _, names in os.walk(root):
        for path in (Path(place, name) for name in names):
            if path.is_symlink():
                continue
            marked = "security.capability" in os.listxattr(path, follow_symlinks=False)
            if path.lstat().st_mode & 0o6000 or marked:
                found.append(path.name)
    return found


@pytest.mark.parametrize("image", ["base", "python", "net"])
def test_our_images_have_none(image: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    container_backend(LANES[0], monkeypatch)
    assert find_dangerous(store.find(image, None).rootfs) == []


@pytest.mark.parametrize("kind", KINDS)
def test_one_would_be_found(kind: str, tmp_path: Path) -> None:
    (tmp_path / "program").touch()
    make_dangerous(tmp_path / "program", kind)
    assert find_dangerous(tmp_path) == ["program"]


BITS: Cut = ("files.c", "(mode & (S_ISUID | S_ISGID))", "0")
SCRATCH = (Mount("/tmp"), Mount("/workspace"), Mount("/data", writable=False))


def marked_again(mode: int) -> Cut:
    """Writing to a file takes the bits from it, where the writer has no CAP_FSETID."""
    end = "    return true;\n}\n\nbool file_make"
    return "files.c", end, end.replace("true", f"fchmod(current, 0{mode:o}) == 0")


def put_in(mode: int) -> Any:
    """Root's, since the directory is not the job's to write."""
    spec = make_spec('/data/program -c "$LOOK"', env={"LOOK": LOOK}, mounts=SCRATCH)
    return replace(spec, files=(FileInput("/data/program", python().read_bytes(), mode),))


@pytest.mark.parametrize("mode", [0o4755, 0o2755])
def test_none_is_put_in(mode: int, backend: ContainerBackend) -> None:
    assert backend.run(put_in(0o755)).stdout == NOBODY
    with pytest.raises(BackendFailed, match="E_FILE"):
        backend.run(put_in(mode))


@pytest.mark.parametrize("mode", [0o4755, 0o2755])
def test_one_put_in_by_a_lesser_init_makes_nobody_root(
    mode: int, backend: ContainerBackend, workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    workshop.use(monkeypatch, BITS, marked_again(mode))
    spec = put_in(mode)
    seen = backend.run(
        replace(spec, argv=("sh", "-c", f"stat -c %a /data/program; {spec.argv[2]}"))
    )
    assert seen.stdout == b"%o\n" % mode + NOBODY


def test_the_jobs_own_is_nobodys(backend: ContainerBackend) -> None:
    """What the job marks itself belongs to the job."""
    make = "cp /usr/bin/python3.11 p; chmod 6755 p; stat -c '%a %u' p"
    seen = backend.run(make_spec(make + '; ./p -c "$LOOK"', env={"LOOK": LOOK}))
    assert seen.stdout == b"6755 65534\n" + NOBODY, seen.stderr
