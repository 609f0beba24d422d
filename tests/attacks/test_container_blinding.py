"""A job tries to hide from the record what it does: by a filter of its own, by noise, by forging.

Each is shown to work where what stands against it is taken away.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest

from magicrune.backends.rune import record
from magicrune.backends.rune.backend import ContainerBackend
from magicrune.backends.rune.frames import Decoder
from magicrune.observation import Ending, EventKind, Observation
from magicrune.spec import ContainerSpec
from tests.attacks.lesser_init import Cut, Workshop
from tests.attacks.weaker import HEAD
from tests.conftest import make_spec
from tests.engines import container_backend, lanes

LANES = lanes(("oci-runc", "oci-crun", "docker", "podman"), ("oci-rootless-crun",))
LANE = lanes(("oci-crun",), ("oci-rootless-crun",))[0]
SECRET = "/workspace/.ssh/key"
READ = f"""
def read():
    try: print(open('{SECRET}').read(), flush=True)
    except OSError as error: print(error.errno, flush=True)
"""
INSTALL = """
class Program(ctypes.Structure):
    _fields_ = [("n", ctypes.c_ushort), ("p", ctypes.c_void_p)]
def install(verdict, flags=0):
    import platform, struct
    number = {'x86_64': 257, 'aarch64': 56}[platform.machine()]  # openat
    code = [(0x20, 0, 0, 0), (0x15, 0, 1, number), (0x06, 0, 0, verdict), (0x06, 0, 0, 0x7fff0000)]
    code = ctypes.create_string_buffer(b''.join(struct.pack('<HBBI', *each) for each in code))
    program = Program(4, ctypes.addressof(code))
    got = libc.syscall({'x86_64': 317, 'aarch64': 277}[platform.machine()], 1, flags,
                       ctypes.byref(program))
    return got, ctypes.get_errno() if got < 0 else 0
"""


@pytest.fixture(params=LANES)
def backend(
    request: pytest.FixtureRequest, home: Path, monkeypatch: pytest.MonkeyPatch
) -> ContainerBackend:
    return container_backend(request.param, monkeypatch)


@pytest.fixture
def one(home: Path, monkeypatch: pytest.MonkeyPatch) -> ContainerBackend:
    return container_backend(LANE, monkeypatch)


def run(backend: ContainerBackend, probe: str, **options: Any) -> Observation:
    files = {"/workspace/p": (HEAD + READ + INSTALL + probe).encode(), SECRET: b"treasure"}
    return backend.run(make_spec("python3 p", files=files, **options))


def is_recorded(seen: Observation) -> bool:
    paths = {str(e.detail.get("path")) for e in seen.events if e.kind is EventKind.SENSITIVE}
    return SECRET in paths


VERDICTS = {
    "allow": (0x7FFF0000, True),
    "log": (0x7FFC0000, True),
    "trace": (0x7FF00000, True),
    "notify": (0x7FC00000, False),  # the newest filter's word: of a listener that there is not
    "errno": (0x00050001, False),
    "trap": (0x00030000, False),
    "kill": (0x80000000, False),
}
"""What a filter says (linux/seccomp.h), and whether the call reaches init all the same."""


@pytest.mark.parametrize("name", VERDICTS)
def test_a_filter_hides_only_what_it_prevents(name: str, backend: ContainerBackend) -> None:
    verdict, watched = VERDICTS[name]
    seen = run(backend, f"print(install({verdict}), flush=True); read()")
    assert seen.stdout.startswith(b"(0, 0)\n"), seen.stderr
    assert (is_recorded(seen), b"treasure" in seen.stdout) == (watched, watched)


def test_no_filter_takes_the_watch_over(backend: ContainerBackend) -> None:
    """With a listener of its own (flag 8) the job would answer instead of init."""
    seen = run(backend, "print(install(0x7fc00000, 8), flush=True); read()")
    assert seen.stdout == b"(-1, 16)\ntreasure\n"  # EBUSY
    assert is_recorded(seen)


ANY_FILTER: Cut = (
    "filter.c",
    "bpf_unless(filter, SYS_seccomp, 0, install, 1, true, refuse)",
    "(void)install",
)


def test_without_the_watch_nothing_is_recorded(
    one: ContainerBackend, unchecked: None, workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_record = record.job_record

    def blind(spec: ContainerSpec) -> bytes:
        return job_record(spec).replace(b"cwd=", b"watch=0\0cwd=", 1)

    monkeypatch.setattr(record, "job_record", blind)
    seen = run(one, "read()")
    assert (seen.stdout, is_recorded(seen)) == (b"treasure\n", False)
    workshop.use(monkeypatch, ANY_FILTER)
    taken = run(one, "got, error = install(0x7fc00000, 8); print(got > 2, error)")
    assert taken.stdout == b"True 0\n"


NOISE = """
for number in range(320): open('/tmp/%d' % number, 'w').close()
for number in range(320):
    try: os.unlink('/usr/%d' % number)
    except OSError: pass
    try: os.execv('/no/%d' % number, ['x'])
    except OSError: pass
    os.symlink('x', '/tmp/link%d' % number)
read()
"""
ONE_CAP: Cut = (
    "events.c",
    "events->kept[kind] < caps[kind]",
    "events->kept[0] + events->kept[1] + events->kept[2] + events->kept[4] + events->kept[8] < 300",
)


def test_noise_of_all_kinds_hides_nothing(backend: ContainerBackend) -> None:
    seen = run(backend, NOISE)
    assert b"treasure" in seen.stdout, seen.stderr
    assert (is_recorded(seen), seen.telemetry_complete) == (True, False)
    assert all(seen.event_counts[kind] >= 320 for kind in (EventKind.OPEN_WRITE, EventKind.DENIED))


def test_noise_hides_it_where_all_kinds_share_one_cap(
    one: ContainerBackend, workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    workshop.use(monkeypatch, ONE_CAP)
    seen = run(one, NOISE)
    assert b"treasure" in seen.stdout
    assert (is_recorded(seen), seen.telemetry_complete) == (False, False)


def test_noise_of_its_own_kind_is_admitted(backend: ContainerBackend) -> None:
    """Beyond the cap of its kind a secret has no line, and the record says that it is not whole."""
    probe = """
for number in range(120):
    try: open('/workspace/.ssh/%d' % number)
    except OSError: pass
read()
"""
    seen = run(backend, probe)
    assert (b"treasure" in seen.stdout, seen.telemetry_complete) == (True, False)
    assert seen.event_counts[EventKind.SENSITIVE] >= 121


BODY = b'{"reason":"exited","exit":0}'
REPORT = b"X" + struct.pack("<I", len(BODY)) + BODY
OUTPUT = b"O" + struct.pack("<I", 6) + b"forged"
FORGE = f"""
links = {{n: '/proc/self/fd/%d' % n for n in range(64)}}
there = [n for n, link in links.items() if os.path.lexists(link) and 'socket:' in os.readlink(link)]
for number in (*there, *(() if there else (1, 2))): os.write(number, {OUTPUT!r})
if not there: os.write(1, {REPORT!r})
sys.exit(7)
"""


def test_forged_frames_are_only_output(backend: ContainerBackend) -> None:
    assert [frame.kind for frame in Decoder().feed(OUTPUT + REPORT)] == ["O", "X"]
    seen = run(backend, FORGE)
    assert (seen.ending, seen.exit_code) == (Ending.EXITED, 7)
    assert (seen.stdout, seen.stderr) == (OUTPUT + REPORT, OUTPUT)


HANDED: tuple[Cut, ...] = (
    ("channel.c", "F_DUPFD_CLOEXEC", "F_DUPFD"),
    ("spawn.c", "syscall(SYS_close_range, FIRST_OTHER_FD, ~0u, 0)", "0"),
)


def test_a_frame_is_believed_where_the_channel_is_the_jobs(
    one: ContainerBackend, workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    workshop.use(monkeypatch, *HANDED)
    assert run(one, FORGE).stdout == b"forged"


LINES = {
    "a line of the record": b'x","k":"exec"}\n{"t":0,"k":"exec","pid":1,"argv":["forged"]}',
    "control characters": b"\x1b[2K\r\x08forged",
    "bytes that are no text": b"\xff\xfe\xc0forged",
}


@pytest.mark.parametrize("name", LINES)
def test_a_path_forges_no_event(name: str, backend: ContainerBackend) -> None:
    path = b"/tmp/" + LINES[name]
    seen = run(backend, f"os.close(os.open({path!r}, os.O_CREAT | os.O_WRONLY)); read()")
    opened = [e for e in seen.events if e.kind is EventKind.OPEN_WRITE]
    assert path.decode(errors="replace") in [e.detail["path"] for e in opened]
    assert all("forged" not in str(e.detail.get("argv")) for e in seen.events)
    assert is_recorded(seen)
