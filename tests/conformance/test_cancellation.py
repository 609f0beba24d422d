"""A run that another thread cancels: its sandbox is gone, and it is told as interrupted."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from magicrune.cancellation import Cancellation
from magicrune.errors import RunInterrupted
from tests.conftest import make_spec
from tests.engines import container_backend

LANES = ("wasi", "oci-crun", "oci-runc", "docker", "podman")
PATIENCE_S = 20.0


@pytest.fixture(params=LANES)
def lane(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def sandbox(lane: str, module_cache: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    if lane != "wasi":
        return container_backend(lane, monkeypatch)
    from magicrune.backends.wasi import backend

    monkeypatch.setattr(backend, "cache_dir", lambda: module_cache)
    return backend.WasiBackend()


def processes(marker: str) -> list[str]:
    found = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if marker.encode() in place.read_bytes():
                found.append(place.parent.name)
        except OSError:
            continue
    return found


def until(look: Callable[[], Any]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not look():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("job", ["sleep {}", "sleep {} & while :; do :; done", "cat | sleep {}"])
def test_a_running_job_ends(sandbox: Any, lane: str, job: str) -> None:
    marker = f"3217{time.monotonic_ns()}"
    cancellation = Cancellation()
    ended: list[BaseException | None] = []

    def run() -> None:
        try:
            sandbox.run(make_spec(job.format(marker), wall_ms=60_000, cpu_ms=60_000), cancellation)
            ended.append(None)
        except BaseException as error:  # noqa: BLE001 - handed to the test
            ended.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    until(lambda: cancellation.begun)
    if lane == "wasi":
        time.sleep(0.2)
    else:  # the control: it is there before
        until(lambda: processes(marker))
    assert thread.is_alive()
    began = time.monotonic()
    cancellation.cancel()
    thread.join(PATIENCE_S)
    assert not thread.is_alive()
    assert isinstance(ended[0], RunInterrupted), ended
    assert time.monotonic() - began < PATIENCE_S
    assert processes(marker) == []


def test_one_that_was_cancelled_before_never_begins(sandbox: Any) -> None:
    cancellation = Cancellation()
    cancellation.cancel()
    with pytest.raises(RunInterrupted):
        sandbox.run(make_spec("echo hi"), cancellation)
    assert not cancellation.begun


def test_one_that_has_ended_is_told_as_it_was(sandbox: Any) -> None:
    cancellation = Cancellation()
    seen = sandbox.run(make_spec("echo hi"), cancellation)
    cancellation.cancel()
    assert (seen.stdout, cancellation.begun) == (b"hi\n", True)
    assert sandbox.run(make_spec("echo again")).stdout == b"again\n"
