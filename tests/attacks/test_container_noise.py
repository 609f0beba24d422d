"""Much that is granted hides nothing, and much that is not is never called complete.

Each check is made on every lane, where it must pass, and then with an init from which the
control was taken out, where it must not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from magicrune.backends.rune.backend import ContainerBackend
from magicrune.observation import EventKind, Observation
from tests.attacks.lesser_init import Cut, Workshop
from tests.attacks.weaker import HEAD
from tests.conftest import make_spec
from tests.engines import container_backend, lanes

LANES = lanes(("oci-runc", "oci-crun", "docker", "podman"), ("oci-rootless-crun",))
LANE = lanes(("oci-crun",), ("oci-rootless-crun",))[0]
"""For the controls: init is the same on each."""
TRIED = """
import subprocess, threading
def tried(act, *args):
    try: return act(*args) or 0
    except OSError as error: return error.errno
"""
WRITES = """
os.mkdir('/workspace/d')
for at in range(2500):
    open(f'/workspace/d/{at}', 'w'); open(f'/tmp/{at}', 'w'); os.unlink(f'/tmp/{at}')
    if at < 200: os.symlink('x', f'/tmp/s{at}'); os.link('/workspace/d/0', f'/workspace/d/l{at}')
tried(open, '/workspace/.ssh/key'); tried(open, '/etc/mine', 'w')
subprocess.run(['/bin/echo', 'signal'])
"""
DEVICES = """
for at in range(400): tried(open, f'/dev/x{at}', 'w')
print('done')
"""
# A table of descriptors of two processes, of one thread alone: what has the number there is not
# what has it here.
TABLES = """
libc.syscall.restype = ctypes.c_long
print(call(56, 0x400 | 17, 0, 0, 0, 0))  # CLONE_FILES
unix, inet = socket.socket(1, 1), socket.socket(2, 1)
def connect():
    libc.syscall(436, 0xfffffff0, 0xffffffff, 2)  # close_range: a table of its own
    os.dup2(inet.fileno(), unix.fileno())
    name = b'\\x02\\0\\0\\x50\\xc0\\0\\x02\\x07' + bytes(8)  # 192.0.2.7:80
    print(call(42, unix.fileno(), name, 16), flush=True)
thread = threading.Thread(target=connect); thread.start(); thread.join()
print(unix.family == 1, os.spawnv(os.P_WAIT, '/bin/true', ['true']))
"""


def of(seen: Observation, kind: EventKind, key: str = "path") -> set[object]:
    return {event.detail.get(key) for event in seen.events if event.kind is kind}


def nothing_hidden(seen: Observation) -> None:
    assert seen.stdout == b"signal\n", seen
    assert seen.telemetry_complete
    assert "/workspace/.ssh/key" in of(seen, EventKind.SENSITIVE)
    assert of(seen, EventKind.DENIED) == {"/etc/mine"}
    assert "/bin/echo signal" in of(seen, EventKind.EXEC, "argv")
    assert seen.event_counts[EventKind.OPEN_WRITE] >= 5000
    assert seen.event_counts[EventKind.REMOVE] >= 2500


def loss_told(seen: Observation) -> None:
    assert seen.stdout == b"done\n", seen
    assert not seen.telemetry_complete


def tables_told_apart(seen: Observation) -> None:
    assert seen.stdout == b"(-1, 1)\n(-1, 111)\nTrue 0\n", seen
    assert of(seen, EventKind.CONNECT, "address") == {"192.0.2.7"}
    assert "clone" in of(seen, EventKind.DENIED, "op")


@dataclass(frozen=True, slots=True)
class Attack:
    """A probe, what must be true of it, and what of init makes it so."""

    probe: str
    check: Callable[[Observation], None]
    cut: Cut


ATTACKS = {
    "granted": Attack(WRITES, nothing_hidden, ("events.c", "!room && event->granted", "0")),
    "not granted": Attack(
        DEVICES, loss_told, ("place.c", "found.writable && path_is_granted(watch, found.path)", "1")
    ),
    "table of two": Attack(
        TABLES,
        tables_told_apart,
        ("watch_process.c", "CLONE_NEWNET | CLONE_FILES", "CLONE_NEWNET"),
    ),
    "table of a thread": Attack(
        TABLES, tables_told_apart, ("act.c", "act->tid, PIDFD_OF_THREAD", "act_process(act), 0")
    ),
}


def run(backend: ContainerBackend, probe: str) -> Observation:
    files = {"/workspace/probe.py": (HEAD + TRIED + probe).encode()}
    return backend.run(make_spec("python3 probe.py", files=files, file_count=9000, wall_ms=60_000))


@pytest.mark.parametrize("lane", LANES)
@pytest.mark.parametrize("name", ATTACKS)
def test_attack(name: str, lane: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    attack = ATTACKS[name]
    attack.check(run(container_backend(lane, monkeypatch), attack.probe))


@pytest.mark.parametrize("name", ATTACKS)
def test_lesser_init_is_seen(
    name: str, home: Path, workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    attack = ATTACKS[name]
    backend = container_backend(LANE, monkeypatch)
    workshop.use(monkeypatch, attack.cut)
    with pytest.raises(AssertionError):
        attack.check(run(backend, attack.probe))


@pytest.mark.parametrize("lane", LANES)
def test_before_kernel_6_9(
    lane: str, home: Path, workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread with a table of its own cannot be looked into: what it asks is refused."""
    backend = container_backend(lane, monkeypatch)
    workshop.use(monkeypatch, ("act.c", "PIDFD_OF_THREAD = O_EXCL", "PIDFD_OF_THREAD = 1"))
    seen = run(backend, TABLES)
    assert seen.stdout == b"(-1, 1)\n(-1, 88)\nTrue 0\n", seen
