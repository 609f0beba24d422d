"""What a job pays for its network: brokered, on a plain bridge, and through an HTTP proxy.

    python -m tests.benchmarks.network [ROUNDS]

The same Python program measures itself in a sandbox (`oci`, crun), in a container on Docker's
bridge, and there through tinyproxy by CONNECT (Debian: tinyproxy-bin; left out where absent).
Each round takes every side in turn; the table has medians over the rounds. The servers are the
test internet, in a process of their own. Needs root, the images and Docker (scripts/engines.sh).
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.conftest import make_spec
from tests.engines import IMAGE_HOME
from tests.internet.addresses import ZONE, Addresses
from tests.internet.internet import internet
from tests.internet.wires import within

os.environ["MAGICRUNE_HOME"] = str(IMAGE_HOME)

from magicrune.backends.docker.engine import DockerEngine
from magicrune.backends.oci.engine import OciEngine
from magicrune.backends.rune.backend import ContainerBackend
from magicrune.images import store
from magicrune.netrule import NetRule
from magicrune.spec import ContainerSpec

_PROXY_PORT = 8888
_TRIES = 200
_BYTES = 512 << 20
_SOURCE, _TAKER = 20, 21
_CLIENT = """
import json, socket, statistics, sys, time
WEB4, PROXY, PORT, TAG = %r, %r, %d, %r
def connect(port):
    s = socket.create_connection((PROXY or WEB4, PORT if PROXY else port), 10)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if PROXY:
        s.sendall(f"CONNECT {WEB4}:{port} HTTP/1.1\\r\\nHost: {WEB4}\\r\\n\\r\\n".encode())
        head = b""
        while not head.endswith(b"\\r\\n\\r\\n"): head += s.recv(1)
        assert b" 200 " in head, head
    return s
def timed(act, tries):
    times = []
    for n in range(tries):
        start = time.perf_counter()
        act(n)
        times.append((time.perf_counter() - start) * 1000)
    return statistics.median(times)
def echo(n):
    with connect(7) as s:
        s.sendall(b"x")
        s.recv(1)
def trip(n):
    kept.sendall(b"x")
    kept.recv(1)
found = {"connection": timed(echo, %d)}
kept = connect(7)
found["round trip"] = timed(trip, 500)
look = lambda name: socket.getaddrinfo(name, 80, type=socket.SOCK_STREAM)
found["known name"] = timed(lambda n: look("web.%s"), 100)
found["new name"] = timed(lambda n: look(f"{TAG}-{n}.wild.%s"), 100)
size = %d
start = time.perf_counter()
s = connect(20)
s.sendall(b"%%d\\n" %% size)
buffer, left = bytearray(1 << 20), size
while left: left -= s.recv_into(buffer)
found["download"] = size / (time.perf_counter() - start) / 1e9
start = time.perf_counter()
s, left = connect(21), size
while left:
    s.sendall(buffer[:left]); left -= min(left, len(buffer))
s.shutdown(socket.SHUT_WR)
s.recv(100)
found["upload"] = size / (time.perf_counter() - start) / 1e9
print(json.dumps(found))
"""
_ROWS = {
    "connection": "a connection, until one byte is back (ms)",
    "round trip": "a byte there and back on an open one (ms)",
    "known name": "A and AAAA of a name, asked before (ms)",
    "new name": "the same of a new name (ms)",
    "download": "one connection, to the job (GB/s)",
    "upload": "one connection, from the job (GB/s)",
}
Side = Callable[[str], dict[str, float]]


@dataclass
class Table:
    """Measurements by side and row."""

    found: dict[str, dict[str, list[float]]] = field(default_factory=dict)

    def add(self, side: str, measured: dict[str, float]) -> None:
        for row, value in measured.items():
            self.found.setdefault(side, {}).setdefault(row, []).append(value)

    def show(self) -> None:
        print("| | " + " | ".join(self.found) + " |")
        print("|---" * (len(self.found) + 1) + "|")
        for row, title in _ROWS.items():
            values = (statistics.median(each[row]) for each in self.found.values())
            print(f"| {title} | " + " | ".join(f"{value:.2f}" for value in values) + " |")


def serve() -> None:
    """The other process: the internet, until its standard input ends."""
    with internet() as net:
        for port, act in ((_SOURCE, _give), (_TAKER, _take)):
            listener = within(net.servers, lambda port=port: socket.create_server(("", port)))
            threading.Thread(target=_each, args=(listener, act), daemon=True).start()
        print(net.addresses.slot, flush=True)
        sys.stdin.read()


def _each(listener: socket.socket, act: Callable[[socket.socket], None]) -> None:
    """One client after the other: threads and plain calls, so that a server is no bottleneck."""
    while True:
        with listener.accept()[0] as peer:
            act(peer)


def _give(peer: socket.socket) -> None:
    size, block = int(peer.makefile().readline()), bytes(1 << 20)
    while size:
        size -= peer.send(block[:size])


def _take(peer: socket.socket) -> None:
    buffer = bytearray(1 << 20)
    while peer.recv_into(buffer):
        pass
    peer.sendall(b"done")


@contextmanager
def servers() -> Iterator[Addresses]:
    words = [sys.executable, "-m", "tests.benchmarks.network", "serve"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        try:
            yield Addresses(int(child.stdout.readline()))
        finally:
            child.stdin.close()


@contextmanager
def proxy() -> Iterator[None]:
    """tinyproxy on this machine."""
    with tempfile.TemporaryDirectory() as place:
        config = Path(place) / "tinyproxy.conf"
        config.write_text(f"Port {_PROXY_PORT}\nTimeout 60\nMaxClients 100\nLogLevel Critical\n")
        words = ["tinyproxy", "-d", "-c", str(config)]
        with subprocess.Popen(words, stdout=subprocess.DEVNULL) as child:
            time.sleep(0.5)
            try:
                yield
            finally:
                child.terminate()


def client(here: Addresses, tag: str, gateway: str = "") -> str:
    fixed = (here.web4, gateway, _PROXY_PORT, tag, _TRIES, ZONE, ZONE, _BYTES)
    return _CLIENT % fixed


def brokered(here: Addresses) -> Side:
    backend = ContainerBackend(OciEngine("crun"))

    def run(tag: str) -> dict[str, float]:
        spec = _granted(here, "python3 client.py", {"/workspace/client.py": client(here, tag)})
        seen = backend.run(spec)
        assert seen.exit_code == 0, (seen.ending, seen.stderr)
        return dict(json.loads(seen.stdout))

    return run


def _granted(here: Addresses, cmd: str, files: dict[str, str]) -> ContainerSpec:
    wanted = (f"{here.web4}:7-21", f"web.{ZONE}:80", f"*.wild.{ZONE}:80")
    spec = make_spec(cmd, files={path: text.encode() for path, text in files.items()})
    limits = replace(spec.net_limits, names=10_000)
    rules = tuple(map(NetRule.parse, wanted))
    return replace(spec, net=rules, resolvers=(here.resolver4,), net_limits=limits)


def bridged(here: Addresses, gateway: str = "") -> Side:
    digest = store.current("python")
    image = DockerEngine().find_image("python", digest).reference
    words = ["docker", "run", "--rm", "--dns", here.resolver4, image, "python3", "-c"]

    def run(tag: str) -> dict[str, float]:
        done = subprocess.run(
            [*words, client(here, tag, gateway)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return dict(json.loads(done.stdout))

    return run


def startup(here: Addresses, rounds: int) -> None:
    """A job that uses no network, without one and with one granted."""
    backend = ContainerBackend(OciEngine("crun"))
    specs = {"no network": make_spec("echo hi"), "granted": _granted(here, "echo hi", {})}
    times: dict[str, list[float]] = {name: [] for name in specs}
    for _ in range(rounds * 5 + 1):
        for name, spec in specs.items():
            start = time.perf_counter()
            assert backend.run(spec).exit_code == 0
            times[name].append((time.perf_counter() - start) * 1000)
    for name, each in times.items():
        print(f"echo, {name}: {statistics.median(each[1:]):.1f} ms")


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    with contextlib.ExitStack() as stack:
        here = stack.enter_context(servers())
        sides = {"brokered (oci, crun)": brokered(here), "plain bridge (Docker)": bridged(here)}
        if shutil.which("tinyproxy"):
            stack.enter_context(proxy())
            sides["bridge and HTTP proxy"] = bridged(here, here.executor4)
        else:
            print("tinyproxy: absent, left out")
        table = Table()
        for number in range(rounds):
            for position, (name, side) in enumerate(sides.items()):
                table.add(name, side(f"r{number}-{position}"))
        table.show()
        startup(here, rounds)


if __name__ == "__main__":
    serve() if sys.argv[1:] == ["serve"] else main()
