"""A worker in a container that drives the host's Docker through its socket.

The engine resolves our paths on the host, so MAGICRUNE_HOME must lie on a volume with the same
path on both sides (docs/worker.md); where it does not, that is an answer and no run.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import make_spec
from tests.engines import IMAGE_HOME, container_backend
from tests.nats_server import NatsServer
from tests.queue_bench import Bench, document, name_of

pytestmark = pytest.mark.timeout(180)
ROOT = Path(__file__).parents[2]
SOCKET = "/var/run/docker.sock"


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """A MAGICRUNE_HOME with the images."""
    home = tmp_path / "shared"
    home.mkdir(mode=0o700)
    return home


@pytest.fixture
def bench(tmp_path: Path, module_cache: Path) -> Iterator[Bench]:
    server = NatsServer(tmp_path / "nats")
    server.start()
    yield Bench(tmp_path, module_cache, server)
    server.stop()


def start(client: Any, bench: Bench, home: str, volumes: dict[str, str], image: str) -> Any:
    """A worker in a container: this very interpreter and checkout, read-only."""
    places = {str(Path(sys.base_prefix).resolve()), sys.prefix, str(ROOT)}
    mounts = {place: {"bind": place, "mode": "ro"} for place in places if place != "/usr"}
    mounts |= {source: {"bind": target, "mode": "rw"} for source, target in volumes.items()}
    return client.containers.run(
        image,
        entrypoint=[sys.executable, "-m", "magicrune", "consume"],
        command=["--policy", "container", "--backend", "docker", "--concurrency", "1"],
        working_dir=str(ROOT),
        environment={
            "MAGICRUNE_HOME": home,
            "NATS_URL": bench.server.url,
        },
        user="0:0",
        network_mode="host",
        volumes={SOCKET: {"bind": SOCKET, "mode": "rw"}, **mounts},
        tmpfs={"/tmp": ""},
        read_only=True,
        detach=True,
    )


@pytest.mark.parametrize("same", [True, False])
def test_the_hosts_engine_from_a_container(
    bench: Bench, shared: Path, same: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = container_backend("docker", monkeypatch)
    digest = backend.run(make_spec("true")).image_digest  # Docker knows the image now
    docker = pytest.importorskip("docker")
    shutil.copytree(IMAGE_HOME / "cache", shared / "cache", symlinks=True)
    client = docker.from_env()
    (image,) = [
        tag
        for each in client.images.list()
        for tag in each.tags
        if tag.startswith("magicrune/python")
    ][:1]
    assert digest
    home = str(shared) if same else "/var/lib/elsewhere"
    worker = start(client, bench, home, {str(shared): home}, image)
    try:
        bench.until(lambda: b"ready" in worker.logs(), "ready")
        bench.environment["NATS_CONSUMER_MAX_DELIVER"] = "2"

        async def publish(_: Any, js: Any) -> None:
            await js.publish("run.req.default", document(1))

        bench.talk(publish)
        try:
            bench.until(lambda: bench.left() == 0, "answered", 60)
        except AssertionError:
            raise AssertionError(worker.logs().decode()) from None
        answers = dict(bench.answers())
    finally:
        worker.remove(force=True)
        client.close()
    answer = answers[name_of(document(1))]
    if same:
        assert (answer["stdout"], answer["backend"]) == ("job 1\n", "docker")
        assert all(each["held"] for each in answer["enforcement"])
    else:
        assert answer["error"]["code"] == "MR-4605"
        assert "bind source path does not exist" in answer["error"]["message"]
