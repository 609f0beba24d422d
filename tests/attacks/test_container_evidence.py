"""A secret is read by ways on which its name never stands: the record must name it all the same.

Positive control: the plain read is recorded by the same event, and what was read is printed,
so each way did lead to the secret.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from magicrune.observation import Event, EventKind, Observation
from magicrune.rules.net_intent import check
from tests.conftest import make_spec
from tests.engines import container_backend

LANES = ("oci-runc", "oci-crun", "docker", "podman")
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
