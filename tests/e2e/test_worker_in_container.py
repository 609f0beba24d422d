"""Workers in containers that drive the host's Docker through its socket.

The engine resolves our paths on its host: the worker asks it where its own mounts lie there
(rune/outside.py). Without that, only a path that is the same on both sides works.
"""

from __future__ import annotations

import contextlib
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

pytestmark = pytest.mark.timeout(300)
ROOT = Path(__file__).parents[2]
SOCKET = "/var/run/docker.sock"
INSIDE = "/var/lib/elsewhere"


@pytest.fixture
def bench(tmp_path: Path, module_cache: Path) -> Iterator[Bench]:
    server = NatsServer(tmp_path / "nats")
    server.start()
    yield Bench(tmp_path, module_cache, server)
    server.stop()


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Of a daemon that has the image, and may run others."""
    container_backend("docker", monkeypatch).run(make_spec("true"))
    docker = pytest.importorskip("docker")
    made = docker.from_env()
    yield made
    made.close()


@pytest.fixture
def volume(client: Any) -> Iterator[Any]:
    made = client.volumes.create()
    yield made
    made.remove(force=True)


def fill(home: Path) -> Path:
    """A MAGICRUNE_HOME with the images."""
    home.mkdir(mode=0o700, exist_ok=True)
    home.chmod(0o700)
    shutil.copytree(IMAGE_HOME / "cache", home / "cache", symlinks=True)
    return home


@contextlib.contextmanager
def worker(
    client: Any, bench: Bench, home: str, volumes: dict[str, str], *hooks: str
) -> Iterator[Any]:
    """One in a container: this very interpreter and checkout, read-only."""
    image = next(t for i in client.images.list() for t in i.tags if t.startswith("magicrune/"))
    places = {str(Path(sys.base_prefix).resolve()), sys.prefix, str(ROOT)}
    mounts = {place: {"bind": place, "mode": "ro"} for place in places if place != "/usr"}
    mounts |= {source: {"bind": target, "mode": "rw"} for source, target in volumes.items()}
    made = client.containers.run(
        image,
        entrypoint=[sys.executable, "-m", "tests.worker_process", *hooks, "consume"],
        command=["--policy", "container", "--backend", "docker", "--concurrency", "1"],
        working_dir=str(ROOT),
        environment={
            "MAGICRUNE_HOME": home,
            "NATS_URL": bench.server.url,
            "NATS_CONSUMER_MAX_DELIVER": "2",
        },
        user="0:0",
        network_mode="host",
        volumes={SOCKET: {"bind": SOCKET, "mode": "rw"}, **mounts},
        tmpfs={"/tmp": ""},
        read_only=True,
        detach=True,
    )
    try:
        yield made
    except AssertionError:
        raise AssertionError(made.logs().decode()[-3000:]) from None
    finally:
        made.remove(force=True)


def answered(bench: Bench, *documents: bytes) -> dict[str, Any]:
    async def publish(_: Any, js: Any) -> None:
        for data in documents:
            await js.publish("run.req.default", data)

    bench.talk(publish)
    bench.until(lambda: bench.left() == 0, "answered", 90)
    answers = dict(bench.answers())
    return {each: answers[name_of(data)] for each, data in enumerate(documents)}


def ready(bench: Bench, made: Any) -> None:
    bench.until(lambda: b"ready" in made.logs(), "ready", 60)


def assert_ran(answer: dict[str, Any]) -> None:
    assert answer.get("backend") == "docker", answer
    assert answer["stdout"] == "job 1\n"
    assert all(each["held"] for each in answer["enforcement"])


def test_under_the_same_path(bench: Bench, client: Any, tmp_path: Path) -> None:
    home = str(fill(tmp_path / "shared"))
    with worker(client, bench, home, {home: home}) as made:
        ready(bench, made)
        assert_ran(answered(bench, document(1))[0])


def test_under_another_path(bench: Bench, client: Any, tmp_path: Path) -> None:
    home = fill(tmp_path / "shared")
    with worker(client, bench, INSIDE, {str(home): INSIDE}) as made:
        ready(bench, made)
        assert_ran(answered(bench, document(1))[0])
    assert not list((home / "sockets").iterdir())


def test_in_a_directory_of_a_named_volume(bench: Bench, client: Any, volume: Any) -> None:
    fill(Path(volume.attrs["Mountpoint"]) / "home")
    with worker(client, bench, f"{INSIDE}/home", {volume.name: INSIDE}) as made:
        ready(bench, made)
        assert_ran(answered(bench, document(1))[0])


def test_without_looking_outside_it_fails(bench: Bench, client: Any, tmp_path: Path) -> None:
    home = fill(tmp_path / "shared")
    with worker(client, bench, INSIDE, {str(home): INSIDE}, "--without", "outside") as made:
        ready(bench, made)
        answer = answered(bench, document(1))[0]
    assert answer["error"]["code"] == "MR-4108"  # no other try would help
    assert "bind source path does not exist" in answer["error"]["message"]


def test_without_a_volume_it_does_not_start(bench: Bench, client: Any) -> None:
    with worker(client, bench, "/tmp/home", {}) as made:
        assert made.wait(timeout=60)["StatusCode"] == 4
        said = made.logs().decode()
    assert "/tmp/home: lies in the container that we run in (/tmp)" in said
    assert "MAGICRUNE_HOME" in said


def clean(made: Any, home: str) -> None:
    words = [sys.executable, "-m", "magicrune", "doctor", "--clean"]
    code, said = made.exec_run(words, workdir=str(ROOT), environment={"MAGICRUNE_HOME": home})
    assert b"Traceback" not in said, (code, said)


def test_two_share_a_volume_and_sweep_only_what_is_left(
    bench: Bench, client: Any, volume: Any
) -> None:
    """Each has a PID namespace of its own, so neither can see whether the other lives."""
    place = fill(Path(volume.attrs["Mountpoint"]) / "home") / "sockets"
    mounts, home = {volume.name: INSIDE}, f"{INSIDE}/home"
    slow = document(1, cmd="sleep 30", timeout_sec=50)
    with (
        worker(client, bench, home, mounts) as first,
        worker(client, bench, home, mounts) as second,
    ):
        ready(bench, first)
        ready(bench, second)

        async def publish(_: Any, js: Any) -> None:
            await js.publish("run.req.default", slow)

        bench.talk(publish)
        said = f"run run_id={name_of(slow)}".encode()
        bench.until(lambda: said in first.logs() + second.logs(), "it runs", 60)
        busy, other = (first, second) if said in first.logs() else (second, first)
        bench.until(lambda: list(place.glob("run-*/shared/init")), "its directory", 60)
        clean(other, home)
        assert len(list(place.glob("run-*"))) == 1
        busy.kill()
        busy.wait()
        clean(other, home)
        assert not list(place.glob("run-*"))
