"""A job looks for somebody outside who does more for it than it may: an engine, or ourselves.

The control of each: the same probe gets through where a socket was left in the sandbox.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from magicrune.backends.rune.backend import ContainerBackend
from magicrune.backends.rune.container import Container
from magicrune.backends.rune.socket_dir import SocketDir
from magicrune.errors import ControlNotHeld
from magicrune.observation import Observation
from tests.attacks.lesser_init import Cut, Workshop
from tests.attacks.weaker import HEAD, Config, Weaker, root, unfiltered
from tests.conftest import make_spec
from tests.engines import container_backend, lanes

LANES = lanes(("oci-runc", "oci-crun", "docker", "podman"), ("oci-rootless-crun",))
ENGINES = """
uid = os.getuid()
known = ['docker.sock', 'podman/podman.sock', 'containerd/containerd.sock', 'crio/crio.sock',
         'docker/containerd/containerd.sock', 'buildkit/buildkitd.sock', 'dbus/system_bus_socket',
         'systemd/private', 'user/%d/podman/podman.sock' % uid, 'user/%d/docker.sock' % uid]
paths = {place + name for place in ('/run/', '/var/run/') for name in known}
for place, directories, names in os.walk('/'):
    if place == '/': directories.remove('proc')
    for name in names:
        try: kind = os.lstat(place + '/' + name).st_mode
        except OSError: continue
        if stat.S_ISSOCK(kind): paths.add(place + '/' + name)
for line in open('/proc/net/unix').read().splitlines()[1:]:
    name = line.split(None, 7)[7:]
    if name and name[0].startswith('@'): paths.add(chr(0) + name[0][1:])
reached = []
for path in sorted(paths):
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(5)
        try:
            client.connect(path)
            client.sendall(b'GET /_ping HTTP/1.0\\r\\n\\r\\n')
            if client.recv(4) == b'HTTP': reached.append(path)
        except OSError: pass
print('yes' if reached else 'no', reached)
"""


class Engine:
    """A socket of this machine that answers all as an engine does, to any user."""

    def __init__(self, name: str) -> None:
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(name)
        if not name.startswith("\0"):
            Path(name).chmod(0o666)
        self._listener.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            with client:
                client.recv(100)
                client.sendall(b"HTTP/1.0 200 OK\r\n\r\nOK")

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@pytest.fixture
def open_engine(tmp_path: Path) -> Iterator[Path]:
    """Its socket, in a directory that everybody may pass."""
    place = tmp_path / "s"
    engine = Engine(str(place))
    yield place
    engine.close()


@pytest.fixture
def abstract_engine() -> Iterator[None]:
    engine = Engine(f"\0magicrune-test-{os.getpid()}")
    yield
    engine.close()


@pytest.fixture(params=LANES)
def backend(
    request: pytest.FixtureRequest, home: Path, monkeypatch: pytest.MonkeyPatch
) -> ContainerBackend:
    return container_backend(request.param, monkeypatch)


def run(backend: ContainerBackend, probe: str) -> Observation:
    return backend.run(make_spec("python3 p", files={"/workspace/p": (HEAD + probe).encode()}))


@pytest.fixture
def leaking(open_engine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every container gets the engine's socket. In /dev, since elsewhere a mount point would be
    made in the image."""
    binds = Container.binds

    def more(self: Container, shared: Path) -> dict[str, Path]:
        return {**binds(self, shared), "/dev/docker.sock": open_engine}

    monkeypatch.setattr(Container, "binds", more)


def bundle_leaking(place: Path) -> Callable[[Config], None]:
    def change(config: Config) -> None:
        root(config)
        mount = {"destination": "/run/docker.sock", "type": "bind", "source": str(place)}
        config["mounts"].append({**mount, "options": ["bind"]})

    return change


def test_no_engine_can_be_reached(backend: ContainerBackend, abstract_engine: None) -> None:
    seen = run(backend, ENGINES)
    assert seen.stdout == b"no []\n", seen.stderr


def test_an_engines_socket_stops_the_run(backend: ContainerBackend, leaking: None) -> None:
    with pytest.raises(ControlNotHeld, match=r"filesystem is not held: .*/dev/docker\.sock"):
        run(backend, "print('on')")


def test_an_engine_is_reached_where_nothing_stops_it(
    backend: ContainerBackend, leaking: None, unchecked: None
) -> None:
    assert run(backend, ENGINES).stdout == b"yes ['/dev/docker.sock']\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="the probe is the same; root's run proves it")
def test_the_real_engine_is_reached_where_it_may(weaker: Weaker) -> None:
    told = weaker.run(ENGINES, bundle_leaking(Path("/run/docker.sock")))
    assert told.startswith("yes ['/run/docker.sock'")


@pytest.mark.skipif(os.geteuid() != 0, reason="the probe is the same; root's run proves it")
def test_an_abstract_socket_is_reached_where_it_may(weaker: Weaker, abstract_engine: None) -> None:
    def share(config: Config) -> None:
        unfiltered(config)
        spaces = config["linux"]["namespaces"]
        config["linux"]["namespaces"] = [each for each in spaces if each["type"] != "network"]

    told = weaker.run(ENGINES, share)
    assert told.startswith("yes")
    assert f"magicrune-test-{os.getpid()}" in told


SHIM = """
paths = {'/run/magicrune/sock'}  # the directory cannot be listed
for place, _, names in os.walk('/run'): paths |= {place + '/' + name for name in names}
found, reached = [], []
for path in sorted(paths):
    if not os.path.exists(path) or not stat.S_ISSOCK(os.lstat(path).st_mode): continue
    found.append(os.path.basename(path))
    try: socket.socket(socket.AF_UNIX).connect(path)
    except OSError: continue
    reached.append(found[-1])
links = ['/proc/self/fd/%d' % number for number in range(64)]
handed = [link for link in links if os.path.lexists(link) and 'socket:' in os.readlink(link)]
print(found, reached, len(handed), os.access('/run/magicrune', os.W_OK))
"""
NOTHING = b"[] [] 0 False\n"


def test_we_cannot_be_reached(backend: ContainerBackend) -> None:
    assert run(backend, SHIM).stdout == NOTHING


@pytest.mark.parametrize("lane", lanes(("docker", "podman"), ()))
def test_we_are_reached_where_the_listener_stays(
    lane: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def accept(self: SocketDir, *_: Any) -> socket.socket:
        self._listener.settimeout(60)
        return self._listener.accept()[0]

    monkeypatch.setattr(SocketDir, "accept", accept)
    seen = run(container_backend(lane, monkeypatch), SHIM)
    assert seen.stdout == b"['sock'] ['sock'] 0 False\n"


HANDED: Cut = ("channel.c", "F_DUPFD_CLOEXEC", "F_DUPFD")
KEPT: Cut = ("spawn.c", "syscall(SYS_close_range, FIRST_OTHER_FD, ~0u, 0)", "0")


@pytest.mark.parametrize(("cuts", "sockets"), [((HANDED,), 0), ((KEPT,), 0), ((HANDED, KEPT), 1)])
def test_the_channel_is_handed_on_without_both_controls(
    cuts: tuple[Cut, ...],
    sockets: int,
    home: Path,
    workshop: Workshop,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    backend = container_backend(lanes(("oci-crun",), ("oci-rootless-crun",))[0], monkeypatch)
    workshop.use(monkeypatch, *cuts)
    assert run(backend, SHIM).stdout == f"[] [] {sockets} False\n".encode()
