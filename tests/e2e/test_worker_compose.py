"""compose.yaml as it is written: a server, three workers, a request from the host.

No registry is needed: where the two images that it starts from are absent, they are made here
under the same names (a Debian by mmdebstrap; the server of a wheel with busybox), and removed.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.engines import absent, container_backend
from tests.nats_server import NatsServer, server_binary
from tests.queue_bench import Bench, document

pytestmark = pytest.mark.timeout(580)
ROOT = Path(__file__).parents[2]
DEBIAN, NATS, PROJECT = "debian:bookworm-slim", "nats:2.12-alpine", "magicrune-test"
PORT = 4222
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
DOCKER_BUILD = {"DOCKER_BUILDKIT": "0", "COMPOSE_DOCKER_CLI_BUILD": "0"}


def run(*words: str, **options: Any) -> subprocess.CompletedProcess[bytes]:
    done = subprocess.run(
        words, cwd=ROOT, env=os.environ | DOCKER_BUILD, capture_output=True, check=False, **options
    )
    assert done.returncode == 0, (words, done.stdout[-2000:], done.stderr[-2000:])
    return done


def build(place: Path, tag: str, lines: str) -> None:
    (place / "Dockerfile").write_text(lines)
    run("docker", "build", "-q", "-t", tag, str(place))


def make_debian(place: Path) -> None:
    packages = "--include=python3,python3-venv,ca-certificates"
    tar = place / "root.tar"
    run("mmdebstrap", "--quiet", "--variant=minbase", packages, "bookworm", str(tar))
    run("docker", "import", str(tar), f"{PROJECT}-debian:0")
    tar.unlink()
    # The certificates that this machine trusts, for machines behind a proxy with its own.
    shutil.copy(CERTIFICATES, place / "trusted.crt")
    trust = f"COPY trusted.crt {CERTIFICATES}\nENV PIP_CERT={CERTIFICATES}\n"
    build(place, DEBIAN, f"FROM {PROJECT}-debian:0\n{trust}")


def make_nats(place: Path) -> None:
    shutil.copy(server_binary(), place / "nats-server")
    shutil.copy(str(shutil.which("busybox")), place / "busybox")
    copies = "".join(f"COPY busybox /bin/{name}\n" for name in ("sh", "wget"))
    last = 'COPY nats-server /nats-server\nENTRYPOINT ["/nats-server"]\n'
    build(place, NATS, f"FROM scratch\n{copies}{last}")


@pytest.fixture
def images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    container_backend("docker", monkeypatch)
    for program in ("docker-compose", "mmdebstrap", "busybox"):
        if shutil.which(program) is None:
            absent(f"{program} is not installed: sh scripts/engines.sh")
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", PORT)) == 0:
            absent(f"something else listens on port {PORT}")
    made = []
    for tag, make in ((DEBIAN, make_debian), (NATS, make_nats)):
        known = subprocess.run(
            ["docker", "image", "inspect", tag], capture_output=True, check=False
        )
        if known.returncode:
            place = tmp_path / make.__name__
            place.mkdir()
            made.append(tag)
            make(place)
    yield
    for tag in (*made, *((f"{PROJECT}-debian:0",) if DEBIAN in made else ())):
        run("docker", "image", "rm", "--force", tag)


def test_as_written(images: None, tmp_path: Path, module_cache: Path) -> None:
    compose = ("docker-compose", "--project-name", PROJECT)
    bench = Bench(tmp_path, module_cache, NatsServer(tmp_path / "unused", port=PORT))
    bench.environment["NATS_DUP_WINDOW_SEC"] = "120"  # as compose.yaml leaves it
    names = [f"{PROJECT}_worker_{number}" for number in (1, 2, 3)]

    def health(name: str) -> bytes:
        words = ("docker", "inspect", "--format", "{{.State.Health.Status}}", name)
        return run(*words).stdout.strip()

    try:
        run(*compose, "up", "--detach", "--build", "--scale", "worker=3", timeout=400)
        bench.until(lambda: {health(name) for name in names} == {b"healthy"}, "healthy", 90)
        requests = [document(number) for number in range(30)]
        for data in requests:
            (tmp_path / "one.json").write_bytes(data)
            done = bench.command("publish", str(tmp_path / "one.json"))
            assert done.returncode == 0, done.stderr
        bench.settled(requests)
        run(*compose, "stop", "--timeout", "40", timeout=120)
        codes = [
            run("docker", "inspect", "-f", "{{.State.ExitCode}}", name).stdout for name in names
        ]
        assert codes == [b"0\n"] * 3  # SIGTERM drains
    finally:
        run(*compose, "down", "--volumes", "--rmi", "local", timeout=120)
