"""The worker against a NATS server in a container, restarted under it."""

from __future__ import annotations

import io
import os
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.engines import container_backend
from tests.nats_server import NatsServer, free_port, server_binary
from tests.queue_bench import Bench, document

pytestmark = pytest.mark.timeout(180)
IMAGE = "magicrune-test/nats:2.15.1"


@pytest.fixture
def image(monkeypatch: pytest.MonkeyPatch) -> str:
    """An image with nothing but the server: no registry is needed."""
    docker = pytest.importorskip("docker")
    binary = Path(server_binary()).read_bytes()
    container_backend("docker", monkeypatch)  # skips, or fails in CI, where Docker is absent
    client = docker.from_env()
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, mode in (("data", 0o700), ("tmp", 0o1777)):
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = tarfile.DIRTYPE, mode
            archive.addfile(entry)
        entry = tarfile.TarInfo("nats-server")
        entry.size, entry.mode = len(binary), 0o755
        archive.addfile(entry, io.BytesIO(binary))
    name, _, tag = IMAGE.partition(":")
    changes = ['ENTRYPOINT ["/nats-server"]']
    client.api.import_image_from_data(packed.getvalue(), repository=name, tag=tag, changes=changes)
    client.close()
    return IMAGE


@pytest.fixture
def container(image: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Any, int]]:
    monkeypatch.setenv("TESTCONTAINERS_RYUK_DISABLED", "true")
    testcontainers = pytest.importorskip("testcontainers.core.container")
    port = free_port()
    made = testcontainers.DockerContainer(image).with_command("-js -sd /data -p 4222")
    made = made.with_bind_ports(4222, port)
    made.start()
    try:
        yield made, port
    finally:
        made.stop()


def test_a_container_that_is_restarted(
    container: tuple[Any, int], tmp_path: Path, module_cache: Path
) -> None:
    server, port = container
    bench = Bench(tmp_path, module_cache, NatsServer(tmp_path / "unused", port=port))
    requests = [document(number) for number in range(20)]
    try:
        bench.worker(MAGICRUNE_TEST_DELAY_MS="100")
        bench.publish(*requests)
        bench.until(lambda: len(bench.answers()) > 3, "some answers")
        server.get_wrapped_container().kill()
        time.sleep(1)
        server.get_wrapped_container().start()
        bench.until_said("reconnected")
        bench.settled(requests, 90)
    finally:
        bench.end()


if os.environ.get("CI"):

    def test_testcontainers_is_there() -> None:
        """Else the test above would be skipped in CI without a word."""
        import testcontainers  # noqa: F401
