"""The network broker beside the direct way, without a container: bytes, connections, names.

    python -m tests.benchmarks.broker [GIBIBYTES]

Both sides take turns in one run. Sender and receiver are processes of their own; the broker
is a thread of this one, as in `magicrune exec`. What init adds in a sandbox is not in here.
"""

from __future__ import annotations

import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import dns.message

from magicrune.spec import NetLimits
from tests.broker_world import Sandbox, open_plan, sandbox

ROUNDS = 3
TRIES = 500

_SEND = """
import socket, sys
end = socket.socket(fileno=int(sys.argv[1])); end.setblocking(True); left = int(sys.argv[2])
block = bytes(1 << 20)
while left: left -= end.send(block[:left])
end.shutdown(socket.SHUT_WR); end.recv(1)
"""
_TAKE = """
import socket, sys
end = socket.socket(fileno=int(sys.argv[1])); end.setblocking(True);
block = bytearray(1 << 20)
while end.recv_into(block): pass
"""


_SERVE = f"""
import sys
from tests.broker_world import dns_server, echo, server
zone = {{(f"n{{n}}.api.example", "A"): ["127.0.0.1"] for n in range({TRIES + 5})}}
with server(echo) as port, dns_server(zone) as (resolver, _):
    print(port, resolver, flush=True)
    sys.stdin.read()
"""


def rate(sender: socket.socket, taker: socket.socket, size: int) -> float:
    """Gigabytes a second from one socket to the other."""
    began = time.perf_counter()
    ends = [
        subprocess.Popen(
            [sys.executable, "-c", text, str(end.fileno()), str(size)], pass_fds=[end.fileno()]
        )
        for text, end in ((_TAKE, taker), (_SEND, sender))
    ]
    sender.close()
    taker.close()
    if any(end.wait() for end in ends):
        raise SystemExit("not all of it arrived")
    return size / (time.perf_counter() - began) / 1e9


def direct(listener: socket.socket) -> tuple[socket.socket, socket.socket]:
    job = socket.create_connection(listener.getsockname())
    return job, listener.accept()[0]


def brokered(box: Sandbox, listener: socket.socket) -> tuple[socket.socket, socket.socket]:
    number = box.wish("127.0.0.1", listener.getsockname()[1])
    if box.verdict(number):
        raise SystemExit("refused")
    return box.hand_over(number), listener.accept()[0]


def bulk(size: int) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    rows: dict[str, list[float]] = {"direct": [], "to the server": [], "to the job": []}
    limits = NetLimits(sent_bytes=1 << 44, received_bytes=1 << 44)
    for _ in range(ROUNDS):
        rows["direct"].append(rate(*direct(listener), size))
        with sandbox(open_plan("127.0.0.1", limits=limits)) as box:
            job, far = brokered(box, listener)
            rows["to the server"].append(rate(job, far, size))
            job, far = brokered(box, listener)
            rows["to the job"].append(rate(far, job, size))
    listener.close()
    for name, rates in rows.items():
        print(f"{name:28} {statistics.median(rates):6.2f} GB/s   {min(rates):.2f} worst")


def spread(act: Callable[[], None]) -> list[float]:
    act()
    took = []
    for _ in range(TRIES):
        began = time.perf_counter()
        act()
        took.append(1000 * (time.perf_counter() - began))
    return took


def report(name: str, took: list[float]) -> None:
    ordered = sorted(took)
    p50, p95 = (ordered[int((len(ordered) - 1) * share)] for share in (0.5, 0.95))
    print(f"{name:28} {p50:6.3f} ms P50 {p95:6.3f} ms P95")


def latency() -> None:
    def ping(job: socket.socket) -> None:
        with job:
            job.sendall(b"x")
            job.recv(1)

    with subprocess.Popen(
        [sys.executable, "-c", _SERVE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as servers:
        said, closing = servers.stdout, servers.stdin
        assert said is not None
        assert closing is not None
        number, resolver = said.readline().split()
        try:
            compare(int(number), resolver, ping)
        finally:
            closing.close()


def compare(port: int, resolver: str, ping: Callable[[socket.socket], None]) -> None:
    limits = NetLimits(names=10_000)
    plan = open_plan("127.0.0.1", "*.api.example", resolver=resolver, limits=limits)
    with sandbox(plan) as box:
        here = ("127.0.0.1", port)
        report("connection, direct", spread(lambda: ping(socket.create_connection(here))))
        report("connection, brokered", spread(lambda: ping(box.connect(*here))))
        report("refusal", spread(lambda: box.ask("192.0.2.1", 80) and None))
        address, _, number = resolver.rpartition(":")
        server = (address, int(number))
        report("name, direct", spread(lambda: look_up(server, "n0.api.example")))
        names = iter(range(TRIES + 5))
        fresh = spread(lambda: look_up(box.dns, f"n{next(names)}.api.example"))
        report("name, new", fresh)
        report("name, known", spread(lambda: look_up(box.dns, "n0.api.example")))


def look_up(server: tuple[str, int], name: str) -> None:
    """As getaddrinfo(3) does: both questions from one socket, then both answers."""
    questions = [dns.message.make_query(name, kind).to_wire() for kind in ("A", "AAAA")]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.connect(server)
        client.settimeout(5)
        for question in questions:
            client.send(question)
        if any(client.recv(1000)[3] & 15 for _ in questions):
            raise SystemExit(f"{name} has no address")


if __name__ == "__main__":
    print(Path("/proc/loadavg").read_text().split()[0], "load before")
    bulk(int(sys.argv[1] if len(sys.argv) > 1 else 2) << 30)
    latency()
