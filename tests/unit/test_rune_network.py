"""What init hands over for a network, and how it reaches the broker."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from struct import pack
from typing import Any

import pytest

from magicrune.backends.rune.channel import Channel
from magicrune.backends.rune.container import GATE, SHARED_TEXTS
from magicrune.backends.rune.network import DESCRIPTORS, Network, add_network, brokering
from magicrune.backends.rune.record import job_record
from magicrune.backends.rune.session import converse
from magicrune.errors import BackendFailed
from magicrune.netrule import NetRule
from magicrune.spec import ContainerSpec
from tests.conftest import make_spec as plain_spec

RULE = NetRule.parse("192.0.2.1:80")


def make_spec(cmd: str, **network: tuple[NetRule, ...]) -> ContainerSpec:
    return replace(plain_spec(cmd), **network)  # type: ignore[arg-type]


def frame(kind: str, payload: bytes = b"") -> bytes:
    return pack("<BI", ord(kind), len(payload)) + payload


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    yield ours, theirs
    ours.close()
    theirs.close()


def soon() -> float:
    return time.monotonic() + 10


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208


def handed_over(theirs: socket.socket, count: int = DESCRIPTORS) -> None:
    """As init does it: frame B, with the descriptors."""
    pairs = [socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in range(count)]
    socket.send_fds(theirs, [frame("B")], [one.fileno() for one, _ in pairs])
    for one, other in pairs:
        one.close()
        other.close()


def test_the_record_asks_for_a_network_only_where_one_is_granted() -> None:
    assert b"net" not in job_record(make_spec("true"))
    assert job_record(make_spec("true", net=(RULE,))).count(b"net=1\0") == 1
    record = job_record(make_spec("true", host_loopback=(NetRule.parse("127.0.0.1:80"),)))
    assert b"net=1\0net_loopback=1\0" in record


def test_the_job_is_told_our_name_server_and_no_other() -> None:
    assert f"nameserver {GATE[0]}\n" == SHARED_TEXTS["resolv.conf"]


def test_descriptors_come_with_the_frame(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    before = open_descriptors()
    channel = Channel(ours, descriptors=DESCRIPTORS)
    theirs.sendall(frame("R", b"{}"))
    handed_over(theirs)
    assert [channel.next(soon()).kind for _ in range(2)] == ["R", "B"]  # type: ignore[union-attr]
    taken = channel.take_descriptors()
    assert len(taken) == DESCRIPTORS
    assert channel.take_descriptors() == ()
    for descriptor in taken:
        os.close(descriptor)
    assert open_descriptors() == before


@pytest.mark.parametrize("awaited", [0, DESCRIPTORS])
def test_descriptors_that_nobody_takes_are_closed(
    pair: tuple[socket.socket, socket.socket], awaited: int
) -> None:
    ours, theirs = pair
    before = open_descriptors()
    channel = Channel(ours, descriptors=awaited)
    handed_over(theirs)
    handed_over(theirs)  # more than were awaited
    theirs.close()
    while channel.next(soon()) is not None:
        pass
    assert len(channel._descriptors) == awaited
    channel.close()
    assert open_descriptors() == before - 2


def test_a_network_without_its_sockets_does_not_start(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = pair
    theirs.sendall(frame("R", b'{"protocol":1}') + frame("C", b"{}") + frame("C", b"{}"))

    def approve(container: Any, job: Any) -> None:
        assert job is None  # the container alone is judged

    with pytest.raises(BackendFailed, match="wanted 'B'"):
        converse(Channel(ours, descriptors=3), make_spec("true", net=(RULE,)), approve)


def sockets_of(address: tuple[str, int]) -> tuple[int, ...]:
    stream, _other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    for each in (datagrams, listener):
        each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        each.bind(address)
    listener.listen()
    _other.close()
    return stream.detach(), datagrams.detach(), listener.detach()


def test_what_is_handed_over_is_looked_at() -> None:
    with brokering(make_spec("true", net=(RULE,))) as network:
        assert network is not None
        reading = network.receive(sockets_of(("127.0.0.53", 0)))
    assert not reading.held  # another port than the job's resolver asks at
    with brokering(make_spec("true", net=(RULE,))) as network:
        assert network is not None
        first, second, third = sockets_of(("127.0.0.53", 0))
        reading = network.receive((second, first, third))
    assert not reading.held
    with pytest.raises(BackendFailed, match="2 sockets"):
        Network(make_spec("true", net=(RULE,))).receive(os.pipe())


def test_nothing_is_left_of_a_network_that_never_began() -> None:
    before = open_descriptors()
    with brokering(make_spec("true", net=(RULE,))) as network:
        assert network is not None
        network.receive(sockets_of(("127.0.0.53", 0)))
    assert network.observation is None
    assert open_descriptors() == before
    seen: Any = object()
    assert add_network(seen, network) is seen


def test_without_a_network_there_is_none() -> None:
    with brokering(make_spec("true")) as network:
        assert network is None
