"""What a job keeps in buffers of the kernel is bounded: by its memory limit, or by one of its own.

The probe fills buffers that nobody reads, and says after each megabyte how many there are. The
control: where the limit is left out, which version 1 of control groups needs apart, it fills more.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from magicrune.backends.oci.hierarchy import read_hierarchy
from magicrune.backends.rune.container import SOCKET_BYTES
from magicrune.backends.rune.socket_memory import SocketMemory
from magicrune.errors import ControlNotHeld
from magicrune.observation import Observation
from tests.conftest import make_spec
from tests.engines import container_backend, lanes

LANES = lanes(
    ("oci-runc", "oci-crun", "docker", "podman"), ("oci-rootless-crun", "oci-rootless-runc")
)
MEMORY, MUCH = 32 << 20, 160 << 20
LIMITS = {"memory_bytes": MEMORY, "open_files": 1000}
FILL = f"""
import fcntl, os, socket
sent, told, held, MUCH = 0, 0, [], {MUCH}
def fill(send):
    global sent, told
    while sent < MUCH:
        try: done = send(chunk)
        except (BlockingIOError, OSError): return
        sent += done
        if sent - told >= 1 << 20:
            told = sent
            os.write(1, b"%d\\n" % sent)
chunk = bytes(32768)
def both(x, y):
    for each in (x, y):
        each.setblocking(False)
        each.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
        each.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    held.append((x, y)); fill(x.send); fill(y.send)
"""
WAYS = {
    "tcp": """
l = socket.socket(); l.bind(("127.0.0.1", 0)); l.listen(100)
for _ in range(400):
    if sent >= MUCH: break
    x = socket.socket(); x.connect(l.getsockname()); both(x, l.accept()[0])
""",
    "udp": """
given = 0
for _ in range(400):
    if given >= MUCH: break
    x, y = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in "xy")
    x.bind(("127.0.0.1", 0)); y.connect(x.getsockname()); y.setblocking(False)
    x.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    held.append((x, y))
    for _ in range(x.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // 2 // len(chunk) + 1):
        given += y.send(chunk)  # what does not fit is dropped: counted by reading
for x, _ in held:
    x.setblocking(False)
    try:
        while True: sent += len(x.recv(65536))
    except BlockingIOError: pass
os.write(1, b"%d\\n" % sent)
""",
    "unix": "for _ in range(60): both(*socket.socketpair())",
    "unix datagrams": "for _ in range(60): both(*socket.socketpair(type=socket.SOCK_DGRAM))",
    "pipes": """
for _ in range(60):
    r, w = os.pipe(); held.append((r, w)); os.set_blocking(w, False)
    try: fcntl.fcntl(w, 1031, 1 << 20)  # F_SETPIPE_SZ
    except OSError: pass
    fill(lambda data: os.write(w, data))
""",
}
APART = ("tcp", "udp")
Run = Callable[..., Observation]


@pytest.fixture(params=LANES)
def run(request: pytest.FixtureRequest, home: Any, monkeypatch: pytest.MonkeyPatch) -> Run:
    backend = container_backend(request.param, monkeypatch)

    def fill(way: str) -> Observation:
        files = {"/workspace/fill.py": (FILL + WAYS[way]).encode()}
        return backend.run(make_spec("python3 fill.py", files=files, **LIMITS))

    return fill


def kept(seen: Observation) -> int:
    """Bytes that were in buffers when the job ended or was ended."""
    return int((seen.stdout.split() or [b"0"])[-1])


def bound() -> int:
    """The container's memory (its file systems are empty), or what its sockets may have apart."""
    return MEMORY + make_spec("true").limits.tmp_bytes + SOCKET_BYTES


@pytest.mark.parametrize("way", WAYS)
def test_what_is_kept_in_buffers_is_bounded(way: str, run: Run) -> None:
    seen = run(way)
    assert seen.stdout or seen.ending != "exited", seen.stderr
    assert kept(seen) < bound()


@pytest.mark.skipif(read_hierarchy().version != 1, reason="version 2 counts them as memory")
@pytest.mark.parametrize("way", APART)
def test_more_is_kept_without_the_limit(
    way: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SocketMemory, "limit", _cannot)
    seen = run(way)
    (reading,) = [each for each in seen.enforcement if each.control == "socket_memory"]
    assert "no limit of its own" in reading.wanted
    assert kept(seen) > bound()


@pytest.mark.skipif(read_hierarchy().version != 1, reason="version 2 counts them as memory")
def test_a_limit_that_was_not_set_stops_the_run(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SocketMemory, "limit", lambda self, group: None)
    with pytest.raises(ControlNotHeld, match="socket_memory"):
        run("tcp")


def _cannot(self: SocketMemory, group: object) -> None:
    self.trouble = "left out by a test"
