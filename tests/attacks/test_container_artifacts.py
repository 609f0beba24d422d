"""What a job leaves for init to collect: nothing of another place, nothing endless, no odd name
that comes out as another one.

Each check is made on every lane, where it must pass, and then with an init from which the
control was taken out, where it must not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from magicrune.backends.rune import record
from magicrune.backends.rune.backend import ContainerBackend
from magicrune.errors import SandboxLost
from magicrune.observation import Ending, Observation
from magicrune.spec import ContainerSpec, FileInput, Mount
from tests.attacks.lesser_init import Cut, Workshop
from tests.conftest import make_spec
from tests.engines import container_backend, lanes

LANES = lanes(("oci-runc", "oci-crun", "docker", "podman"), ("oci-rootless-crun",))
LANE = lanes(("oci-crun",), ("oci-rootless-crun",))[0]
"""For the controls: init is the same on each."""
HEAD = """
import ctypes, os, socket, sys, time
libc = ctypes.CDLL(None, use_errno=True)
def refused(act, *args):
    try: act(*args)
    except OSError as error: return error.errno
    return 0
os.mkdir('out'); open('out/own', 'w').write('mine')
"""
FOLLOWED: tuple[Cut, ...] = (
    ("artifacts.c", "O_RDONLY | O_NOFOLLOW | O_NONBLOCK", "O_RDONLY | O_NONBLOCK"),
    ("artifacts.c", "&found, AT_SYMLINK_NOFOLLOW", "&found, 0"),
)
AS_ROOT: Cut = ("artifacts.c", "setfsuid((uid_t)job->uid)", "setfsuid(0)")
TOP_FOLLOWED: Cut = (
    "artifacts.c",
    "O_RDONLY | O_DIRECTORY | O_NOFOLLOW",
    "O_RDONLY | O_DIRECTORY",
)
STEP_FOLLOWED: Cut = ("descend.c", "O_DIRECTORY | O_NOFOLLOW", "O_DIRECTORY")
ANY_KIND: Cut = ("artifacts.c", "!S_ISREG(found.st_mode) && !S_ISDIR(found.st_mode)", "0")
BOTTOMLESS: Cut = (
    "artifacts.c",
    "S_ISDIR(found.st_mode) && depth >= walk->job->artifact_depth",
    "0",
)
COUNTLESS: Cut = (
    "artifacts.c",
    "walk->looked_at++ >= (uint64_t)walk->job->artifact_files",
    "0",
)
NAMELESS: Cut = ("artifacts.c", 'skip(walk, "name")', "(void)0")


def make(probe: str, **options: Any) -> ContainerSpec:
    """With a secret of root's in a directory that is not the job's to write."""
    mounts = (Mount("/tmp"), Mount("/workspace"), Mount("/data", writable=False))
    files = {"/workspace/probe.py": (HEAD + probe).encode()}
    spec = make_spec("python3 probe.py", files=files, mounts=mounts, **options)
    secret = FileInput("/data/secret", b"treasure", 0o600)
    return replace(spec, files=(*spec.files, secret))


def paths(seen: Observation) -> list[str]:
    return [artifact.path for artifact in seen.artifacts]


def reasons(seen: Observation) -> dict[str, str]:
    return dict(seen.artifacts_skipped)


def only_own(seen: Observation) -> None:
    """The control beside it comes out, and nothing else."""
    assert [(a.path, a.content) for a in seen.artifacts] == [("own", b"mine")], seen.stderr


LINKS = """
for name, target in (('secret', '/data/secret'), ('passwd', '/etc/passwd'),
                     ('init', '/proc/1/environ'), ('self', '/proc/self/fd/0')):
    os.symlink(target, 'out/' + name)
os.symlink('/etc', 'out/etc'); os.symlink('..', 'out/up'); os.symlink('loop', 'out/loop')
"""
HARD = """
held = os.open('/etc/passwd', os.O_PATH)
print(refused(os.link, '/data/secret', 'out/secret'), refused(os.link, '/etc/passwd', 'out/etc'),
      refused(os.link, '/proc/self/exe', 'out/exe'))
print(libc.linkat(-100, b'/proc/self/fd/%d' % held, -100, b'out/by_fd', 0x400),
      libc.linkat(held, b'', -100, b'out/empty', 0x1000))
open('aside', 'w').write('mine, too'); print(refused(os.link, 'aside', 'out/linked'))
"""
SPECIAL = """
os.mkfifo('out/fifo')
socket.socket(socket.AF_UNIX).bind('out/socket')
print(*(refused(os.mknod, 'out/n', kind | 0o666, os.makedev(1, 3)) for kind in (0o20000, 0o60000)))
"""
DEEP = """
os.chdir('out')
for _ in range(400):
    os.mkdir('d'); os.chdir('d')
    open('f', 'w').close()
"""
LONG = """
os.chdir('out')
for _ in range(15): os.mkdir('d' * 255); os.chdir('d' * 255)
os.mkdir('e' * 200); os.chdir('e' * 200)
open('f' * 60, 'w').close(); open('g', 'w').close()
"""


def check_links(seen: Observation) -> None:
    only_own(seen)
    names = ("secret", "passwd", "init", "self", "etc", "up", "loop")
    assert reasons(seen) == dict.fromkeys(names, "symlink")


def check_hard_links(seen: Observation) -> None:
    told = seen.stdout.split()
    assert b"0" not in told[:5], seen.stderr  # EXDEV, or a right that is missing
    assert told[5:] == [b"0"]  # the control: one within the job's own file system
    assert paths(seen) == ["linked", "own"]


def check_special(seen: Observation) -> None:
    only_own(seen)
    assert seen.stdout == b"1 1\n"  # EPERM
    assert reasons(seen) == {"fifo": "special", "socket": "special"}


def check_depth(seen: Observation) -> None:
    assert paths(seen) == sorted(["own", *("d/" * depth + "f" for depth in range(1, 17))])
    assert reasons(seen) == {"d/" * 16 + "d": "depth"}


def check_length(seen: Observation) -> None:
    """The longer one is told by the directory that has it."""
    directory = "d" * 255 + "/"
    assert paths(seen) == [directory * 15 + "e" * 200 + "/g", "own"]
    assert list(reasons(seen).values()) == ["name"]


@dataclass(frozen=True)
class Trick:
    """`cuts`: what holds it, taken out of init. `shows`: what comes out then, in `paths` or
    among the contents."""

    probe: str
    check: Callable[[Observation], None]
    cuts: tuple[Cut, ...]
    shows: str


TRICKS = {
    "links": Trick(LINKS, check_links, FOLLOWED, "passwd"),
    "links to what is root's": Trick(LINKS, check_links, (*FOLLOWED, AS_ROOT), "secret"),
    "hard links": Trick(HARD, check_hard_links, (), ""),
    "special files": Trick(SPECIAL, check_special, (ANY_KIND,), "fifo"),
    "depth": Trick(DEEP, check_depth, (BOTTOMLESS,), "d/" * 40 + "f"),
    "long paths": Trick(LONG, check_length, (NAMELESS,), ""),
}


@pytest.fixture(params=LANES)
def backend(
    request: pytest.FixtureRequest, home: Any, monkeypatch: pytest.MonkeyPatch
) -> ContainerBackend:
    return container_backend(request.param, monkeypatch)


@pytest.fixture
def one(home: Any, monkeypatch: pytest.MonkeyPatch) -> ContainerBackend:
    return container_backend(LANE, monkeypatch)


@pytest.mark.parametrize("name", TRICKS)
def test_only_what_the_job_left_comes_out(name: str, backend: ContainerBackend) -> None:
    seen = backend.run(make(TRICKS[name].probe))
    assert (seen.ending, seen.exit_code) == (Ending.EXITED, 0), seen.stderr
    TRICKS[name].check(seen)


@pytest.mark.parametrize("name", [name for name, trick in TRICKS.items() if trick.cuts])
def test_without_the_control_it_is_seen(
    name: str, one: ContainerBackend, workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    trick = TRICKS[name]
    workshop.use(monkeypatch, *trick.cuts)
    seen = one.run(make(trick.probe))
    assert not trick.shows or trick.shows in paths(seen)
    with pytest.raises(AssertionError):
        trick.check(seen)


def test_what_root_alone_can_read_needs_both_out(
    one: ContainerBackend, workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Init follows links here, and still reads with the job's rights."""
    workshop.use(monkeypatch, *FOLLOWED)
    seen = one.run(make(LINKS))
    assert reasons(seen)["secret"] == "unreadable"
    assert b"treasure" not in {artifact.content for artifact in seen.artifacts}
    workshop.use(monkeypatch, *FOLLOWED, AS_ROOT)
    assert b"treasure" in {artifact.content for artifact in one.run(make(LINKS)).artifacts}


PLACES = {
    "a link": ("os.rename('out', 'old'); os.symlink('/etc', 'out')", "/workspace/out", "symlink"),
    "a link on the way": ("os.symlink('/', 'way')", "/workspace/way/etc", "symlink"),
    "a file": ("os.rename('out', 'old'); open('out', 'w')", "/workspace/out", "not_directory"),
    "a fifo": ("os.rename('out', 'old'); os.mkfifo('out')", "/workspace/out", "not_directory"),
    "closed": ("os.chmod('out', 0)", "/workspace/out", "unreadable"),
    "gone": ("os.rename('out', 'old')", "/workspace/out", ""),
}


@pytest.mark.parametrize("name", PLACES)
def test_the_place_of_artifacts_is_not_another(name: str, backend: ContainerBackend) -> None:
    probe, place, reason = PLACES[name]
    seen = backend.run(replace(make(probe), artifacts_dir=place))
    assert seen.ending is Ending.EXITED
    assert (seen.artifacts, [why for _, why in seen.artifacts_skipped]) == (
        (),
        [reason] if reason else [],
    ), seen.stderr


@pytest.mark.parametrize(
    ("name", "cut"), [("a link", TOP_FOLLOWED), ("a link on the way", STEP_FOLLOWED)]
)
def test_another_place_is_seen_without_the_control(
    name: str,
    cut: Cut,
    one: ContainerBackend,
    workshop: Workshop,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    probe, place, _ = PLACES[name]
    workshop.use(monkeypatch, cut)
    assert one.run(replace(make(probe), artifacts_dir=place)).artifacts


SWAP = """
os.mkdir('out/d'); open('out/d/passwd', 'w').write('mine')
os.symlink('/etc', 'link')
if os.fork() == 0:
    os.setsid()
    while True:
        os.rename('out/d', 'aside'); os.rename('link', 'out/d')
        os.rename('out/d', 'link'); os.rename('aside', 'out/d')
time.sleep(0.3)
"""


def test_a_directory_that_is_swapped_for_a_link(backend: ContainerBackend) -> None:
    for _ in range(3):
        seen = backend.run(make(SWAP))
        assert {artifact.content for artifact in seen.artifacts} == {b"mine"}


def test_a_swapped_directory_is_seen_without_the_control(
    one: ContainerBackend, workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    workshop.use(monkeypatch, *FOLLOWED)
    runs = (one.run(make(SWAP)) for _ in range(100))  # one in four is another directory
    assert any(b"root:" in (each.content or b"") for seen in runs for each in seen.artifacts)


GROWING = """
if os.fork() == 0:
    os.setsid()
    with open('out/growing', 'ab', buffering=0) as file:
        while True: file.write(b'x' * 4096)
while not os.path.exists('out/growing') or os.path.getsize('out/growing') < 65536:
    time.sleep(0.001)
"""


def test_a_file_that_still_grows_is_whole(backend: ContainerBackend) -> None:
    seen = backend.run(make(GROWING, artifact_bytes=64 << 20, tmp_bytes=4 << 20))
    growing, own = seen.artifacts
    assert (own.content, growing.path) == (b"mine", "growing")
    assert growing.size >= 65536
    assert growing.content is not None
    assert (len(growing.content), set(growing.content)) == (growing.size, {ord("x")})
    assert not seen.artifacts_skipped


CHANGING = """
size = 4 << 20
with open('out/changing', 'wb') as file: file.truncate(size)
if os.fork() == 0:
    os.setsid()
    file = os.open('out/changing', os.O_WRONLY)
    while True: os.ftruncate(file, 0); os.ftruncate(file, size)
time.sleep(0.1)
"""
SPARED: Cut = ("kill.c", "kill(-1, SIGKILL)", "kill(-1, 0)")


def test_nobody_is_left_to_change_a_file(backend: ContainerBackend) -> None:
    for _ in range(3):
        seen = backend.run(make(CHANGING, artifact_bytes=64 << 20))
        assert [len(a.content or b"") for a in seen.artifacts] == [a.size for a in seen.artifacts]
        assert (paths(seen), reasons(seen)) == (["changing", "own"], {})


def test_who_is_left_is_told_without_the_control(
    one: ContainerBackend, workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    workshop.use(monkeypatch, SPARED)
    runs = [one.run(make(CHANGING, artifact_bytes=64 << 20))]
    while "changing" not in reasons(runs[-1]) and len(runs) < 20:  # in one of two it has no bytes
        runs.append(one.run(make(CHANGING, artifact_bytes=64 << 20)))
    assert reasons(runs[-1]) == {"changing": "changed"}
    assert not any(seen.telemetry_complete for seen in runs)


SPARSE = """
size = 1 << 40
import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
for number in range(3):
    with open('out/sparse%d' % number, 'wb') as file:
        told = refused(file.truncate, size)
        if told: file.truncate(FSIZE)
        print(told, os.fstat(file.fileno()).st_size)
""".replace("FSIZE", str((4 << 20) + record.FSIZE_ROOM))


def test_a_sparse_file_claims_no_more_than_the_limit(backend: ContainerBackend) -> None:
    seen = backend.run(make(SPARSE, tmp_bytes=4 << 20))
    size = (4 << 20) + record.FSIZE_ROOM
    assert seen.stdout == b"27 %d\n" % size * 3, seen.stderr  # EFBIG
    digest = hashlib.sha256(bytes(size)).hexdigest()
    found = [(a.path, a.size, a.content, a.sha256) for a in seen.artifacts if a.path != "own"]
    assert found == [(f"sparse{number}", size, None, digest) for number in range(3)]


def test_a_sparse_file_of_a_terabyte_is_not_read(
    one: ContainerBackend, unchecked: None, workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the limit of the first control a second one holds, and without that a third."""
    monkeypatch.setattr(record, "FSIZE_ROOM", 1 << 41)
    seen = one.run(make(SPARSE))
    assert seen.stdout == b"0 %d\n" % (1 << 40) * 3
    assert reasons(seen) == {f"sparse{number}": "large" for number in range(3)}
    hurry: Cut = ("artifacts.c", "time_us = 10000000", "time_us = 500000")
    workshop.use(monkeypatch, ("artifacts.c", "UINT64_C(1) << 30", "UINT64_MAX"), hurry)
    assert "time" in reasons(one.run(make(SPARSE))).values()


NAMES = (
    *(b"a\nb", b"a\tb", b"\x7f\x01", b"\x1b[31mred", b"\xff\xfe", b"n" * 255, b"-rf", b"...", b" "),
    *("\u202egpj.exe".encode(), b"\"'\\", b"%s%n", b"$(id)"),
)


def test_odd_names_come_out_as_they_are(backend: ContainerBackend) -> None:
    probe = f"os.chdir(b'out')\nfor name in {NAMES!r}: open(name, 'wb').write(name)"
    seen = backend.run(make(probe))
    found = {a.path.encode("utf-8", "surrogateescape"): a.content for a in seen.artifacts}
    assert found == {**{name: name for name in NAMES}, b"own": b"mine"}, seen.stderr


def test_more_files_than_are_taken(backend: ContainerBackend) -> None:
    """Hard links, since those are quick to make: each is a file to whoever collects."""
    probe = """
os.chdir('out')
for number in range(20000): os.link('own', str(number))
"""
    seen = backend.run(
        make(probe, file_count=30_000, memory_bytes=512 << 20, wall_ms=60_000, cpu_ms=60_000)
    )
    assert (seen.ending, seen.exit_code) == (Ending.EXITED, 0), seen.stderr
    assert len(seen.artifacts) == record.ARTIFACT_FILES
    assert [why for _, why in seen.artifacts_skipped] == ["count"]


def test_more_than_init_may_send_is_not_taken(
    one: ContainerBackend, workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An init that does not count is no longer ours, whoever made it so."""
    probe = "for number in range(1500): os.link('out/own', 'out/%d' % number)"
    workshop.use(monkeypatch, COUNTLESS)
    with pytest.raises(SandboxLost):
        one.run(make(probe))
