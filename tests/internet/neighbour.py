"""Another container of the same Docker, on a network of its own with Docker's names."""

from __future__ import annotations

import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from magicrune.backends.docker.engine import DockerEngine
from magicrune.images import store

_PORT = 8000
_SERVE = f"""
import socket
listener = socket.create_server(("", {_PORT}))
while True:
    listener.accept()[0].close()
    print("reached", flush=True)
"""


@dataclass(frozen=True)
class Neighbour:
    name: str
    address: str
    image: str

    @property
    def probe(self) -> str:
        """Goes to it by its address, by its name, and by Docker's resolver (127.0.0.11)."""
        return f"""
quiet(tcp, {self.address!r}, {_PORT})
quiet(lambda: tcp(socket.gethostbyname({self.name!r}), {_PORT}))
s = socket.socket(2, 2)
s.settimeout(1)
labels = bytes([{len(self.name)}]) + {self.name.encode()!r}
wire = struct.pack(">HHHHHH", 7, 256, 1, 0, 0, 0) + labels + bytes([0, 0, 1, 0, 1])
quiet(s.sendto, wire, ("127.0.0.11", 53))
answer = quiet(s.recv, 512)
if answer and answer[7]:
    tcp(socket.inet_ntoa(answer[-4:]), {_PORT})
"""

    def reached(self) -> int:
        """How often somebody connected to it."""
        time.sleep(0.2)
        return _docker("logs", self.name).count("reached")

    def run(self, code: str) -> str:
        """What `code` prints in a plain container on its network."""
        words = ["run", "--rm", "--network", self.name, self.image, "python3", "-c", code]
        return _docker(*words)


@contextmanager
def neighbour() -> Iterator[Neighbour]:
    image = DockerEngine().find_image("python", store.current("python")).reference
    name = f"magicrune-test-{uuid.uuid4().hex[:12]}"
    _docker("network", "create", name)
    try:
        _docker(
            "run", "--detach", "--name", name, "--network", name, image, "python3", "-c", _SERVE
        )
        form = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
        yield Neighbour(name, _docker("inspect", "--format", form, name).strip(), image)
    finally:
        _docker("rm", "--force", name)
        _docker("network", "rm", name)


def _docker(*words: str) -> str:
    done = subprocess.run(
        ["docker", *words], capture_output=True, text=True, timeout=60, check=False
    )
    if done.returncode:
        raise RuntimeError(f"docker {' '.join(words)}: {done.stderr}")
    return done.stdout + done.stderr
