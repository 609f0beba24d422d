"""A brokered network on every container backend: needs nothing but a server of this machine.

tests/e2e/test_network.py has real programs and a made internet; this runs without root, too.
"""

from __future__ import annotations

import contextlib
import gc
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from magicrune.netrule import NetRule
from magicrune.observation import Ending, EventKind, Observation
from magicrune.spec import NetLimits
from tests.conftest import make_spec
from tests.engines import container_backend, lanes

LANES = lanes(
    ("oci-crun", "oci-runc", "docker", "podman"),
    ("oci-rootless-crun", "oci-rootless-runc", "podman-rootless"),
)
Run = Callable[..., Observation]


class Echo:
    """Gives back what it is sent, until the other side says that this was all."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        self.accepted = 0
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.accepted += 1
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):  # reset at a limit
            while data := connection.recv(65536):
                connection.sendall(data)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@pytest.fixture
def echo() -> Iterator[Echo]:
    server = Echo()
    yield server
    server.close()


@pytest.fixture(params=LANES)
def run(request: pytest.FixtureRequest, home: object, monkeypatch: pytest.MonkeyPatch) -> Run:
    backend = container_backend(str(request.param), monkeypatch)

    def run(
        program: str, *allowed: str, limits: NetLimits | None = None, **more: int
    ) -> Observation:
        files = {"/tmp/job.py": program.encode()}
        spec = make_spec("python3 /tmp/job.py", files=files, **more)
        return backend.run(
            replace(
                spec,
                host_loopback=tuple(map(NetRule.parse, allowed)),
                net=(NetRule.parse("granted.example:80"),),
                net_limits=limits or NetLimits(),
            )
        )

    return run


def refusals(seen: Observation) -> list[str]:
    return [
        str(event.detail.get("missing"))
        for event in seen.events
        if event.kind is EventKind.CONNECT and event.detail["outcome"] == "refused"
    ]


def test_what_is_granted_passes_both_ways(run: Run, echo: Echo) -> None:
    seen = run(
        f"""
import socket
one = socket.create_connection(("127.0.0.1", {echo.port}))
peer = one.getpeername()
one.sendall(b"x" * 300_000)
one.shutdown(socket.SHUT_WR)
print(len(b"".join(iter(lambda: one.recv(65536), b""))), *peer)
six = socket.socket(socket.AF_INET6)
six.connect(("::ffff:127.0.0.1", {echo.port}))
six.sendall(b"six")
print(six.recv(3).decode())
""",
        f"127.0.0.1:{echo.port}",
    )
    assert seen.stdout.decode() == f"300000 127.0.0.1 {echo.port}\nsix\n", seen.stderr
    assert echo.accepted == 2
    assert seen.network is not None
    assert seen.network.connections_total == 2
    assert seen.network.sent_bytes == seen.network.received_bytes == 300_003
    assert all(reading.held for reading in seen.enforcement)
    assert "network_allowlist" in {reading.control for reading in seen.enforcement}
    assert refusals(seen) == []


def test_everything_else_is_refused_at_once_with_the_line_that_is_missing(
    run: Run, echo: Echo
) -> None:
    seen = run(
        f"""
import errno, socket
for host, port in (("10.1.2.3", 80), ("8.8.8.8", 443), ("127.0.0.2", {echo.port})):
    print(errno.errorcode[socket.socket().connect_ex((host, port))])
non_blocking = socket.socket()
non_blocking.setblocking(False)
print(errno.errorcode[non_blocking.connect_ex(("8.8.4.4", 53))])
try:
    socket.getaddrinfo("other.example", 80)
except socket.gaierror as error:
    print(error.errno == socket.EAI_NONAME)
""",
        f"127.0.0.1:{echo.port}",
    )
    assert seen.stdout.decode().split() == ["ECONNREFUSED"] * 4 + ["True"], seen.stderr
    assert echo.accepted == 0
    assert {"10.1.2.3:80", "8.8.8.8:443", "8.8.4.4:53", "other.example"} <= set(refusals(seen))
    assert seen.telemetry_complete


@contextlib.contextmanager
def busy_server(patience_s: float) -> Iterator[int]:
    """The port of a server whose queue is full for some seconds: until then, who knocks gets
    no answer at all."""
    with socket.socket() as listener, socket.socket() as filler:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        filler.connect(listener.getsockname())

        def serve() -> None:
            time.sleep(patience_s)
            with contextlib.suppress(OSError), listener.accept()[0], listener.accept()[0] as second:
                second.sendall(second.recv(10))

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_a_connect_that_does_not_wait_is_under_way_until_it_is_there(run: Run) -> None:
    with busy_server(3) as port:
        seen = run(
            f"""
import errno, select, socket
one = socket.socket()
one.setblocking(False)
print(errno.errorcode[one.connect_ex(("127.0.0.1", {port}))])
print(errno.errorcode[one.connect_ex(("127.0.0.1", {port}))])
poll = select.poll()
poll.register(one, select.POLLOUT)
print(poll.poll(200))
print(poll.poll(30000)[0][1] == select.POLLOUT, one.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
print(one.getpeername()[1])
one.send(b"hi")
poll.modify(one, select.POLLIN)
poll.poll(10000)
print(one.recv(2).decode())
""",
            f"127.0.0.1:{port}",
            wall_ms=30_000,
        )
    words = seen.stdout.decode().split()
    assert words == ["EINPROGRESS", "EALREADY", "[]", "True", "0", str(port), "hi"], seen.stderr


def test_nobody_answers_and_the_job_is_told(run: Run) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        seen = run(
            f"""
import errno, socket
print(errno.errorcode[socket.socket().connect_ex(("127.0.0.1", {port}))])
""",
            f"127.0.0.1:{port}",
        )
    assert seen.stdout == b"ECONNREFUSED\n", seen.stderr
    assert refusals(seen) == []
    assert seen.network is not None
    assert seen.network.failed == 1


def test_a_limit_of_the_network_ends_the_job(run: Run, echo: Echo) -> None:
    seen = run(
        f"""
import socket, time
one = socket.create_connection(("127.0.0.1", {echo.port}))
one.sendall(b"x" * 100_000)
time.sleep(20)
""",
        f"127.0.0.1:{echo.port}",
        limits=NetLimits(sent_bytes=50_000),
    )
    assert (seen.ending, seen.exit_code) == (Ending.NET_LIMIT, None)
    assert seen.network is not None
    assert seen.network.sent_bytes <= 50_000
    assert "net_sent_bytes" in {
        event.detail["limit"] for event in seen.events if event.kind is EventKind.LIMIT
    }


def test_without_a_grant_the_same_connection_is_refused(
    request: pytest.FixtureRequest, run: Run, echo: Echo
) -> None:
    seen = run(f"import socket\nsocket.create_connection(('127.0.0.1', {echo.port}))")
    assert seen.exit_code == 1
    assert echo.accepted == 0


def test_a_socket_made_blocking_again_holds_up_nobody(run: Run, echo: Echo) -> None:
    """The flag is shared with init, which sets it for the moment of its own connect(): where
    the job takes it away in between, init would wait for minutes, clock and all."""
    seen = run(
        f"""
import fcntl, socket, threading
target = -1
def spoil():
    while True:
        try: fcntl.fcntl(target, fcntl.F_SETFL, 0)
        except (OSError, ValueError): pass
for _ in range(2):
    threading.Thread(target=spoil, daemon=True).start()
good = 0
for _ in range(100):
    one = socket.socket()
    target = one.fileno()
    try: one.connect(("127.0.0.1", {echo.port}))
    except OSError: continue
    target = -1
    one.sendall(b"x")
    good += one.recv(1) == b"x"
    one.close()
print(good > 50)
""",
        f"127.0.0.1:{echo.port}",
        wall_ms=60_000,
        cpu_ms=60_000,
    )
    assert (seen.ending, seen.stdout) == (Ending.EXITED, b"True\n"), seen.stderr


def test_a_spoilt_socket_is_the_jobs_loss_and_not_the_runs(run: Run, echo: Echo) -> None:
    """Where the dial takes its time, none of these can be held meanwhile: one is bound to an
    address that cannot lead there, of the other kind two threads connect the same."""
    with busy_server(1) as port:
        seen = run(
            f"""
import errno, socket, threading
def ask(one):
    codes.append(one.connect_ex(("::ffff:127.0.0.1", {port})))
codes, kept = [], []
for bound in (True, False):
    for _ in range(10):
        one = socket.socket(socket.AF_INET6)
        one.setblocking(False)
        if bound: one.bind(("::1", 0))
        kept.append(one)
        threads = [threading.Thread(target=ask, args=(one,)) for _ in range(4)]
        for each in threads: each.start()
        for each in threads: each.join()
        if not bound: one.close()
good = socket.create_connection(("127.0.0.1", {echo.port}))
good.sendall(b"x")
print(len([code for code in codes if code != errno.EINPROGRESS]) >= 40, good.recv(1).decode())
""",
            f"127.0.0.1:{echo.port}",
            f"127.0.0.1:{port}",
        )
    assert (seen.ending, seen.stdout) == (Ending.EXITED, b"True x\n"), seen.stderr


@pytest.mark.parametrize(
    "run", [lane for lane in LANES if "docker" not in str(lane)], indirect=True
)
def test_a_run_leaves_no_descriptor_and_no_thread(run: Run, echo: Echo) -> None:
    """A worker makes many runs in one process. What waits for the collector is not left."""
    program = f"""
import socket
with socket.create_connection(("127.0.0.1", {echo.port})) as one:
    one.sendall(b"x")
    one.recv(1)
print("did")
"""
    left: list[tuple[int, int]] = []
    for _ in range(4):  # what the first loads may stay
        seen = run(program, f"127.0.0.1:{echo.port}")
        assert seen.stdout == b"did\n", seen.stderr
        time.sleep(0.2)  # the server's own end
        gc.collect()
        left.append((len(list(Path("/proc/self/fd").iterdir())), threading.active_count()))
    assert left[1] == left[3], left
