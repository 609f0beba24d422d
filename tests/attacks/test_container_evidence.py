"""A secret is read by ways on which its name never stands: the record must name it all the same.

Positive control: the plain read is recorded by the same event, and what was read is printed,
so each way did lead to the secret.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from magicrune.observation import Ending, Event, EventKind, Observation
from magicrune.rules.net_intent import check
from magicrune.sensitive import SENSITIVE
from magicrune.spec import Mount
from tests.conftest import make_spec
from tests.engines import container_backend, lanes

LANES = lanes(("oci-runc", "oci-crun", "docker", "podman"), ("oci-rootless-crun",))
SECRET = "/workspace/.ssh/key"
HEAD = "import os, socket\n"
WAYS = {
    "plain": "print(open('/workspace/.ssh/key').read())",
    # "self" is another for init than for the job.
    "own directory by a link": """
os.symlink('/proc/self/cwd', '/tmp/here'); os.chdir('/workspace/.ssh')
print(open('/tmp/here/key').read())
""",
    "thread's directory by a link": """
os.symlink('/proc/thread-self/cwd', '/tmp/here'); os.chdir('/workspace/.ssh')
print(open('/tmp/here/key').read())
""",
    "descriptor by a link": """
os.symlink('/dev/fd/9', '/tmp/here'); os.dup2(os.open('/workspace/.ssh', os.O_RDONLY), 9)
print(open('/tmp/here/key').read())
""",
    "descriptor, spelled oddly": """
os.dup2(os.open('/workspace/.ssh', os.O_RDONLY), 9)
print(open('//proc/./self/fd/9/key').read())
""",
    # The kernel's text for a removed directory is the name of another one.
    "from a removed directory": """
os.mkdir('/workspace/x'); os.symlink('/workspace/.ssh', '/workspace/link')
os.chdir('/workspace/x'); os.rmdir('/workspace/x')
os.makedirs('/tmp/other/x'); os.makedirs('/tmp/other/link')
os.symlink('/tmp/other/x', '/workspace/x (deleted)')
print(open('../link/key').read())
""",
    # Its name is longer than a path can be.
    "from a deep directory": """
os.symlink('/workspace/.ssh', '/tmp/link'); os.chdir('/tmp')
for _ in range(20): os.mkdir('d' * 250); os.chdir('d' * 250)
print(open('../' * 20 + 'link/key').read())
""",
}


@pytest.fixture(params=LANES)
def attack(
    request: pytest.FixtureRequest, home: Any, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Observation]:
    backend = container_backend(request.param, monkeypatch)

    def run(probe: str, **options: Any) -> Observation:
        files = {"/workspace/probe.py": (HEAD + probe).encode(), SECRET: b"treasure"}
        return backend.run(make_spec("python3 probe.py", files=files, **options))

    return run


def of(seen: Observation, kind: EventKind) -> list[Event]:
    return [event for event in seen.events if event.kind is kind]


@pytest.mark.parametrize("way", WAYS)
def test_a_secret_is_named_however_it_is_reached(
    way: str, attack: Callable[..., Observation]
) -> None:
    seen = attack(WAYS[way])
    assert seen.stdout == b"treasure\n", seen.stderr
    assert SECRET in {event.detail["path"] for event in of(seen, EventKind.SENSITIVE)}


def test_as_much_as_a_policy_may_name_is_watched(
    home: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """100 directories and 1000 globs (docs/policy.md), beside the usual ones."""
    backend = container_backend("oci-crun", monkeypatch)
    mounts = (Mount("/workspace"), *(Mount(f"/granted/{number}") for number in range(99)))
    spec = make_spec("echo x >/granted/98/last && cat /granted/98/last", mounts=mounts)
    globs = (*SENSITIVE, *(f"/granted/{number}/**" for number in range(99, -901, -1)))
    seen = backend.run(replace(spec, sensitive=globs))
    assert (seen.ending, seen.stdout) == (Ending.EXITED, b"x\n")
    assert "/granted/98/last" in {e.detail["path"] for e in of(seen, EventKind.SENSITIVE)}


def test_what_has_too_long_a_name_is_not_told_as_out_of_bounds(
    attack: Callable[..., Observation],
) -> None:
    deep = "os.chdir('/tmp')\nfor _ in range(20): os.mkdir('d' * 250); os.chdir('d' * 250)\n"
    assert not of(attack(deep + "open('mine', 'w').write('x')"), EventKind.DENIED)
    outside = attack(deep + "os.chdir('/etc')\ntry: open('mine', 'w')\nexcept OSError: pass")
    assert [event.detail["path"] for event in of(outside, EventKind.DENIED)] == ["/etc/mine"]


def test_a_socket_is_named_by_a_relative_path(attack: Callable[..., Observation]) -> None:
    seen = attack("""
os.chdir('/workspace/.ssh')
try: socket.socket(socket.AF_UNIX).connect('agent')
except OSError: print('none')
""")
    assert seen.stdout == b"none\n"
    (event,) = of(seen, EventKind.SENSITIVE)
    assert event.detail == {"op": "connect", "path": "/workspace/.ssh/agent"}


def test_a_name_looked_up_is_never_green(attack: Callable[..., Observation]) -> None:
    """There is no name server, so the wish shows as a question that nobody answers."""
    seen = attack("""
try: socket.getaddrinfo('evil.example', 443)
except OSError as error: print(error.errno)
""")
    assert seen.stdout == b"-3\n"  # EAI_AGAIN
    (finding,) = check(make_spec(""), seen)
    assert (finding.points, "a name" in finding.evidence) == (40, True)
    assert not list(check(make_spec(""), attack("print('quiet')")))


def test_nothing_of_the_hosts_network_is_told(attack: Callable[..., Observation]) -> None:
    """Podman copies the host's /etc/hosts unless it is told not to."""
    own = Path("/etc/hosts").read_text()
    if not own.strip():
        pytest.skip("this host has nothing in /etc/hosts")
    seen = attack("print(open('/etc/hosts').read(), open('/etc/resolv.conf').read())")
    told = set(seen.stdout.decode().split()) - {"localhost"}
    assert not told & {word for word in own.split() if not word.startswith("127.")}
    assert "host.containers.internal" not in told


def test_the_loopback_has_a_name_and_asks_nobody(attack: Callable[..., Observation]) -> None:
    seen = attack("""
print(*{info[4][0] for name in ('localhost', 'magicrune', socket.gethostname())
        for info in socket.getaddrinfo(name, 80)})
""")
    assert seen.stdout == b"127.0.0.1\n", seen.stderr
    assert not list(check(make_spec(""), seen))


def test_no_protocol_but_tcp_and_udp(attack: Callable[..., Observation]) -> None:
    """Others are code of the kernel that is loaded for the asking. TCP and UDP are the control."""
    seen = attack("""
def get(kind, protocol):
    try: socket.socket(socket.AF_INET, kind, protocol)
    except OSError as error: return error.errno
print(get(1, 0), get(1, 6), get(2, 0), get(2, 17), *(get(1, p) for p in (132, 262, 33, 256)),
      *(get(2, p) for p in (136, 115, 1)))
""")
    assert seen.stdout.split() == [b"None"] * 4 + [b"93"] * 7
    denied = [str(event.detail["target"]) for event in of(seen, EventKind.DENIED)]
    assert "family 2 type 2 protocol 136" in denied
    assert not any("262" in target for target in denied)  # Go programs try it first


LINGER = """
import ctypes, mmap, struct, threading
libc = ctypes.CDLL(None)
server = socket.socket(); server.setsockopt(1, 8, 2048); server.bind(('127.0.0.1', 0))
server.listen(8)
name = struct.pack('=H', 2) + struct.pack('!H', server.getsockname()[1]) + bytes([127, 0, 0, 1])
name = ctypes.create_string_buffer(name + bytes(8))
memory = mmap.mmap(-1, 16 << 20)
memory.write(bytes(16 << 20))
start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
target = -1
def forever(act):
    def run():
        while True: act()
    threading.Thread(target=run, daemon=True).start()
# While memory is being changed nobody can read it, so init looks at the address for long.
forever(lambda: [libc.mprotect(ctypes.c_void_p(start), 16 << 20, p) for p in (1, 3)])
forever(lambda: target < 0 or libc.connect(target, name, 16))
peers = []
def round():
    global target
    sock = socket.socket(); sock.setsockopt(1, 7, 2048); sock.connect(server.getsockname())
    peers.append(server.accept())
    sock.setblocking(False)
    try:
        while True: sock.send(bytes(65536))
    except OSError: pass
    sock.setsockopt(1, 13, struct.pack('ii', 1, SECONDS))
    target = sock.fileno()
    libc.usleep(300)
    # Where the job is the last itself, this waits, and the next one is tried.
    threading.Thread(target=os.close, args=(sock.detach(),), daemon=True).start()
    libc.usleep(300); target = -1
    print('closed', flush=True)
for _ in range(20):
    try: round()
    except OSError: pass  # the other thread was quicker with a number used again
while True: libc.pause()
"""


def test_a_socket_that_lingers_stops_no_clock(attack: Callable[..., Observation]) -> None:
    """Init holds a copy while it looks at a socket. Where the job closes its own meanwhile,
    init closes last, and would wait until what was written is read: never, here."""
    seen = attack(LINGER.replace("SECONDS", "120"), wall_ms=1500, cpu_ms=60000)
    assert seen.ending is Ending.TIMEOUT
    assert seen.usage.wall_ms < 2500
    assert b"closed" in attack(LINGER.replace("SECONDS", "0"), wall_ms=1500, cpu_ms=60000).stdout


@pytest.mark.parametrize("lane", lanes(("oci-runc", "oci-crun"), ("oci-rootless-crun",)))
def test_the_machines_terminals_are_not_a_jobs_to_take(
    lane: str, home: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = container_backend(lane, monkeypatch)
    program = """
import os
taken = 0
try:
    while True: taken += bool(os.open('/dev/ptmx', os.O_RDWR))
except OSError as error: print(taken, error.errno)
"""
    files = {"/tmp/job.py": program.encode()}
    seen = backend.run(make_spec("python3 /tmp/job.py", files=files, open_files=256))
    assert seen.stdout == b"64 28\n", seen.stderr  # ENOSPC, and not for want of descriptors
