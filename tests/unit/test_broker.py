"""The broker against real servers: what passes, what does not, and how it is told."""

from __future__ import annotations

import errno
import socket
import subprocess
import sys
import threading
import time

import pytest

from magicrune.observation import EventKind
from magicrune.spec import NetLimits
from tests.broker_world import (
    dns_server,
    echo,
    make_plan,
    open_descriptors,
    open_plan,
    sandbox,
    server,
)


def details(seen, kind=EventKind.CONNECT):
    return [dict(event.detail) for event in seen.events if event.kind is kind]


def test_a_granted_name_is_reached_and_recorded():
    zone = {("api.example", "A"): ["127.0.0.1"]}
    with (
        server(echo) as port,
        dns_server(zone) as (resolver, asked),
        sandbox(open_plan(f"api.example:{port}", resolver=resolver)) as box,
    ):
        (address,) = box.resolve("api.example")
        assert address == "198.18.0.1"
        assert box.resolve("API.example.", "AAAA") == ["fdff:6d61:6769:63::1"]
        for target in (address, "fdff:6d61:6769:63::1"):
            with box.connect(target, port) as job:
                job.sendall(b"hello")
                assert job.recv(100) == b"hello"
                job.shutdown(socket.SHUT_WR)
                assert job.recv(100) == b""
        seen = box.stop()
    first = seen.usage.connections[0]
    assert (first.name, first.address, first.port) == ("api.example", "127.0.0.1", port)
    assert (first.sent_bytes, first.received_bytes, first.outcome) == (5, 5, "closed")
    assert (seen.usage.connections_total, seen.usage.names, seen.usage.queries) == (2, 1, 2)
    assert (seen.usage.sent_bytes, seen.usage.received_bytes, seen.usage.open_peak) == (10, 10, 1)
    assert (seen.events, seen.complete, seen.limit) == ((), True, None)
    assert sorted(asked) == [("api.example", "A"), ("api.example", "AAAA")]


def test_another_port_or_name_is_refused_and_told():
    zone = {("api.example", "A"): ["127.0.0.1"], ("evil.example", "A"): ["127.0.0.1"]}
    with (
        server(echo) as port,
        dns_server(zone) as (resolver, asked),
        sandbox(open_plan(f"api.example:{port}", resolver=resolver)) as box,
    ):
        (address,) = box.resolve("api.example")
        assert box.ask(address, port + 1) == errno.ECONNREFUSED
        others = ("evil.example", "xapi.example", "api.example.evil.example", "a.api.example")
        for name in (*others, "xn--pi-7kc.example"):  # the last with a Cyrillic letter
            with pytest.raises(LookupError, match="NXDOMAIN"):
                box.resolve(name)
        with pytest.raises(LookupError, match="NXDOMAIN"):
            box.resolve("evil.example", "TXT")
        assert box.resolve("api.example", "TXT") == []
        assert box.ask("198.18.0.2", port) == errno.ECONNREFUSED
        seen = box.stop()
    assert {name for name, _ in asked} == {"api.example"}
    told = details(seen)
    assert told[0] == {
        "op": "connect",
        "host": "api.example",
        "port": port + 1,
        "type": "stream",
        "outcome": "refused",
        "reason": "no entry names it",
        "missing": f"api.example:{port + 1}",
    }
    assert {each["missing"] for each in told[1:6]} > {"evil.example", "a.api.example"}
    assert "stands for a name" in told[-1]["reason"]
    assert (seen.usage.refused, seen.usage.connections_total) == (8, 0)


@pytest.mark.parametrize("rule", ["127.0.0.1", "127.0.0.0/8"])
def test_a_literal_is_judged_by_address_and_port(rule):
    with server(echo) as port, sandbox(open_plan(f"{rule}:{port}")) as box:
        with box.connect("127.0.0.1", port) as job:
            job.sendall(b"x")
            assert job.recv(1) == b"x"
        with box.connect("::ffff:127.0.0.1", port) as job:
            job.sendall(b"y")
            assert job.recv(1) == b"y"
        assert box.ask("127.0.0.1", port + 1) == errno.ECONNREFUSED
        assert box.ask("169.254.169.254", 80) == errno.ECONNREFUSED
        seen = box.stop()
    assert [each["missing"] for each in details(seen)] == [
        f"127.0.0.1:{port + 1}",
        "169.254.169.254:80",
    ]
    assert "link-local, metadata" in details(seen)[1]["reason"]


def test_wide_rules_open_nothing_special():
    """The positive control: the same server is reached where its range is none of the special."""
    with server(echo) as port:
        with sandbox(make_plan("0.0.0.0/0", "::/0")) as box:
            assert box.ask("127.0.0.1", port) == errno.ECONNREFUSED
            assert box.ask("::ffff:127.0.0.1", port) == errno.ECONNREFUSED
            assert box.ask("fd00:ec2::254", 80) == errno.ECONNREFUSED
        with sandbox(open_plan("0.0.0.0/0")) as box:
            assert box.ask("127.0.0.1", port) == 0


def test_the_executors_own_address_needs_an_exact_entry():
    from magicrune.netrule import NetRule

    own = {"is_own": lambda address: str(address) == "127.0.0.1"}
    exact = (NetRule.parse("127.0.0.1"),)
    with server(echo) as port:
        with sandbox(open_plan("127.0.0.0/8", **own)) as box:
            assert box.ask("127.0.0.1", port) == errno.ECONNREFUSED
            assert "executor's own" in details(box.stop())[0]["reason"]
        with sandbox(open_plan("127.0.0.1", net_exact=exact, **own)) as box:
            assert box.ask("127.0.0.1", port) == 0


def test_the_executors_loopback_only_by_its_own_key():
    with (
        server(echo) as port,
        server(echo) as other,
        sandbox(make_plan(loopback=(f"127.0.0.1:{port}",))) as box,
    ):
        with box.connect("127.0.0.1", port, loopback=True) as job:
            job.sendall(b"in")
            assert job.recv(2) == b"in"
        assert box.ask("127.0.0.1", other, loopback=True) == -1
        assert box.ask("0.0.0.0", port, loopback=True) == -1
        assert box.ask("127.0.0.1", other) == errno.ECONNREFUSED


def test_rebinding_reaches_only_what_may_be_reached():
    """A name that leads to a plain and to special addresses, or to special ones only."""
    zone = {
        ("both.example", "A"): ["10.255.255.1", "127.0.0.1", "169.254.169.254"],
        ("inside.example", "A"): ["10.255.255.1"],
        ("inside.example", "AAAA"): ["fd00:ec2::254", "::ffff:169.254.169.254"],
        ("mapped.example", "AAAA"): ["::ffff:127.0.0.1"],
        ("alias.example", "CNAME"): ["inside.example"],
    }
    names = ("both.example", "inside.example", "mapped.example", "alias.example")
    with (
        server(echo) as port,
        dns_server(zone) as (resolver, _),
        sandbox(open_plan(*names, resolver=resolver)) as box,
    ):
        assert box.ask(box.resolve("both.example")[0], port) == 0
        assert box.ask(box.resolve("mapped.example")[0], port) == 0
        assert box.ask(box.resolve("inside.example")[0], port) == errno.ECONNREFUSED
        assert box.ask(box.resolve("alias.example")[0], port) == errno.ECONNREFUSED
        seen = box.stop()
    dialled = [each for each in seen.usage.connections if each.name == "both.example"]
    assert [each.address for each in dialled] == ["127.0.0.1"]
    told = details(seen)
    assert {(each["host"], each["missing"]) for each in told} >= {
        ("inside.example", f"10.255.255.1:{port}"),
        ("inside.example", f"[fd00:ec2::254]:{port}"),
        ("inside.example", f"169.254.169.254:{port}"),
        ("alias.example", f"10.255.255.1:{port}"),
    }
    assert seen.usage.connections_total == 2


def test_a_special_address_behind_a_name_needs_an_entry():
    zone = {("db.example", "A"): ["127.0.0.1"]}
    with server(echo) as port, dns_server(zone) as (resolver, _):
        closed = make_plan("db.example", resolvers=(resolver,))
        with sandbox(closed) as box:
            assert box.ask(box.resolve("db.example")[0], port) == errno.ECONNREFUSED
            assert "unsafe_host_loopback" in details(box.stop())[0]["reason"]


def test_errors_of_the_dial_are_those_of_connect():
    zone = {("gone.example", "A"): ["!SERVFAIL"], ("gone.example", "AAAA"): ["!SERVFAIL"]}
    with socket.create_server(("127.0.0.1", 0)) as listener:
        closed = listener.getsockname()[1]
    with (
        dns_server(zone) as (resolver, _),
        sandbox(open_plan("127.0.0.1", "gone.example", resolver=resolver)) as box,
    ):
        assert box.ask("127.0.0.1", closed) == errno.ECONNREFUSED
        with pytest.raises(LookupError, match="SERVFAIL"):
            box.resolve("gone.example")
        assert box.ask("198.18.0.1", 80) == errno.EHOSTUNREACH
        seen = box.stop()
    assert {each["outcome"] for each in details(seen)} == {"failed"}
    assert (seen.usage.failed, seen.usage.refused) == (2, 0)
    assert {each.outcome for each in seen.usage.connections} == {"failed"}


def test_a_name_that_does_not_exist_is_told_so():
    zone = {("empty.example", "TXT"): ["x"]}
    with (
        dns_server(zone) as (resolver, _),
        sandbox(open_plan("*.example.org", "empty.example", resolver=resolver)) as box,
    ):
        with pytest.raises(LookupError, match="NXDOMAIN"):
            box.resolve("no.example.org")
        assert box.resolve("empty.example") == []
        assert box.resolve("empty.example", "AAAA") == []
        assert details(box.stop()) == []


def test_silence_ends_in_a_timeout(monkeypatch):
    full = socket.socket()
    full.bind(("127.0.0.1", 0))
    full.listen(0)
    port = full.getsockname()[1]
    fillers = []
    for _ in range(3):  # a full queue drops the next SYN
        filler = socket.socket()
        filler.setblocking(False)
        filler.connect_ex(("127.0.0.1", port))
        fillers.append(filler)
    with sandbox(open_plan("127.0.0.1", dial_s=0.5)) as box:
        began = time.monotonic()
        assert box.ask("127.0.0.1", port) == errno.ETIMEDOUT
        assert time.monotonic() - began < 5
    for each in (full, *fillers):
        each.close()


def test_the_other_family_is_tried_beside_one_that_is_dead():
    zone = {("two.example", "A"): ["127.0.0.1"], ("two.example", "AAAA"): ["::1"]}
    with (
        server(echo) as port,
        dns_server(zone) as (resolver, _),
        sandbox(open_plan("two.example", resolver=resolver)) as box,
    ):
        address = box.resolve("two.example", "AAAA")[0]
        with box.connect(address, port) as job:
            job.sendall(b"x")
            assert job.recv(1) == b"x"


@pytest.mark.parametrize("asked", ["localhost", "a.localhost", "LOCALHOST.", "magicrune"])
def test_the_machine_itself_is_loopback(asked):
    with sandbox(open_plan("a.example")) as box:
        assert box.resolve(asked) == ["127.0.0.1"]
        assert box.resolve(asked, "AAAA") == ["::1"]
        assert box.resolve(asked, "TXT") == []
        assert box.stop().events == ()


def test_reverse_names_are_no_wish():
    zone = {("api.example", "A"): ["127.0.0.1"]}
    with (
        dns_server(zone) as (resolver, asked),
        sandbox(open_plan("api.example", resolver=resolver)) as box,
    ):
        box.resolve("api.example")
        assert box.resolve("1.0.18.198.in-addr.arpa", "PTR") == ["api.example."]
        assert box.resolve("1.0.0.127.in-addr.arpa", "PTR") == ["localhost."]
        for name in ("8.8.8.8.in-addr.arpa", "9.0.18.198.in-addr.arpa"):
            with pytest.raises(LookupError, match="NXDOMAIN"):
                box.resolve(name, "PTR")
        assert box.stop().events == ()
    assert {name for name, _ in asked} == {"api.example"}


def test_many_at_once_ask_upstream_once():
    zone = {("api.example", "A"): ["127.0.0.1"]}
    with (
        dns_server(zone, delay_s=0.1) as (resolver, asked),
        sandbox(open_plan("api.example", resolver=resolver)) as box,
    ):
        threads = [threading.Thread(target=box.resolve, args=("api.example",)) for _ in range(9)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
    assert len(asked) == 2


def test_nothing_is_left_behind():
    before, threads = open_descriptors(), threading.active_count()
    zone = {("api.example", "A"): ["127.0.0.1"]}
    for _ in range(3):
        with (
            server(echo) as port,
            dns_server(zone) as (resolver, _),
            sandbox(open_plan("api.example", resolver=resolver)) as box,
        ):
            job = box.connect(box.resolve("api.example")[0], port)
            job.sendall(b"x")
            box.query("api.example", tcp=True)
            box.ask(box.resolve("api.example")[0], port)  # dialled, never handed over
            job.close()
    deadline = time.monotonic() + 5
    while threading.active_count() > threads and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() == threads
    assert open_descriptors() == before


LIMITED = [
    (NetLimits(connections=1), "net_connections"),
    (NetLimits(names=0), "net_names"),
    (NetLimits(queries=1), "net_queries"),
    (NetLimits(sent_bytes=3), "net_sent_bytes"),
    (NetLimits(received_bytes=3), "net_received_bytes"),
]


@pytest.mark.parametrize(("limits", "told"), LIMITED)
def test_past_a_limit_the_job_is_ended(limits, told):
    got = bytearray()

    def keep(connection):
        while data := connection.recv(100):
            got.extend(data)
            connection.sendall(data)

    zone = {("api.example", "A"): ["127.0.0.1"]}
    with server(keep) as port, dns_server(zone) as (resolver, _):
        plan = open_plan("api.example", "127.0.0.1", resolver=resolver, limits=limits)
        with sandbox(plan) as box:
            with box.connect("127.0.0.1", port) as job:
                job.sendall(b"abc")
                assert job.recv(3) == b"abc"
                if told.endswith("bytes"):
                    job.sendall(b"d")
                elif told == "net_connections":
                    assert box.ask("127.0.0.1", port) == errno.ECONNREFUSED
                else:
                    box.raw(b"x" * 20, wait_s=0.1)
                    if told == "net_names":
                        assert box.query("api.example").rcode() != 0
                    else:
                        box.raw(b"x" * 20, wait_s=0.1)
                box.await_kill()
            seen = box.stop()
    assert seen.limit == told
    assert details(seen, EventKind.LIMIT) == [{"limit": told}]
    assert seen.counts[EventKind.LIMIT] == 1
    assert bytes(got) == (b"abcd" if told == "net_received_bytes" else b"abc")


def test_open_connections_are_bounded_not_ended():
    with (
        server(echo) as port,
        sandbox(open_plan("127.0.0.1", limits=NetLimits(open_connections=2))) as box,
    ):
        jobs = [box.connect("127.0.0.1", port) for _ in range(2)]
        for _ in range(3):
            assert box.ask("127.0.0.1", port) == errno.ECONNREFUSED
        jobs.pop().close()
        deadline = time.monotonic() + 5
        while box.ask("127.0.0.1", port) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert time.monotonic() < deadline
        jobs.pop().close()
        seen = box.stop()
    assert (seen.limit, seen.usage.open_peak) == (None, 2)
    assert details(seen, EventKind.LIMIT) == [{"limit": "net_open_connections"}]
    assert seen.counts[EventKind.LIMIT] >= 3


def test_a_family_that_nobody_answers_for_holds_up_nothing():
    zone = {("half.example", "A"): ["127.0.0.1"], ("half.example", "AAAA"): ["!DROP"]}
    zone |= {("none.example", "A"): ["!DROP"], ("none.example", "AAAA"): ["!DROP"]}
    with (
        server(echo) as port,
        dns_server(zone) as (resolver, _),
        sandbox(open_plan("half.example", "none.example", resolver=resolver)) as box,
    ):
        began = time.monotonic()
        assert box.ask(box.resolve("half.example")[0], port) == 0
        assert time.monotonic() - began < 1  # resolve_s is 2
        with pytest.raises(LookupError, match="SERVFAIL"):
            box.resolve("none.example")


def test_who_does_not_wait_is_told_that_it_is_dialled_where_that_takes_time():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        closed = listener.getsockname()[1]
    with (
        server(echo) as port,
        socket.socket() as busy,
        socket.socket() as filler,
        sandbox(open_plan("127.0.0.1")) as box,
    ):
        # What is known at once is told at once, with its errno.
        good = box.wish("127.0.0.1", port, non_blocking=True)
        assert (box.verdict(good), box.dialling) == (0, [])
        failed = box.wish("127.0.0.1", closed, non_blocking=True)
        assert (box.verdict(failed), box.dialling) == (errno.ECONNREFUSED, [])
        refused = box.wish("127.0.0.2", port, non_blocking=True)
        assert (box.verdict(refused), box.dialling) == (errno.ECONNREFUSED, [])
        busy.bind(("127.0.0.1", 0))
        busy.listen(0)
        filler.connect(busy.getsockname())  # who knocks now gets no answer
        slow = box.wish("127.0.0.1", busy.getsockname()[1], non_blocking=True)
        box.wish("127.0.0.1", busy.getsockname()[1])  # waits, so it is not told
        deadline = time.monotonic() + 10
        while not box.dialling and time.monotonic() < deadline:
            assert box.verdict(box.wish("127.0.0.1", port)) == 0
        assert box.dialling == [slow]


@pytest.mark.parametrize("kind", ["TXT", "NULL", "MX", "ANY", "HTTPS", "TYPE65280"])
def test_only_addresses_are_asked_upstream(kind):
    zone = {("api.example", "TXT"): ["x"]}
    with (
        dns_server(zone) as (resolver, asked),
        sandbox(open_plan("api.example", resolver=resolver)) as box,
    ):
        assert box.resolve("api.example", kind) == []
        assert asked == []
        assert box.resolve("api.example") == []
        assert {each for _, each in asked} == {"A", "AAAA"}


def test_a_run_without_a_network_loads_none_of_it():
    script = (
        "import sys; import magicrune.pipeline, magicrune.backends.rune.backend as backend;"
        "print([each for each in sys.modules if each.split('.')[0] in ('dns', 'asyncio')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
