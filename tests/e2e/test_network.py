"""What a job gets from a network allowlist: ordinary programs, on every container backend."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from magicrune.images import store
from magicrune.observation import ConnectionRecord, Ending, EventKind, Observation
from magicrune.spec import NetLimits
from tests.engines import absent, container_backend
from tests.internet.addresses import ZONE
from tests.internet.internet import Internet, internet
from tests.internet.jobs import LANES, names, net_spec
from tests.internet.streams import source_digest

WEB = f"web.{ZONE}"
Job = Callable[..., Observation]
HEAD = "import asyncio, errno, hashlib, os, select, socket, sys, threading, time\n"


@pytest.fixture(scope="module")
def net() -> Iterator[Internet]:
    with internet() as made:
        yield made


@pytest.fixture(params=LANES)
def job(
    request: pytest.FixtureRequest, net: Internet, home: Path, monkeypatch: pytest.MonkeyPatch
) -> Job:
    """Runs a shell command in the image `net`, with our CA as ca.pem and `code` as job.py."""
    return worker(request.param, net, monkeypatch)


@pytest.fixture
def crun(net: Internet, home: Path, monkeypatch: pytest.MonkeyPatch) -> Job:
    return worker("oci-crun", net, monkeypatch)


def worker(lane: str, net: Internet, monkeypatch: pytest.MonkeyPatch) -> Job:
    backend = container_backend(lane, monkeypatch)
    if store.current("net") is None:
        absent("no image net: sh scripts/engines.sh")

    def run(cmd: str, *, code: str = "", files: dict[str, bytes] | None = None, **options: Any):
        found = {
            "/workspace/ca.pem": net.certificates.authority.read_bytes(),
            "/workspace/job.py": (names(net) + HEAD + code).encode(),
            **(files or {}),
        }
        net.clear()
        options = {"allow": (WEB,), "pids": 128, "open_files": 1024, **options}
        return backend.run(net_spec(net, cmd, files=found, image="net", **options))

    return run


def ok(seen: Observation) -> str:
    """What a job printed that went well, under complete watch."""
    assert (seen.ending, seen.exit_code) == (Ending.EXITED, 0), (seen.stdout, seen.stderr[-2000:])
    assert seen.telemetry_complete
    return seen.stdout.decode()


def connects(seen: Observation) -> list[dict[str, Any]]:
    return [dict(each.detail) for each in seen.events if each.kind is EventKind.CONNECT]


# Programs that know nothing of us.


def test_curl(net: Internet, job: Job) -> None:
    here = net.addresses
    allow = (WEB, f"four.{ZONE}:80", f"six.{ZONE}:80", f"{here.web4}:80", f"[{here.web6}]:80")
    hosts = (WEB, f"four.{ZONE}", f"six.{ZONE}", here.web4, f"[{here.web6}]")
    urls = " ".join(f"http://{each}/" for each in hosts)
    cmd = f"curl -sS -g --cacert ca.pem -m 10 https://{WEB}/ {urls} && curl -sS -4 http://{WEB}/"
    seen = job(cmd, allow=allow)
    assert ok(seen).split("\n")[:-1] == [f"hello {each}" for each in (WEB, *hosts, WEB)]
    assert not connects(seen)


def test_wget(job: Job) -> None:
    seen = job(f"wget -q -O - --ca-certificate=ca.pem https://{WEB}/ http://{WEB}/")
    assert ok(seen) == f"hello {WEB}\n" * 2


def test_git_clone(job: Job) -> None:
    url = f"https://{WEB}/repo.git"
    cmd = (
        f"export GIT_SSL_CAINFO=$PWD/ca.pem; git clone -q {url} r && cat r/README && git -C r fsck"
    )
    assert ok(job(cmd)).startswith("a repository of the test internet\n")


def test_pip_install(job: Job) -> None:
    index = f"--index-url https://{WEB}/simple/ --cert ca.pem --no-cache-dir -q"
    cmd = f"pip install {index} runetest && python3 -c 'import runetest; print(runetest.answer())'"
    seen = job(cmd, env={"PIP_DISABLE_PIP_VERSION_CHECK": "1"})
    assert ok(seen) == "42\n"


def test_netcat_and_host(net: Internet, job: Job) -> None:
    cmd = f"echo hi | nc -q 1 -w 3 {WEB} 7; host {WEB}; host -t TXT {WEB}; host other.{ZONE}"
    said = job(cmd).stdout.decode()
    assert said.startswith("hi\n")
    assert f"{WEB} has address 198.1" in said
    assert f"{WEB} has IPv6 address fdff:" in said
    assert f"Host other.{ZONE} not found: 3(NXDOMAIN)" in said
    assert f"{WEB} has no TXT record" in said


def test_a_static_musl_program(net: Internet, job: Job, musl: bytes) -> None:
    allow = (WEB, f"four.{ZONE}", f"six.{ZONE}", f"alias.{ZONE}")
    seen = job(
        f"./fetch {WEB} four.{ZONE} six.{ZONE} alias.{ZONE} other.{ZONE}",
        files={"/workspace/fetch": musl},
        allow=allow,
    )
    assert seen.exit_code == 1  # `other` has no address
    lines = seen.stdout.decode().splitlines()
    told = [re.sub(r" (198\.1[89]|fdff:)\S+ ", " synthetic ", each) for each in lines]
    both = sorted(f"{each} synthetic hello {WEB}" for each in "46")
    assert sorted(told[:2]) == both
    # Whatever family a name has outside, both are offered inside.
    assert sorted(told[2:4]) == [f"{each} synthetic hello four.{ZONE}" for each in "46"]
    assert sorted(told[4:6]) == [f"{each} synthetic hello six.{ZONE}" for each in "46"]
    assert sorted(told[6:8]) == [f"{each} synthetic hello alias.{ZONE}" for each in "46"]
    assert told[8].startswith(f"other.{ZONE}: ")


@pytest.fixture(scope="module")
def musl(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    if shutil.which("musl-gcc") is None:
        absent("musl-gcc is not installed: sh scripts/engines.sh")
    target = tmp_path_factory.mktemp("musl") / "fetch"
    source = Path(__file__).parent.parent / "internet/clients/fetch.c"
    words = ["musl-gcc", "-static", "-Os", "-Wall", "-Wextra", "-Werror", "-o", str(target)]
    subprocess.run([*words, str(source)], check=True)
    return target.read_bytes()


def test_a_go_program_with_its_own_resolver(job: Job) -> None:
    """`hey` (Debian) is Go's HTTP client: non-blocking connects, many at a time."""
    found = shutil.which("hey")
    if found is None:
        absent("hey is not installed: sh scripts/engines.sh")
    seen = job(
        f"./hey -n 40 -c 4 -disable-keepalive http://{WEB}/",
        env={"GODEBUG": "netdns=go", "GOMAXPROCS": "2"},
        files={"/workspace/hey": Path(str(found)).read_bytes()},
    )
    assert re.search(r"\[200\]\s+40 responses", ok(seen)), seen.stdout
    assert seen.network is not None
    assert seen.network.connections_total == 40


# What sockets do.


def test_python_clients(net: Internet, job: Job) -> None:
    code = """
import ssl, urllib.request
context = ssl.create_default_context(cafile="ca.pem")
print(urllib.request.urlopen(f"https://{WEB}/", context=context, timeout=5).read().decode(), end="")
async def main():
    reader, writer = await asyncio.open_connection(WEB, 7)
    writer.write(b"by asyncio\\n")
    print((await reader.readline()).decode(), end="")
    writer.close()
    await writer.wait_closed()
asyncio.run(main())
"""
    assert ok(job("python3 job.py", code=code)) == f"hello {WEB}\nby asyncio\n"


def test_nonblocking_connect_and_names_of_both_ends(net: Internet, job: Job) -> None:
    code = """
for host, port in ((WEB, 7), (WEB4, 7), (WEB6, 7)):
    for family, _, _, _, where in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        s = socket.socket(family)
        s.setblocking(False)
        code = s.connect_ex(where)
        assert code in (0, errno.EINPROGRESS), code
        poller = select.poll()
        poller.register(s, select.POLLOUT)
        assert poller.poll(5000), "no answer"
        assert s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
        assert s.getpeername()[:2] == where[:2], (s.getpeername(), where)
        assert s.getsockname()[1] > 0
        s.setblocking(True)
        for level, option in ((6, socket.TCP_NODELAY), (1, socket.SO_KEEPALIVE)):
            s.setsockopt(level, option, 1)
            assert s.getsockopt(level, option)
        s.sendall(b"x" * 10)
        assert s.recv(10, socket.MSG_WAITALL) == b"x" * 10
        # Linux: 0 for the first call after a connect that did not wait, EISCONN from then on.
        assert s.connect_ex(where) in (0, errno.EISCONN)
        assert s.connect_ex(where) == errno.EISCONN
        print("ok")
"""
    allow = (WEB, f"{net.addresses.web4}:7", f"[{net.addresses.web6}]:7")
    assert ok(job("python3 job.py", code=code, allow=allow)) == "ok\n" * 4


def test_half_close_and_reset(net: Internet, job: Job) -> None:
    code = """
s = socket.create_connection((WEB, 9), 5)
s.sendall(b"x" * 100_000)
s.shutdown(socket.SHUT_WR)
print(s.makefile().read(), end="")
try:
    print(socket.create_connection((WEB, 1901), 5).recv(10))
except ConnectionResetError:
    print("reset")
"""
    told = f"100000 {sha256_of(b'x' * 100_000)}\nreset\n"
    assert ok(job("python3 job.py", code=code)) == told


def sha256_of(data: bytes) -> str:
    import hashlib

    return hashlib.sha256(data).hexdigest()


MIB = 1 << 20


def test_100_mb_each_way(net: Internet, job: Job) -> None:
    size = 100 * MIB
    code = f"""
s = socket.create_connection((WEB, 19), 10)
s.sendall(b"{size}\\n")
digest, size = hashlib.sha256(), 0
while data := s.recv(1 << 20):
    digest.update(data); size += len(data)
print(size, digest.hexdigest())
s = socket.create_connection((WEB, 9), 10)
block, sent = bytes(range(256)) * 4096, 0
while sent < {size}:
    s.sendall(block); sent += len(block)
s.shutdown(socket.SHUT_WR)
print(s.makefile().read(), end="")
"""
    seen = job("python3 job.py", code=code)
    line = f"{size} {source_digest(size)}\n"
    assert ok(seen) == line * 2
    assert seen.network is not None
    assert seen.network.sent_bytes == size + len(f"{size}\n")
    assert seen.network.received_bytes == size + len(line)


def test_2000_connections(net: Internet, job: Job) -> None:
    code = """
async def one(n):
    async with limit:
        reader, writer = await asyncio.open_connection(where, 7)
        writer.write(b"%d\\n" % n)
        assert await reader.readline() == b"%d\\n" % n
        writer.close()
        await writer.wait_closed()
async def main():
    global limit
    limit = asyncio.Semaphore(100)
    await asyncio.gather(*(one(n) for n in range(2000)))
where = socket.getaddrinfo(WEB, 7)[0][4][0]
asyncio.run(main())
"""
    seen = job("python3 job.py", code=code, wall_ms=60_000)  # a busy machine takes as long
    ok(seen)
    assert seen.network is not None
    assert (seen.network.connections_total, seen.network.failed) == (2000, 0)
    assert len(seen.network.connections) == 1000
    # Where the first address takes longer than a quarter of a second, the next is dialled, too.
    assert sum(net.tally.accepted.values()) >= 2000


def test_its_own_loopback(job: Job) -> None:
    code = """
for host, family in (("127.0.0.1", 2), ("localhost", 2), ("127.9.9.9", 2), ("::1", 10)):
    try:
        listener = socket.create_server(("::1" if family == 10 else "0.0.0.0", 0), family=family)
    except OSError as error:
        assert family == 10, error  # Docker takes IPv6 away from a container's loopback
        print(host, "ok")
        continue
    port = listener.getsockname()[1]
    def serve():
        peer, _ = listener.accept()
        peer.sendall(peer.recv(10))
        peer.close()
    threading.Thread(target=serve).start()
    s = socket.create_connection((host, port), 5)
    s.sendall(b"hello")
    assert s.recv(10) == b"hello"
    assert s.getpeername()[1] == port
    print(host, "ok")
u = socket.socket(2, 2); u.bind(("127.0.0.1", 0))
v = socket.socket(2, 2); v.sendto(b"by udp", u.getsockname())
print(u.recv(10).decode())
closed = socket.create_server(("127.0.0.1", 0)).getsockname()[1]
print(socket.socket().connect_ex(("127.0.0.1", closed)) == errno.ECONNREFUSED)
"""
    seen = job("python3 job.py", code=code)
    hosts = "".join(f"{each} ok\n" for each in ("127.0.0.1", "localhost", "127.9.9.9", "::1"))
    assert ok(seen) == hosts + "by udp\nTrue\n"
    assert seen.network is not None
    assert (seen.network.connections_total, seen.network.refused) == (0, 0)


# Which destinations.


def test_the_hosts_loopback_only_where_it_is_granted(net: Internet, job: Job) -> None:
    code = """
for host in ("127.0.0.1", "::1"):
    try:
        print(socket.create_connection((host, HOST_PORT), 5).recv(10))
    except OSError as error:
        print(errno.errorcode[error.errno])
"""
    grants = (f"127.0.0.1:{net.host_port}",)
    seen = job("python3 job.py", code=code, allow=(), loopback=grants)
    lines = ok(seen).splitlines()
    assert lines[0] == "b'here\\n'"
    assert lines[1].startswith("E")
    assert dict(net.host_tally.accepted) == {("127.0.0.1", net.host_port): 1}
    ok(job("python3 job.py", code=code))
    assert not net.host_tally.accepted


def test_wildcards_networks_and_port_ranges(net: Internet, job: Job) -> None:
    here = net.addresses
    code = """
def tries(host, port):
    try:
        socket.create_connection((host, port), 5).close()
        return "yes"
    except OSError as error:
        return "no"
print(*(tries(f"{name}.{ZONE}", 80) for name in ("a.wild", "b.c.wild", "wild", "xwild", "web")))
print(*(tries(SERVICE4, port) for port in (8079, 8080, 8085, 8090, 8091)))
print(*(tries(host, 80) for host in (INNER4, WEB4, INNER6, WEB6)))
"""
    allow = (
        f"*.wild.{ZONE}:80",
        f"{here.public4(12)}/31:8080-8090",
        f"10.77.{here.slot}.0/24:80",
        f"fd77:{here.slot:x}::/32:80" if False else f"[{here.inner6}]:80",
    )
    said = ok(job("python3 job.py", code=code, allow=allow))
    assert said == "yes yes no no no\nno yes yes yes no\nyes no yes no\n"


def test_a_name_with_private_and_public_addresses_leads_to_the_public(
    net: Internet, crun: Job
) -> None:
    allow = tuple(f"{each}.{ZONE}" for each in ("mixed", "many", "slow", "truncated", "chain0"))
    urls = " ".join(f"http://{each}/" for each in allow)
    seen = crun(f"curl -sS -m 8 {urls}", allow=allow)
    assert ok(seen) == "".join(f"hello {each}\n" for each in allow)
    assert seen.network is not None
    assert net.addresses.inner4 not in {each.address for each in seen.network.connections}


def test_refusals_come_at_once_and_name_the_missing_line(net: Internet, job: Job) -> None:
    code = """
def timed(act, *args):
    start = time.monotonic()
    try:
        act(*args)
        told = "no refusal"
    except OSError as error:
        told = type(error).__name__
    print(told, "late" if time.monotonic() - start > 1 else "at once")
for where in ((OTHER4, 80), (OTHER6, 443), (INNER4, 22), (WEB, 22)):
    timed(socket.create_connection, where, 10)
timed(socket.getaddrinfo, OTHER, 80)
timed(socket.socket(2, 2).sendto, b"x", (RESOLVER4, 53))
timed(socket.create_connection, (RESOLVER4, 53), 10)
"""
    seen = job("python3 job.py", code=code, allow=(f"{WEB}:80",))
    lines = ok(seen).splitlines()
    assert lines == [
        *["ConnectionRefusedError at once"] * 4,
        "gaierror at once",
        *["ConnectionRefusedError at once"] * 2,
    ]
    here = net.addresses
    missing = {each.get("missing") for each in connects(seen)}
    wanted = {f"{here.other4}:80", f"[{here.other6}]:443", f"{here.inner4}:22", f"{WEB}:22"}
    assert wanted | {f"other.{ZONE}", f"{here.resolver4}:53"} <= missing
    assert seen.network is not None
    assert seen.network.refused >= 6
    # Nothing but the granted name was asked of anybody.
    assert net.zone.names_asked() <= {WEB}


def test_what_nobody_answers_is_told_as_by_a_plain_network(net: Internet, crun: Job) -> None:
    code = f"""
for where in ((WEB, 4444), ("hole.{ZONE}", 80)):
    for patience in (None, 15):  # waiting in connect(), or not (docs/network.md)
        try:
            socket.create_connection(where, patience)
        except OSError as error:
            print(errno.errorcode[error.errno])
for name in ("broken", "nothing", "text", "loop"):
    try:
        socket.getaddrinfo(f"{{name}}.{ZONE}", 80)
    except socket.gaierror as error:
        print(name, error.errno == socket.EAI_AGAIN)
"""
    allow = tuple(f"{each}.{ZONE}" for each in ("web", "hole", "broken", "nothing", "text", "loop"))
    seen = crun("python3 job.py", code=code, allow=allow)
    lines = ok(seen).splitlines()
    assert [lines[0], *lines[2:4]] == ["ECONNREFUSED", "EHOSTUNREACH", "ECONNRESET"]
    assert lines[1] in ("ECONNREFUSED", "ECONNRESET")  # the first, if it is known at once
    assert lines[4:7] == ["broken True", "nothing False", "text False"]
    assert seen.network is not None
    assert {each.outcome for each in seen.network.connections} == {"failed"}


# Limits and records.

LOOP = """
import itertools
kept = []
for n in itertools.count():
    {act}
"""
LIMITED = {
    "net_connections": ("connections", 5, "socket.create_connection((WEB, 7), 5).close()"),
    "net_sent_bytes": (
        "sent_bytes",
        50_000,
        "kept or kept.append(socket.create_connection((WEB, 9), 5)); kept[0].sendall(b'x' * 1000)",
    ),
    "net_received_bytes": (
        "received_bytes",
        50_000,
        "kept or kept.append(socket.create_connection((WEB, 19), 5)) or "
        "kept[0].sendall(b'9999999\\n'); kept[0].recv(10_000)",
    ),
    "net_names": (
        "names",
        5,
        "socket.getaddrinfo(f'n{n}.wild.{ZONE}', 80)",
    ),
    "net_queries": ("queries", 20, "socket.getaddrinfo(WEB, 80)"),
}


@pytest.mark.parametrize("limit", LIMITED)
def test_a_limit_ends_the_job(limit: str, net: Internet, job: Job) -> None:
    field, value, act = LIMITED[limit]
    code = LOOP.format(act=act)
    seen = job(
        "python3 job.py",
        code=code,
        allow=(WEB, f"*.wild.{ZONE}"),
        limits=NetLimits(**{field: value}),
        wall_ms=8000,
    )
    assert seen.ending is Ending.NET_LIMIT, (seen.ending, seen.stderr[-500:])
    told = {each.detail["limit"] for each in seen.events if each.kind is EventKind.LIMIT}
    assert told == {limit}
    assert seen.network is not None
    usage = seen.network
    if field == "sent_bytes":
        assert usage.sent_bytes <= value
        assert sum(net.tally.received.values()) <= value
    if field == "received_bytes":
        assert usage.received_bytes <= value
    if field == "connections":
        assert sum(net.tally.accepted.values()) == value
    if field == "names":
        assert len(net.zone.names_asked()) <= value


def test_one_connection_too_many_is_refused_and_told(net: Internet, job: Job) -> None:
    code = """
kept, refused = [], 0
for _ in range(20):
    try:
        kept.append(socket.create_connection((WEB, 7), 5))
    except OSError:
        refused += 1
print(len(kept), refused)
for each in kept: each.close()
time.sleep(0.3)
socket.create_connection((WEB, 7), 5)
"""
    seen = job("python3 job.py", code=code, limits=NetLimits(open_connections=8))
    kept, refused = map(int, ok(seen).split())
    assert kept <= 8
    assert kept + refused == 20
    assert max(net.tally.peak.values()) <= 8
    told = {each.detail["limit"] for each in seen.events if each.kind is EventKind.LIMIT}
    assert told == {"net_open_connections"}


def test_each_connection_is_recorded(net: Internet, job: Job) -> None:
    code = """
s = socket.create_connection((WEB, 7), 5)
s.sendall(b"12345"); s.recv(5)
time.sleep(0.3)
s.close()
s = socket.create_connection((SERVICE4, 8085), 5); s.recv(5); s.close()
"""
    seen = job("python3 job.py", code=code, allow=(WEB, f"{net.addresses.public4(12)}:8085"))
    ok(seen)
    assert seen.network is not None
    first, second = seen.network.connections
    assert isinstance(first, ConnectionRecord)
    assert (first.name, first.port, first.sent_bytes, first.received_bytes) == (WEB, 7, 5, 5)
    assert first.address in (net.addresses.web4, net.addresses.web6)
    assert 250 <= first.duration_ms < 5000
    assert first.opened_ms < second.opened_ms
    assert (second.name, second.address) == (None, net.addresses.public4(12))
    assert {first.outcome, second.outcome} <= {"closed", "reset"}
    assert seen.network.names == 1


def test_a_job_without_a_network_has_none(net: Internet, job: Job) -> None:
    code = """
for where in ((WEB4, 80), (WEB6, 80)):
    try:
        socket.create_connection(where, 5)
    except OSError as error:
        print("refused")
"""
    seen = job("python3 job.py; cat /etc/resolv.conf", code=code, allow=())
    assert ok(seen).startswith("refused\nrefused\n")
    assert "127.0.0.53" not in seen.stdout.decode()
    assert seen.network is None
    assert not net.tally.accepted


POLICY = """
version: 1
capabilities:
  fs: {{default: deny, allow: [/tmp/**, /workspace/**], readonly: []}}
  net:
    default: deny
    allow: ["{web}:80"]
    resolvers: ["{resolver}"]
  env: {{allow: ["*"], deny: []}}
limits: {{cpu_ms: 10000, memory_mb: 256, wall_sec: 20, pids: 64, output_bytes: 65536, tmp_mb: 16}}
runtime: {{backends: [oci], image: net}}
grading: {{thresholds: {{green: "<=20", yellow: "21..=60", red: ">=61"}}}}
"""


def test_the_whole_way_from_request_to_result(
    net: Internet, crun: Job, home: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    from magicrune import cli
    from tests.engines import images_under

    images = images_under(tmp_path)
    policy = tmp_path / "net.policy.yml"
    policy.write_text(POLICY.format(web=WEB, resolver=net.addresses.resolver4))
    request = tmp_path / "request.json"
    calls = f'curl -sS http://{WEB}/; [ -z "$WHERE" ] || curl -sS -m 5 "$WHERE"'
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MAGICRUNE_HOME")
        patch.setenv("XDG_CACHE_HOME", str(images))
        patch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
        results = []
        for where in ("", f"http://{net.addresses.other4}/"):
            wish = {"cmd": calls, "allow_net": [f"{WEB}:80"], "env": {"WHERE": where}}
            request.write_text(json.dumps(wish))
            code = cli.main(["exec", "-f", str(request), "--policy", str(policy)])
            results.append((code, json.loads(capfd.readouterr().out)))
    for _, each in results:
        assert each["network"]["connections_total"] == 1, json.dumps(each)
        assert each["network"]["connections"][0]["name"] == WEB
    (first, good), (second, bad) = results
    assert (first, good["risk_score"], good["findings"]) == (0, 0, [])
    assert good["stdout"] == f"hello {WEB}\n"
    assert second in (10, 20)
    assert bad["network"]["refused"] == 1
    assert net.addresses.other4 in json.dumps(bad["findings"])
    assert bad["risk_score"] >= 40
