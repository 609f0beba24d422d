"""The broker against jobs, servers and machines at their worst: it stays up, and it ends."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import resource
import socket
import struct
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magicrune.broker import gate
from magicrune.broker.broker import Broker
from magicrune.broker.message import HEADER, Query, read_query
from magicrune.broker.own import is_own_address
from magicrune.errors import BackendFailed
from magicrune.observation import EventKind
from magicrune.spec import NetLimits
from tests.broker_world import Sandbox, dns_server, echo, make_plan, open_plan, sandbox, server

NAME = b"\x03api\x07example\x00"
QUESTION = NAME + struct.pack("!HH", 1, 1)


def packet(flags=0x0100, counts=(1, 0, 0, 0), rest=QUESTION, number=7):
    return HEADER.pack(number, flags, *counts) + rest


HOSTILE = {
    "empty": (b"", None),
    "short": (b"\0" * 11, None),
    "an answer": (packet(0x8180), None),
    "a pointer to itself": (packet(rest=b"\xc0\x0c\x00\x01\x00\x01"), "FORMERR"),
    "two pointers in a circle": (packet(rest=b"\xc0\x0e\xc0\x0c\x00\x01\x00\x01"), "FORMERR"),
    "a pointer forwards": (packet(rest=b"\xc0\xff\x00\x01\x00\x01"), "FORMERR"),
    "a label too long": (packet(rest=b"\x40" + b"a" * 64 + b"\x00\x00\x01\x00\x01"), "FORMERR"),
    "a name too long": (packet(rest=(b"\x3f" + b"a" * 63) * 5 + b"\0\0\1\0\1"), "FORMERR"),
    "no question": (packet(counts=(0, 0, 0, 0), rest=b""), "FORMERR"),
    "two questions": (packet(counts=(2, 0, 0, 0), rest=QUESTION * 2), "FORMERR"),
    "huge counts": (packet(counts=(65535, 65535, 65535, 65535)), "FORMERR"),
    "a question that is cut": (packet(rest=QUESTION[:-3]), "FORMERR"),
    "answers in a question": (packet(counts=(1, 9, 0, 0)), "FORMERR"),
    "more than a question": (packet(rest=QUESTION + b"x" * 300), "FORMERR"),
    "very long": (packet(rest=QUESTION + b"x" * 9000), "FORMERR"),
    "an update": (packet(flags=0x2800), "NOTIMP"),
    "two OPT records": (packet(counts=(1, 0, 2, 0)), "FORMERR"),
    "another class": (packet(rest=NAME + struct.pack("!HH", 16, 3)), "REFUSED"),
}
CODES = {"FORMERR": 1, "NOTIMP": 4, "REFUSED": 5}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_questions_by_udp_and_tcp(case):
    data, expected = HOSTILE[case]
    zone = {("api.example", "A"): ["127.0.0.1"]}
    with (
        dns_server(zone) as (resolver, _),
        sandbox(open_plan("api.example", resolver=resolver)) as box,
    ):
        reply = box.raw(data, wait_s=0.2 if expected is None else 5)
        assert (reply is None) is (expected is None)
        if reply is not None:
            number, flags = struct.unpack_from("!HH", reply)
            assert (number, flags & 0x8000, flags & 15) == (7, 0x8000, CODES[expected])
        with socket.create_connection(box.dns_tcp, timeout=5) as client:
            client.sendall(struct.pack("!H", len(data)) + data)
            by_tcp = client.recv(2)
            assert bool(by_tcp) is (expected is not None)
        assert box.resolve("api.example") == ["198.18.0.1"]


@given(st.binary(max_size=600) | st.builds(packet, rest=st.binary(max_size=600)))
def test_no_message_is_too_strange(data):
    found = read_query(data)
    assert found is None or isinstance(found, bytes | Query)
    if isinstance(found, bytes):
        assert len(found) == HEADER.size


@given(st.binary(min_size=1, max_size=63), st.integers(1, 65535))
def test_no_name_is_too_strange(label, kind):
    rest = bytes([len(label)]) + label + b"\x07example\0" + struct.pack("!HH", kind, 1)
    found = read_query(packet(rest=rest))
    assert found is None or isinstance(found, bytes | Query)
    if isinstance(found, Query):
        assert found.name.isascii()


def test_names_that_are_no_host_names_do_not_exist():
    """What hides in a label (a NUL, a dot, an upper-case look-alike) is no granted name."""
    strange = [b"api.example", b"api\0", b"\xffapi", b"a pi", b"api\n"]
    with sandbox(open_plan("api.example", "*.api.example")) as box:
        for label in strange:
            for tail in (b"\0", NAME):
                rest = bytes([len(label)]) + label + tail + struct.pack("!HH", 1, 1)
                reply = box.raw(packet(rest=rest))
                assert reply is not None
                assert reply[3] & 15 == 3
        seen = box.stop()
    assert seen.usage.refused == 2 * len(strange)
    assert all("\0" not in str(event.detail["host"]) for event in seen.events)


def test_edns_case_and_pipelining():
    zone = {("api.example", "A"): ["127.0.0.1"]}
    with (
        dns_server(zone) as (resolver, _),
        sandbox(open_plan("api.example", resolver=resolver)) as box,
    ):
        import dns.message

        mixed = dns.message.make_query("aPi.ExAmple", "A", use_edns=0, payload=4096)
        reply = dns.message.from_wire(box.raw(mixed.to_wire()))
        assert reply.question[0].name.to_text() == "aPi.ExAmple."
        assert (reply.edns, reply.payload) == (0, 1232)
        with socket.create_connection(box.dns_tcp, timeout=5) as client:
            wires = [packet(number=n) for n in range(20)]
            stream = b"".join(struct.pack("!H", len(wire)) + wire for wire in wires)
            for start in range(0, len(stream), 7):
                client.sendall(stream[start : start + 7])
            reader = client.makefile("rb")
            for n in range(20):
                size = int.from_bytes(reader.read(2), "big")
                assert int.from_bytes(reader.read(size)[:2], "big") == n


def test_who_drips_does_not_keep_others_out(monkeypatch):
    monkeypatch.setattr(gate, "_PATIENCE_S", 1.0)
    with sandbox(open_plan("api.example")) as box:
        clients = [socket.create_connection(box.dns_tcp, timeout=5) for _ in range(150)]
        for client in clients:
            with contextlib.suppress(OSError):
                client.sendall(b"\0")
        assert box.query("localhost", tcp=True).answer
        deadline = time.monotonic() + 10
        for client in clients:
            client.settimeout(max(0.1, deadline - time.monotonic()))
            with contextlib.suppress(ConnectionError):
                assert client.recv(1) == b""  # cut off, none waits for ever
            client.close()


def test_the_oldest_client_goes_before_there_are_too_many():
    with sandbox(open_plan("api.example")) as box:
        clients = [socket.create_connection(box.dns_tcp, timeout=5) for _ in range(150)]
        with contextlib.suppress(ConnectionError):
            assert clients[0].recv(1) == b""  # long before its patience is over
        clients[-1].settimeout(0.2)
        with pytest.raises(TimeoutError):
            clients[-1].recv(1)
        for client in clients:
            client.close()


def test_ten_thousand_refusals():
    with sandbox(open_plan("203.0.113.7:443")) as box:
        reader = threading.Thread(target=lambda: [box.verdict(n) for n in range(1, 10_001)])
        reader.start()
        for _ in range(10_000):
            box.wish("203.0.113.7", 80)
        reader.join(60)
        assert not reader.is_alive()
        seen = box.stop()
    assert (seen.usage.refused, len(seen.events), seen.complete) == (10_000, 1, True)
    assert seen.counts[EventKind.CONNECT] == 10_000


def test_refusals_that_differ_are_capped_and_told_as_lost():
    with sandbox(open_plan("a.example")) as box:
        for port in range(1, 401):
            box.ask("192.0.2.1", port)
        seen = box.stop()
    assert (seen.usage.refused, len(seen.events), seen.complete) == (400, 200, False)


def test_wishes_that_nobody_reads_the_verdicts_of():
    """Init does not read for a while: the broker waits, loses nothing, and does not spin."""
    with sandbox(open_plan("a.example")) as box:
        box.init.setblocking(False)
        sent, patience = 0, time.monotonic() + 1
        while sent < 20_000 and time.monotonic() < patience:
            try:
                box.wish("192.0.2.1", 80)
            except BlockingIOError:
                box._next -= 1
                time.sleep(0.001)
                continue
            sent, patience = sent + 1, time.monotonic() + 1
        assert sent < 20_000  # it does not pile up verdicts without end
        time.sleep(0.2)
        before = time.process_time()
        time.sleep(0.5)
        assert time.process_time() - before < 0.25
        box.init.settimeout(10)
        for number in range(1, sent + 1):
            assert box.verdict(number) == errno.ECONNREFUSED


def highest_descriptor():
    return max(int(entry.name) for entry in Path("/proc/self/fd").iterdir())


@contextlib.contextmanager
def few_descriptors(free):
    """This process can open only so many more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = highest_descriptor()
    fillers = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 1 + free, hard))
    try:
        with contextlib.suppress(OSError):
            while True:
                fillers.append(os.open("/dev/null", os.O_RDONLY))
        for _ in range(free):
            os.close(fillers.pop())
        yield
    finally:
        for filler in fillers:
            os.close(filler)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_without_descriptors_it_neither_breaks_nor_spins():
    plan = open_plan(
        "127.0.0.1",
        "9.9.9.9",
        is_own=lambda address: str(address) != "127.0.0.1" and is_own_address(address),
    )
    with server(echo) as port, sandbox(plan) as box:
        dripping = socket.socket()
        job = socket.create_connection(box.relay.getsockname())
        end, _ = box.relay.accept()
        granted = box.wish("127.0.0.1", port)
        assert box.verdict(granted) == 0
        with few_descriptors(0):
            dripping.connect(box.dns_tcp)  # in the queue; nobody can accept it
            assert box.ask("127.0.0.1", port) == errno.ECONNREFUSED
            assert box.ask("9.9.9.9", 53) == errno.ECONNREFUSED  # granted, not even judged
            box.send_socket(granted, end.fileno())  # comes without its descriptor
            before = time.process_time()
            time.sleep(0.6)
            assert time.process_time() - before < 0.3
        end.close()
        job.settimeout(5)
        with contextlib.suppress(ConnectionError):
            assert job.recv(1) == b""
        with box.connect("127.0.0.1", port) as again:
            again.sendall(b"x")
            assert again.recv(1) == b"x"
        wire = packet(rest=b"\x09localhost\0\0\1\0\1")
        dripping.settimeout(5)
        dripping.sendall(struct.pack("!H", len(wire)) + wire)
        assert dripping.recv(2)
        dripping.close()
        job.close()
        seen = box.stop()
    assert [each.outcome for each in seen.usage.connections] == ["dropped", "failed", "closed"]
    assert {event.detail["outcome"] for event in seen.events} == {"failed"}


def test_the_soft_limit_is_raised_and_bounds_what_is_open():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    low = highest_descriptor() + 40
    resource.setrlimit(resource.RLIMIT_NOFILE, (low, hard))
    try:
        with sandbox(open_plan("127.0.0.1", limits=NetLimits(open_connections=300))):
            assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] >= min(hard, 600)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_server_that_never_reads_holds_nothing_up():
    release = threading.Event()
    with (
        server(lambda connection: release.wait(20)) as port,
        sandbox(open_plan("127.0.0.1", drain_s=0.5)) as box,
    ):
        job = box.connect("127.0.0.1", port)
        job.settimeout(1)
        with contextlib.suppress(TimeoutError):
            while True:
                job.send(b"x" * (1 << 20))
        with box.connect("127.0.0.1", port) as other:
            other.sendall(b"y")
        began = time.monotonic()
        seen = box.stop()
        assert time.monotonic() - began < 5
        release.set()
        job.close()
    assert seen.usage.connections[0].outcome == "cut"
    assert seen.usage.connections[0].sent_bytes < 100 << 20


def test_a_job_that_never_reads_holds_nothing_up():
    def pour(connection):
        while True:
            connection.sendall(b"x" * (1 << 20))

    with server(pour) as port, sandbox(open_plan("127.0.0.1", drain_s=0.5)) as box:
        jobs = [box.connect("127.0.0.1", port) for _ in range(8)]
        time.sleep(0.5)
        began = time.monotonic()
        for job in jobs:
            job.close()
        box.stop()
        assert time.monotonic() - began < 5


def test_what_the_job_sent_last_still_arrives():
    """It writes and dies at once; the server is slow to read."""
    got = []

    def slow(connection):
        time.sleep(0.3)
        data = b""
        while part := connection.recv(1 << 16):
            data += part
        got.append(data)

    with server(slow) as port, sandbox(open_plan("127.0.0.1")) as box:
        job = box.connect("127.0.0.1", port)
        content = os.urandom(300_000)
        job.sendall(content)
        job.close()
        box.init.shutdown(socket.SHUT_RDWR)
        seen = box.stop()
    assert got == [content]
    assert seen.usage.connections[0].outcome == "closed"


def test_half_close_of_the_server_first():
    got = []

    def farewell(connection):
        connection.sendall(b"bye")
        connection.shutdown(socket.SHUT_WR)
        while part := connection.recv(100):
            got.append(part)

    with server(farewell) as port, sandbox(open_plan("127.0.0.1")) as box:
        with box.connect("127.0.0.1", port) as job:
            assert job.recv(100) == b"bye"
            assert job.recv(100) == b""
            job.sendall(b"still here")
        seen = box.stop()
    assert b"".join(got) == b"still here"
    assert seen.usage.connections[0].outcome == "closed"


def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def test_a_reset_of_the_server_reaches_the_job():
    def rude(connection):
        connection.recv(1)
        reset(connection)

    with server(rude) as port, sandbox(open_plan("127.0.0.1")) as box:
        with box.connect("127.0.0.1", port) as job:
            job.sendall(b"x")
            with pytest.raises(ConnectionResetError):
                job.recv(1)
        assert box.stop().usage.connections[0].outcome == "reset"


def test_a_reset_of_the_job_reaches_the_server():
    seen = []

    def watch(connection):
        connection.sendall(b"x")
        try:
            seen.append(connection.recv(1))
        except OSError as error:
            seen.append(error.errno)

    with server(watch) as port, sandbox(open_plan("127.0.0.1")) as box:
        job = box.connect("127.0.0.1", port)
        assert job.recv(1) == b"x"
        reset(job)
        deadline = time.monotonic() + 5
        while not seen and time.monotonic() < deadline:
            time.sleep(0.01)
        assert box.stop().usage.connections[0].outcome == "reset"
    assert seen == [errno.ECONNRESET]


def test_an_answer_before_the_server_hangs_up_is_not_lost():
    """A server that refuses an upload: says so, and closes with the upload unread."""

    def refuse(connection):
        connection.recv(10)
        connection.sendall(b"413 too large")
        connection.shutdown(socket.SHUT_WR)
        time.sleep(0.2)
        reset(connection)

    with (
        server(refuse) as port,
        sandbox(open_plan("127.0.0.1")) as box,
        box.connect("127.0.0.1", port) as job,
    ):
        job.sendall(b"x" * 50_000)
        assert job.recv(100) == b"413 too large"


@pytest.mark.parametrize("moment", ["at once", "wish", "verdict", "flow"])
def test_init_may_go_at_any_moment(moment):
    with server(echo) as port:
        box = Sandbox(open_plan("127.0.0.1", drain_s=0.5))
        job = None
        if moment == "wish":
            box.wish("127.0.0.1", port)
        elif moment == "verdict":
            box.ask("127.0.0.1", port)
        elif moment == "flow":
            job = box.connect("127.0.0.1", port)
        box.init.close()
        if job is not None:
            job.sendall(b"x")
            assert job.recv(1) == b"x"  # what is open goes on until the run is over
            job.close()
        time.sleep(0.1)
        began = time.monotonic()
        seen = box.stop()
        assert time.monotonic() - began < 3
        box.close()
    outcomes = {"verdict": ["dropped"], "flow": ["closed"], "at once": []}
    if moment in outcomes:
        assert [each.outcome for each in seen.usage.connections] == outcomes[moment]


def test_a_wish_that_is_dropped_closes_its_connection():
    hung_up = threading.Event()

    def wait(connection):
        if not connection.recv(1):
            hung_up.set()

    with server(wait) as port, sandbox(open_plan("127.0.0.1")) as box:
        number = box.wish("127.0.0.1", port)
        assert box.verdict(number) == 0
        box.drop(number)
        assert hung_up.wait(5)
        assert box.stop().usage.connections[0].outcome == "dropped"


def _pipe():
    read, write = os.pipe()
    os.close(write)
    return read


def _socket(*kind):
    return socket.socket(*kind).detach()


WRONG = {
    "a pipe": lambda: [_pipe()],
    "a datagram socket": lambda: [_socket(socket.AF_INET, socket.SOCK_DGRAM)],
    "a unix socket": lambda: [_socket(socket.AF_UNIX, socket.SOCK_STREAM)],
    "two sockets": lambda: [_socket(), _socket()],
}


@pytest.mark.parametrize("what", WRONG)
def test_only_tcp_sockets_are_taken(what):
    with server(echo) as port:
        box = Sandbox(open_plan("127.0.0.1"))
        number = box.wish("127.0.0.1", port)
        assert box.verdict(number) == 0
        descriptors = WRONG[what]()
        box.send_socket(number, *descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        box.await_kill()
        with pytest.raises(BackendFailed, match="does not speak the protocol"):
            box.stop()
        box.close()


@pytest.mark.parametrize(
    "data",
    [
        b"?",
        b"C",
        b"S" + b"\0" * 6,
        struct.pack("<B3xI", ord("S"), 9),
        struct.pack("<B3xI", ord("D"), 9),
        struct.pack("<BBBBIIH16s", ord("C"), 5, 0, 0, 1, 1, 80, b""),
        b"C" * 64,
        b"C" * 65,
    ],
)
def test_an_init_that_talks_nonsense_is_a_failure_of_the_sandbox(data):
    box = Sandbox(open_plan("127.0.0.1"))
    box.init.send(data)
    box.await_kill()
    with pytest.raises(BackendFailed, match="does not speak the protocol"):
        box.stop()
    box.close()


def test_a_wish_comes_once():
    with server(echo) as port:
        box = Sandbox(open_plan("127.0.0.1"))
        box.ask("127.0.0.1", port)
        box._next -= 1
        box.wish("127.0.0.1", port)
        box.await_kill()
        with pytest.raises(BackendFailed, match="came before"):
            box.stop()
        box.close()


def test_other_sockets_than_agreed_are_not_served():
    broker = Broker(make_plan("a.example"))
    pair = socket.socketpair()
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with pytest.raises(BackendFailed, match="does not speak the protocol"):
        broker.start(pair[0], udp, socket.socket(), time.monotonic())
    assert (pair[0].fileno(), udp.fileno()) == (-1, -1)
    pair[1].close()
    with pytest.raises(BackendFailed, match="never started"):
        broker.stop()


def test_a_defect_of_ours_ends_the_job_and_is_told():
    def broken(_address):
        raise ZeroDivisionError("a defect")

    box = Sandbox(open_plan("9.9.9.9", is_own=broken))
    box.wish("9.9.9.9", 80)
    box.await_kill()
    with pytest.raises(BackendFailed, match="ZeroDivisionError: a defect"):
        box.stop()
    box.close()


def test_stop_does_not_wait_for_those_who_do_not_answer():
    silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    silent.bind(("127.0.0.1", 0))
    resolver = f"127.0.0.1:{silent.getsockname()[1]}"
    plan = open_plan("a.example", "198.51.100.1", resolver=resolver, special=(), dial_s=60.0)
    with sandbox(plan) as box:
        box.wish("198.51.100.1", 80)
        query = packet(rest=b"\x01a\x07example\0\0\1\0\1")
        box.raw(query, wait_s=0.2)
        with socket.create_connection(box.dns_tcp) as client:
            client.sendall(struct.pack("!H", len(query)) + query)
            time.sleep(0.2)
            began = time.monotonic()
            box.stop()
            assert time.monotonic() - began < 2
    silent.close()


def test_much_both_ways_arrives_whole():
    size = 48 << 20
    block = os.urandom(1 << 20)
    wanted = hashlib.sha256(block * (size >> 20)).hexdigest()
    theirs = hashlib.sha256()

    def both(connection):
        def pour():
            for _ in range(size >> 20):
                connection.sendall(block)
            connection.shutdown(socket.SHUT_WR)

        sender = threading.Thread(target=pour)
        sender.start()
        while part := connection.recv(1 << 18):
            theirs.update(part)
        sender.join(30)

    with server(both) as port, sandbox(open_plan("127.0.0.1")) as box:
        with box.connect("127.0.0.1", port) as job:

            def pour():
                for _ in range(size >> 20):
                    job.sendall(block)
                job.shutdown(socket.SHUT_WR)

            sender = threading.Thread(target=pour)
            sender.start()
            ours = hashlib.sha256()
            while part := job.recv(1 << 18):
                ours.update(part)
            sender.join(30)
        (told,) = box.stop().usage.connections
    assert (ours.hexdigest(), theirs.hexdigest()) == (wanted, wanted)
    assert (told.sent_bytes, told.received_bytes, told.outcome) == (size, size, "closed")


def test_thousands_of_connections():
    with server(echo) as port, sandbox(open_plan("127.0.0.1")) as box:
        for _ in range(15):
            jobs = [box.connect("127.0.0.1", port) for _ in range(100)]
            for number, job in enumerate(jobs):
                job.sendall(b"%d" % number)
            for number, job in enumerate(jobs):
                assert job.recv(10) == b"%d" % number
                job.close()
        seen = box.stop()
    assert (seen.usage.connections_total, len(seen.usage.connections)) == (1500, 1000)
    assert seen.usage.failed == 0
    assert 100 <= seen.usage.open_peak <= 256


def test_an_address_of_this_machine_is_known_as_its_own():
    from ipaddress import ip_address

    assert is_own_address(ip_address("127.0.0.1"))
    assert not is_own_address(ip_address("9.9.9.9"))
    assert not is_own_address(ip_address("2620:fe::9"))
