"""What the kernel keeps for a job outside its memory limit, or tells it of others, is bounded.

Each check is made on every lane, where it must pass, and then with an init from which the
control was taken out, where it must not. Only tens of each thing are made: some kernels do not
survive tens of thousands.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from magicrune.backends.rune.backend import ContainerBackend
from magicrune.observation import Ending, Event, EventKind, Observation
from tests.attacks.lesser_init import Cut, Workshop
from tests.attacks.weaker import HEAD
from tests.conftest import make_spec
from tests.engines import container_backend, lanes

LANES = lanes(("oci-runc", "oci-crun", "docker", "podman"), ("oci-rootless-crun",))
LANE = lanes(("oci-crun",), ("oci-rootless-crun",))[0]
"""For the controls: init is the same on each."""
SHARED = """
import fcntl, struct
libc.syscall.restype = ctypes.c_long
def tried(act):
    try: return act() or 0
    except OSError as error: return error.errno
def got(*args):
    result, error = call(*args)
    return 0 if result >= 0 else error
class Program(ctypes.Structure):
    _fields_ = [("n", ctypes.c_ushort), ("p", ctypes.c_void_p)]
code = ctypes.create_string_buffer(b'\\x06\\0\\0\\0\\0\\0\\xff\\x7f')  # allow all
program = Program(1, ctypes.addressof(code))
"""
LOCKS = """
import time
files = [open(f'/tmp/{at}', 'w') for at in range(20)]
def lock(command, at):
    asked = struct.pack('hhqqi', fcntl.F_WRLCK, 0, at * 4, 1, 0)
    return tried(lambda: fcntl.fcntl(files[at % 20], command, asked) and 0)
print(lock(37, 19), lock(38, 19))  # F_OFD_SETLK, F_OFD_SETLKW
for at in range(1200): fcntl.lockf(files[0], 2); fcntl.lockf(files[0], 8)
for at in range(900): lock(6, at)  # F_SETLK
time.sleep(0.5)
print('few', flush=True)
for at in range(900, 1100): lock(6, at)
time.sleep(5)
print('many', flush=True)
"""
SOCKET_PROGRAMS = """
one, other = socket.socketpair()
def attach(option, value): return tried(lambda: one.setsockopt(1, option, value))
print(attach(26, bytes(program)), attach(50, 99), attach(51, bytes(program)), attach(52, 99))
print(attach(8, 4096))
"""
HUGE_PAGES = """
# Where this machine has none the kernel has no memory (12) for them.
print(got(9, 0, 1 << 21, 3, 0x40022, -1, 0), got(319, b'huge', 4))
print(got(9, 0, 1 << 21, 3, 0x22, -1, 0), got(319, b'small', 0))
"""
DNOTIFY = """
print(tried(lambda: fcntl.fcntl(os.open('/usr/bin', 0), 1026, 4)))
print(tried(lambda: fcntl.fcntl(0, 1)))
"""
FILTERS = """
libc.prctl(38, 1, 0, 0, 0)
def install(at):
    if at % 2: return libc.prctl(22, 2, ctypes.byref(program))
    return call(317, 1, 0, ctypes.byref(program))[0]
print([install(at) for at in range(40)].count(0))
"""
NETLINK = """
def open_one(): return socket.socket(16, 3, 0)
for _ in range(300): open_one().close()
kept = []
errors = [tried(lambda: kept.append(open_one())) for _ in range(200)]
print(errors.count(0))
kept.clear()
print(tried(lambda: kept.append(open_one())))
"""
INOTIFY = """
queue = libc.inotify_init1(0o4000)
def watch(path, flags=0x120): return libc.inotify_add_watch(queue, path, flags)
os.mkdir('/tmp/mine'); os.symlink('/usr/bin', '/tmp/link'); os.symlink('/tmp/mine', '/tmp/away')
print([watch(path) > 0 for path in (b'/usr/bin', b'/tmp/link', b'/dev/null', b'/etc')])
print([watch(path) > 0 for path in (b'/tmp/mine', b'/tmp/away')], watch(b'/tmp/none'),
      watch(b'/tmp/link', 0x2000120) > 0)
open('/tmp/mine/new', 'w')
print(struct.unpack('iIII16s', os.read(queue, 4096)[:32])[4].rstrip(b'\\0'))
"""
MANY = """
class Message(ctypes.Structure):
    _fields_ = [('name', ctypes.c_void_p), ('namelen', ctypes.c_uint), ('iov', ctypes.c_void_p),
                ('iovlen', ctypes.c_size_t), ('control', ctypes.c_void_p),
                ('controllen', ctypes.c_size_t), ('flags', ctypes.c_size_t),
                ('sent', ctypes.c_size_t)]
class Part(ctypes.Structure):
    _fields_ = [('base', ctypes.c_char_p), ('size', ctypes.c_size_t)]
part = Part(b'x', 1)
def inet(host, port):
    return struct.pack('=H', 2) + struct.pack('!H', port) + socket.inet_aton(host) + bytes(8)
def unix(path): return struct.pack('=H', 1) + path
def send_all(sock, names):
    kept = [ctypes.create_string_buffer(name, len(name)) for name in names]
    messages = (Message * len(names))(*(
        Message(ctypes.addressof(name), len(name), ctypes.addressof(part), 1) for name in kept))
    return call(307, sock.fileno(), messages, len(names), 0)
away = [inet('127.0.0.1', 9), inet('192.0.2.1', 1), inet('192.0.2.2', 2)]
print(send_all(socket.socket(2, 2), away))
print(send_all(socket.socket(1, 2), [unix(b'/tmp/a'), unix(b'/tmp/b')])[0])
print(tried(lambda: socket.socket(2, 2).sendto(b'x', ('192.0.2.3', 3))))
"""


def denied(seen: Observation, op: str) -> list[Event]:
    return [
        event
        for event in seen.events
        if event.kind is EventKind.DENIED and event.detail["op"] == op
    ]


def no_socket_programs(seen: Observation) -> None:
    assert seen.stdout == b"1 1 1 1\n0\n", seen
    assert [e.detail["target"] for e in denied(seen, "socket_filter")] == [26, 50, 51, 52]


def no_huge_pages(seen: Observation) -> None:
    assert seen.stdout == b"1 1\n0 0\n", seen
    assert denied(seen, "huge_pages")


def no_notes_of_directories(seen: Observation) -> None:
    assert seen.stdout == b"1\n0\n", seen
    assert denied(seen, "dnotify")


def few_filters(seen: Observation) -> None:
    assert seen.stdout == b"32\n", seen
    assert denied(seen, "seccomp")


def few_netlink_sockets(seen: Observation) -> None:
    """At a time: the 300 that were closed again are no matter, nor is one when all are closed."""
    assert seen.stdout == b"128\n0\n", seen
    assert denied(seen, "netlink")


def only_own_files_watched(seen: Observation) -> None:
    assert seen.stdout == b"[False, False, False, False]\n[True, True] -1 True\nb'new'\n", seen
    told = [event.detail["path"] for event in denied(seen, "inotify")]
    assert told == ["/usr/bin", "/dev/null", "/etc"]


def few_locks(seen: Observation) -> None:
    """At a time: what was locked 1200 times and given back is no matter."""
    assert (seen.ending, seen.stdout) == (Ending.POLICY_DENIED, b"22 22\nfew\n"), seen
    assert [event.detail["target"] for event in denied(seen, "locks")] == [1000]


def every_message_told(seen: Observation) -> None:
    """As of sendto(), which is the last."""
    assert seen.stdout == b"(-1, 111)\n-1\n111\n", seen
    refused = [e.detail["address"] for e in seen.events if e.kind is EventKind.CONNECT]
    assert refused == ["192.0.2.1", "192.0.2.2", "192.0.2.3"]
    targets = {e.detail.get("target") for e in seen.events if e.kind is EventKind.MISC}
    assert {"/tmp/a", "/tmp/b"} <= targets


@dataclass(frozen=True, slots=True)
class Attack:
    """A probe, what must be true of it, and what of init makes it so."""

    probe: str
    check: Callable[[Observation], None]
    cut: Cut


ATTACKS = {
    "socket_programs": Attack(
        SOCKET_PROGRAMS, no_socket_programs, ("filter.c", "add_socket_filters(filter, refuse);", "")
    ),
    "huge_pages": Attack(
        HUGE_PAGES, no_huge_pages, ("filter.c", "MAP_HUGETLB, refuse", "0, ALLOW")
    ),
    "huge_files": Attack(HUGE_PAGES, no_huge_pages, ("watch_process.c", "& MFD_HUGETLB", "& 0")),
    "dnotify": Attack(
        DNOTIFY, no_notes_of_directories, ("filter.c", "F_NOTIFY, 3", "(uint32_t)-1, 3")
    ),
    "filters": Attack(
        FILTERS,
        few_filters,
        ("watch_hoard.c", "own_filters++ >= OWN_FILTERS", "own_filters++ >= 99"),
    ),
    "netlink": Attack(
        NETLINK, few_netlink_sockets, ("watch_hoard.c", "now < NETLINKS", "now < 999")
    ),
    "inotify": Attack(
        INOTIFY, only_own_files_watched, ("watch_hoard.c", "!path_is_granted(watch, path)", "0")
    ),
    "messages": Attack(
        MANY, every_message_told, ("watch_send.c", "count < MESSAGES ? count : MESSAGES", "1")
    ),
}


def run(backend: ContainerBackend, probe: str) -> Observation:
    files = {"/workspace/probe.py": (HEAD + SHARED + probe).encode()}
    return backend.run(make_spec("python3 probe.py", files=files, open_files=256, wall_ms=60_000))


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


AT_ONCE: Cut = ("watch_hoard.c", "LOCKS_EVERY_US = 1000000", "LOCKS_EVERY_US = 1")
"""So that the test need not work for a second: on a busy machine that takes a minute."""
OF_FILES: Cut = ("filter.c", "bpf_equal(filter, F_OFD_SETLK, 3, 0)", "bpf_equal(filter, -1, 3, 0)")
UNCOUNTED: Cut = ("watch_hoard.c", "locks_held() <= LOCKS", "1")


@pytest.mark.parametrize("lane", LANES)
def test_few_file_locks(
    lane: str, home: Path, workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = container_backend(lane, monkeypatch)
    workshop.use(monkeypatch, AT_ONCE)
    few_locks(run(backend, LOCKS))


@pytest.mark.parametrize("cut", [OF_FILES, UNCOUNTED])
def test_uncounted_file_locks_are_seen(
    cut: Cut, home: Path, workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = container_backend(LANE, monkeypatch)
    workshop.use(monkeypatch, AT_ONCE, cut)
    with pytest.raises(AssertionError):
        few_locks(run(backend, LOCKS))


def test_a_job_that_works_has_its_locks_counted(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the init that is shipped."""
    busy = "while True: pass\n"
    probe = LOCKS.replace("time.sleep(5)", busy)
    few_locks(run(container_backend(LANE, monkeypatch), probe))
