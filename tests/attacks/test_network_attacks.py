"""Attempts to get past the network allowlist. The verdict is taken where a packet would arrive.

Each probe has its positive control: the same program in a container on a plain bridge reaches
the same place. Else the probe proves nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from magicrune.broker.judge import Judge
from magicrune.observation import Ending, EventKind, Observation
from magicrune.spec import NetLimits
from tests.attacks.network_probes import HEAD, PROBES, TUNNEL, Probe
from tests.engines import container_backend
from tests.internet.addresses import METADATA4, METADATA6, ZONE
from tests.internet.internet import Internet, internet
from tests.internet.jobs import LANES, names, net_spec, run_plain
from tests.internet.neighbour import Neighbour
from tests.internet.neighbour import neighbour as made_neighbour
from tests.internet.sniffer import Packet

_ICMP6 = 58
Attack = Callable[..., Observation]


@pytest.fixture(scope="module")
def net() -> Iterator[Internet]:
    with internet(sniff=True) as made:
        yield made


@pytest.fixture(params=LANES)
def attack(
    request: pytest.FixtureRequest, net: Internet, home: Any, monkeypatch: pytest.MonkeyPatch
) -> Attack:
    return attacker(request.param, net, monkeypatch)


def attacker(lane: str, net: Internet, monkeypatch: pytest.MonkeyPatch) -> Attack:
    """Runs a probe in a sandbox of that lane, with all counters at zero."""
    backend = container_backend(lane, monkeypatch)

    def run(code: str, **options: Any) -> Observation:
        allow = tuple(
            each.replace("SERVICE4", net.addresses.public4(12)) for each in options.pop("allow", ())
        )
        files = {"/workspace/probe.py": (names(net) + HEAD + code).encode()}
        spec = net_spec(net, "python3 probe.py", allow=allow, files=files, **options)
        net.clear()
        return backend.run(spec)

    return run


@pytest.fixture
def plain(net: Internet, home: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Runs a probe on the plain bridge, with all counters at zero."""
    container_backend("oci-runc", monkeypatch)

    def run(code: str, **options: Any) -> str:
        net.clear()
        return run_plain(net, names(net) + HEAD + code, **options)

    return run


def reached(net: Internet, probe: Probe, *, from_plain: bool) -> set[tuple[str, int | None]]:
    """Which of the probe's targets a packet came to."""
    packets = net.arrived(from_plain=None if probe.forged else from_plain)
    icmp = any(port is None for _, port in probe.targets(net.addresses))
    found: set[tuple[str, int | None]] = set()
    for target, port in probe.targets(net.addresses):
        found |= {
            (target, port)
            for each in packets
            if _same(each, target, port) and (icmp or each.protocol != _ICMP6)
        }
    return found


def _same(packet: Packet, target: str, port: int | None) -> bool:
    return packet.target == target and port in (None, packet.port)


@pytest.fixture
def crun(net: Internet, home: Any, monkeypatch: pytest.MonkeyPatch) -> Attack:
    return attacker("oci-crun", net, monkeypatch)


@pytest.mark.parametrize("name", PROBES)
def test_nothing_arrives(name: str, net: Internet, crun: Attack) -> None:
    probe = PROBES[name]
    seen = crun(probe.code, allow=probe.allow)
    assert seen.ending is Ending.EXITED, (seen.ending, seen.stderr[-500:])
    assert not reached(net, probe, from_plain=False), seen.stdout
    assert not net.host_tally.accepted


TOGETHER: dict[tuple[str, ...], list[str]] = {}
"""Probes by what is granted to them: on the slower engines one sandbox runs many."""
for each in PROBES:
    TOGETHER.setdefault(PROBES[each].allow, []).append(each)


@pytest.mark.parametrize("attack", LANES[1:], indirect=True)
@pytest.mark.parametrize("allow", TOGETHER, ids=lambda allow: TOGETHER[allow][0])
def test_nothing_arrives_by_many(allow: tuple[str, ...], net: Internet, attack: Attack) -> None:
    probes = {name: (HEAD + PROBES[name].code) for name in TOGETHER[allow]}
    code = f"""
import subprocess
for name, code in {probes!r}.items():
    done = subprocess.run([sys.executable, "-c", {names(net)!r} + code], capture_output=True)
    print(name, done.returncode, done.stderr[-300:], flush=True)
"""
    seen = attack(code, allow=allow)
    assert seen.ending is Ending.EXITED, (seen.ending, seen.stderr[-500:])
    lines = seen.stdout.decode().splitlines()
    assert [line.split()[:2] for line in lines] == [[name, "0"] for name in probes], lines
    for name in probes:
        assert not reached(net, PROBES[name], from_plain=False), (name, seen.stdout)
    assert not net.host_tally.accepted


@pytest.mark.parametrize("name", PROBES)
def test_the_probe_arrives_from_a_plain_bridge(
    name: str, net: Internet, plain: Callable[..., str]
) -> None:
    probe = PROBES[name]
    said = plain(probe.code)
    assert reached(net, probe, from_plain=True) == set(probe.targets(net.addresses)), said


REFUSED_AND_TOLD = {
    "ip_literal": ("other4", 80),
    "ip_literal6": ("other6", 80),
    "next_port": ("SERVICE4", 8091),
    "fast_open": ("other4", 80),
    "udp": ("other4", 8084),
}


@pytest.mark.parametrize("name", REFUSED_AND_TOLD)
def test_a_refusal_is_in_the_record(name: str, net: Internet, crun: Attack) -> None:
    seen = crun(PROBES[name].code, allow=PROBES[name].allow)
    host, port = REFUSED_AND_TOLD[name]
    address = net.addresses.public4(12) if host == "SERVICE4" else getattr(net.addresses, host)
    told = [each.detail for each in seen.events if each.kind is EventKind.CONNECT]
    assert any(
        each.get("address") == address
        and each.get("port") == port
        and each.get("outcome") == "refused"
        for each in told
    ), told


def secrets(net: Internet) -> list[Any]:
    return [each for each in net.zone.asked if "secret" in each.name.lower()]


def test_no_tunnel_by_dns(net: Internet, attack: Attack) -> None:
    seen = attack(TUNNEL, allow=(f"web.{ZONE}:80",))
    assert seen.ending is Ending.EXITED, seen.stderr
    assert not secrets(net)
    assert not {each for each in net.zone.asked if each.kind not in ("A", "AAAA")}


def test_a_tunnel_by_dns_from_a_plain_bridge(net: Internet, plain: Callable[..., str]) -> None:
    said = plain(TUNNEL)
    kinds = {each.kind for each in secrets(net)}
    assert {"A", "AAAA", "TXT", "NULL", "MX", "ANY"} <= kinds, said
    assert {each.transport for each in secrets(net)} == {"udp", "tcp"}


SPELLED = """
for name in ("wEb", "WEB", "WeB"):
    for _ in range(3):
        quiet(socket.getaddrinfo, f"{name}.NET.Example", 80)
"""


def test_spelling_carries_nothing_out(net: Internet, attack: Attack) -> None:
    """Letter case of a granted name would be a channel to whoever reads the resolver's log."""
    attack(SPELLED, allow=(f"web.{ZONE}:80",))
    assert net.zone.names_asked() == {f"web.{ZONE}"}


def test_spelling_arrives_from_a_plain_bridge(net: Internet, plain: Callable[..., str]) -> None:
    plain(SPELLED)
    assert len(net.zone.names_asked()) == 3


SPECIAL_BY_NAME = """
for kind in sorted(SPECIAL):
    quiet(lambda: tcp(socket.getaddrinfo(f"special-{kind}.{ZONE}", 80)[0][4][0], 80))
for kind, host in SPECIAL.items():
    quiet(tcp, host, 80)
for kind in ("local", "zero", "mappedlocal", "self"):
    for family in (2, 10):
        name = f"{kind}.{ZONE}"
        quiet(lambda: tcp(socket.getaddrinfo(name, 80, family)[0][4][0], HOST_PORT))
"""
SPECIAL_GRANTS = (
    *(f"{kind}.{ZONE}" for kind in ("local", "zero", "mappedlocal", "self", "multicast")),
    "0.0.0.0/0",
    "::/0",
)


def special_grants(net: Internet) -> tuple[str, ...]:
    return (*SPECIAL_GRANTS, *(f"special-{kind}.{ZONE}" for kind in net.addresses.special))


def special_reached(net: Internet, *, from_plain: bool) -> set[str]:
    packets = net.arrived(from_plain=from_plain)
    by_address = {text: kind for kind, text in net.addresses.special.items()}
    return {by_address[each.target] for each in packets if each.target in by_address}


def test_special_ranges_are_closed(net: Internet, attack: Attack) -> None:
    """By a granted name and by literal, under a rule for all addresses."""
    seen = attack(SPECIAL_BY_NAME, allow=special_grants(net))
    assert seen.ending is Ending.EXITED, seen.stderr
    assert special_reached(net, from_plain=False) == set()
    assert not net.host_tally.accepted


def test_special_ranges_are_there_from_a_plain_bridge(
    net: Internet, plain: Callable[..., str]
) -> None:
    said = plain(SPECIAL_BY_NAME)
    assert special_reached(net, from_plain=True) == set(net.addresses.special), said


METADATA = """
quiet(tcp, METADATA4, 80); quiet(tcp, METADATA6, 80)
quiet(tcp, "::ffff:" + METADATA4, 80)
for family in (2, 10):
    quiet(lambda: tcp(socket.getaddrinfo(f"meta.{ZONE}", 80, family)[0][4][0], 80))
"""


def test_metadata_is_closed(net: Internet, attack: Attack) -> None:
    with net.metadata():
        attack(METADATA, allow=(f"meta.{ZONE}", "0.0.0.0/0", "::/0"))
        assert not {each.target for each in net.arrived()} & {METADATA4, METADATA6}


def test_metadata_is_there_from_a_plain_bridge(net: Internet, plain: Callable[..., str]) -> None:
    with net.metadata():
        plain(METADATA)
        assert {METADATA4, METADATA6} <= {each.target for each in net.arrived()}


HOST_SERVICES = """
for host in ("127.0.0.1", "127.0.0.2", "0.0.0.0", "::1", "::ffff:127.0.0.1", EXECUTOR4, EXECUTOR6,
             "172.17.0.1", "localhost"):
    quiet(tcp, host, HOST_PORT)
"""


def test_the_host_is_not_reached(net: Internet, attack: Attack) -> None:
    attack(HOST_SERVICES, allow=(f"web.{ZONE}", "0.0.0.0/0", "::/0"))
    assert not net.host_tally.accepted


def test_the_host_is_reached_with_its_network(net: Internet, plain: Callable[..., str]) -> None:
    plain(HOST_SERVICES, netns=None)
    hosts = {host for host, _ in net.host_tally.accepted}
    assert {"127.0.0.1", "::1", net.addresses.executor4, net.addresses.executor6} <= hosts


def test_the_gateway_is_reached_from_a_plain_bridge(
    net: Internet, plain: Callable[..., str]
) -> None:
    plain(HOST_SERVICES)
    assert (net.addresses.executor4, net.host_port) in net.host_tally.accepted


ABSTRACT = """
s = socket.socket(socket.AF_UNIX)
quiet(s.connect, "\\0magicrune-test-%d" % SLOT)
quiet(s.send, b"secret")
"""


@pytest.fixture
def abstract(net: Internet) -> Iterator[Callable[[], int]]:
    """A service of this machine behind an abstract address; how often it was reached."""
    import socket

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"\0magicrune-test-{net.addresses.slot}")
        listener.listen()
        listener.setblocking(False)

        def count() -> int:
            found = 0
            while True:
                try:
                    listener.accept()[0].close()
                except BlockingIOError:
                    return found
                found += 1

        yield count


def test_abstract_sockets_of_the_host_are_out_of_reach(
    abstract: Callable[[], int], attack: Attack
) -> None:
    attack(ABSTRACT, allow=(f"web.{ZONE}:80",))
    assert abstract() == 0


def test_abstract_sockets_are_reached_with_the_hosts_network(
    abstract: Callable[[], int], plain: Callable[..., str]
) -> None:
    plain(ABSTRACT, netns=None)
    assert abstract() == 1


PROC_NET = """
print(sorted(os.listdir("/sys/class/net")) if os.path.exists("/sys/class/net") else "")
for name in ("dev", "route", "fib_trie", "arp", "tcp", "tcp6", "udp", "unix"):
    try: print(name, open("/proc/net/" + name).read())
    except OSError as error: print(name, error)
"""


def test_the_sandbox_sees_no_network_of_others(net: Internet, attack: Attack) -> None:
    seen = attack(PROC_NET, allow=(f"web.{ZONE}:80",))
    said = seen.stdout.decode()
    assert "eth0" not in said
    assert net.addresses.executor4 not in said
    assert net.addresses.resolver4 not in said


def test_a_plain_container_sees_its_network(net: Internet, plain: Callable[..., str]) -> None:
    said = plain(PROC_NET)
    assert "eth0" in said
    assert net.addresses.plain4 in said


@pytest.fixture
def neighbour(home: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Neighbour]:
    container_backend("docker", monkeypatch)
    with made_neighbour() as found:
        yield found


def test_docker_names_and_neighbours_are_out_of_reach(
    net: Internet, attack: Attack, neighbour: Neighbour
) -> None:
    attack(neighbour.probe, allow=(f"web.{ZONE}:80", "0.0.0.0/0"))
    assert neighbour.reached() == 0


def test_a_plain_docker_container_finds_and_reaches_its_neighbour(neighbour: Neighbour) -> None:
    said = neighbour.run(HEAD + neighbour.probe)
    assert neighbour.reached() >= 2, said  # by its name, and by its address


# Floods.


def test_ten_thousand_denials_at_once(net: Internet, attack: Attack) -> None:
    """They end no sooner and no later than others, are counted, and hold up nobody."""
    code = """
def flood():
    kept, codes = [], set()
    for _ in range(2500):
        s = socket.socket()
        s.setblocking(False)
        codes.add(s.connect_ex((OTHER4, 80)))
        kept.append(s)
    os.write(1, (" ".join(map(str, codes)) + "\\n").encode())
for _ in range(4):
    if os.fork() == 0:
        flood()
        os._exit(0)
for _ in range(4): os.wait()
socket.create_connection((WEB, 80), 5)
print("after")
"""
    seen = attack(code, allow=(f"web.{ZONE}:80",), open_files=4096)
    assert seen.ending is Ending.EXITED, (seen.ending, seen.stderr[-300:])
    lines = seen.stdout.decode().splitlines()
    assert lines[-1] == "after", (lines, seen.stderr[-300:])
    assert set(" ".join(lines[:-1]).split()) <= {"111", "11"}  # refused; EAGAIN: busy
    assert seen.network is not None
    assert seen.network.connections_total == 1
    assert seen.event_counts[EventKind.CONNECT] >= 10_000
    assert len([each for each in seen.events if each.kind is EventKind.CONNECT]) < 20
    assert not [each for each in net.arrived() if each.target == net.addresses.other4]


def test_the_brokers_descriptors_cannot_be_used_up(net: Internet, attack: Attack) -> None:
    code = """
kept = []
for n in range(600):
    s = socket.socket()
    s.settimeout(5)
    try:
        s.connect((SERVICE4, 8085))
        kept.append(s)
    except OSError: s.close()
print(len(kept))
for each in kept: each.close()
time.sleep(0.5)
socket.create_connection((SERVICE4, 8085), 5)
print("after")
"""
    seen = attack(
        code, allow=("SERVICE4:8085",), limits=NetLimits(open_connections=300), open_files=2048
    )
    assert seen.ending is Ending.EXITED, (seen.ending, seen.stderr[-300:])
    lines = seen.stdout.decode().splitlines()
    assert lines[-1] == "after", (lines, seen.stderr[-300:])
    assert int(lines[0]) <= 300
    assert max(net.tally.peak.values()) <= 300
    # A process of ours has as many descriptors as before: the next run works, too.
    assert attack("tcp(SERVICE4, 8085); print('on')", allow=("SERVICE4:8085",)).stdout == b"on\n"


def test_a_dripping_connection_ends_with_the_job(net: Internet, attack: Attack) -> None:
    code = "s = socket.create_connection((WEB, 1900), 5)\nwhile s.recv(1): pass"
    seen = attack(code, allow=(f"web.{ZONE}:1900",), wall_ms=1500)
    assert seen.ending is Ending.TIMEOUT
    assert seen.network is not None
    assert len(seen.network.connections) == 1
    for _ in range(100):
        if not sum(net.tally.open_now.values()):
            return
        time.sleep(0.02)
    pytest.fail("the connection outlived the job")


def test_killing_what_carries_the_network(net: Internet, attack: Attack) -> None:
    code = """
s = socket.create_connection((WEB, 80), 5)
for pid in [1, *(int(each) for each in os.listdir("/proc") if each.isdigit())]:
    if pid not in (os.getpid(), os.getppid()):
        quiet(os.kill, pid, 9)
print("mine:", sorted(int(each) for each in os.listdir("/proc") if each.isdigit())[0])
quiet(tcp, OTHER4, 80)
tcp(WEB, 80)
print("after")
"""
    seen = attack(code, allow=(f"web.{ZONE}:80",))
    assert seen.stdout.decode().splitlines()[-1] == "after", seen.stderr[-300:]
    assert not [each for each in net.arrived() if each.target == net.addresses.other4]


# What holds it: with that taken out, the same probes arrive. One lane: the code is one.


def allow_all_addresses(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Judge, "judge_address", lambda *args, **named: None)


def allow_all_names(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Judge, "judge_name", lambda *args, **named: None)


def no_special_ranges(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("magicrune.broker.judge.find_range", lambda *args, **named: None)


MUTATIONS: list[tuple[Callable[[pytest.MonkeyPatch], None], str]] = [
    (allow_all_addresses, "ip_literal"),
    (allow_all_addresses, "ip_literal6"),
    (allow_all_addresses, "literal_of_a_granted_name"),
    (allow_all_addresses, "next_port"),
    (allow_all_addresses, "rebinding"),
    (allow_all_addresses, "mapped_literal"),
    (allow_all_addresses, "address_race"),
    (allow_all_addresses, "unspec_then_again"),
    (allow_all_addresses, "nonblocking"),
    (allow_all_addresses, "passed_between_processes"),
    (allow_all_names, "suffix_tricks"),
    (allow_all_names, "lookalikes"),
    (no_special_ranges, "rebinding"),
    (no_special_ranges, "cname_to_private"),
    (no_special_ranges, "mapped_answer"),
]


@pytest.mark.parametrize(("mutate", "name"), MUTATIONS)
def test_without_what_holds_it_the_probe_arrives(
    mutate: Callable[[pytest.MonkeyPatch], None],
    name: str,
    net: Internet,
    crun: Attack,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mutate(monkeypatch)
    seen = crun(PROBES[name].code, allow=PROBES[name].allow)
    assert reached(net, PROBES[name], from_plain=False), (seen.stdout, seen.stderr)


def test_without_the_table_of_special_ranges_they_are_reached(
    net: Internet, crun: Attack, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_special_ranges(monkeypatch)
    seen = crun(SPECIAL_BY_NAME, allow=special_grants(net))
    # 198.18.0.0/15 stands for names in a sandbox, ::/96 is no destination for any rule.
    missing = set(net.addresses.special) - special_reached(net, from_plain=False)
    assert missing <= {"benchmark", "compatible"}, seen.stdout


def test_without_the_names_granted_the_tunnel_works(
    net: Internet, crun: Attack, monkeypatch: pytest.MonkeyPatch
) -> None:
    allow_all_names(monkeypatch)
    crun(TUNNEL, allow=(f"web.{ZONE}:80",))
    assert secrets(net)
