"""What ended a job is told as it was, however late init looks; an init that is lost tells nothing.

Init is stopped from outside while something happens, so that it finds two things at once: the
machine's speed decides nothing.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from magicrune.errors import SandboxLost
from magicrune.observation import Ending, Observation
from tests.attacks.init_process import Watched
from tests.conftest import make_spec
from tests.engines import container_backend, lanes

LANES = lanes(("oci-crun", "oci-runc", "docker", "podman"), ())
HEAD = "import fcntl, os, time\n"
Watch = Callable[[Watched], None]
Run = Callable[..., Observation]


@pytest.fixture(params=LANES)
def run(request: pytest.FixtureRequest, home: Any, monkeypatch: pytest.MonkeyPatch) -> Run:
    backend = container_backend(request.param, monkeypatch)

    def beside(probe: str, act: Watch, **options: Any) -> Observation:
        """Runs `probe`, and does `act` with its init when it sleeps for the first time."""
        word = uuid.uuid4().hex
        files = {"/workspace/probe.py": (HEAD + probe).encode()}
        spec = make_spec(f"exec python3 probe.py {word}", files=files, **options)
        with ThreadPoolExecutor(1) as pool:
            future = pool.submit(backend.run, spec)
            watched = Watched(word)
            watched.await_sleep()
            act(watched)
            return future.result()

    return beside


def blind(seconds: float) -> Watch:
    """Init sees nothing until the job has ended and `seconds` are over."""

    def act(watched: Watched) -> None:
        watched.stop()
        try:
            begun = time.monotonic()
            watched.await_end()
            time.sleep(max(0.0, begun + seconds - time.monotonic()))
        finally:
            watched.go_on()

    return act


def test_a_job_that_ended_before_its_deadline_is_no_timeout(run: Run) -> None:
    seen = run("time.sleep(3); os._exit(3)", blind(10.0), wall_ms=10_000)
    assert (seen.ending, seen.exit_code) == (Ending.EXITED, 3)


def test_a_job_that_outlives_its_deadline_is_a_timeout(run: Run) -> None:
    """The control: the same, but still there when init looks."""

    def late(watched: Watched) -> None:
        watched.stop()
        time.sleep(6.2)
        watched.go_on()

    seen = run("time.sleep(60); os._exit(3)", late, wall_ms=6000)
    assert (seen.ending, seen.exit_code) == (Ending.TIMEOUT, None)


@pytest.mark.parametrize(("size", "ending"), [(300_000, "output_limit"), (90_000, "exited")])
def test_too_much_output_is_told_of_a_job_that_has_ended(run: Run, size: int, ending: str) -> None:
    probe = f"""
fcntl.fcntl(1, 1031, 1 << 20)  # F_SETPIPE_SZ: all of it fits, and nobody has read any
time.sleep(3)
os.write(1, b"x" * {size})
os._exit(0)
"""
    seen = run(probe, blind(0), output_bytes=100_000)
    assert seen.ending == ending
    assert seen.stdout_truncated is (ending == "output_limit")
    assert len(seen.stdout) == min(size, 100_000)


def test_a_job_on_all_processors_is_ended_in_time(run: Run) -> None:
    probe = """
time.sleep(2)
for _ in range(99):
    if os.fork() == 0: break
while True: pass
"""
    seen = run(probe, lambda _: None, wall_ms=8000, cpu_ms=600_000, pids=120)
    held = {each.control: each.held for each in seen.enforcement}
    assert seen.ending is Ending.TIMEOUT
    assert held["wall_time"]
    assert held["priority"]


def test_a_killed_init_is_no_success(run: Run) -> None:
    with pytest.raises(SandboxLost):
        run("print('done', flush=True); time.sleep(60)", Watched.kill)


def test_an_init_that_is_told_to_end_is_no_success(run: Run) -> None:
    """As `docker stop` does it."""
    with pytest.raises(SandboxLost):
        run("print('done', flush=True); time.sleep(60)", Watched.terminate)


def test_an_init_that_is_left_alone_tells_the_end(run: Run) -> None:
    """The control."""
    seen = run("print('done', flush=True); time.sleep(2)", lambda _: None)
    assert (seen.ending, seen.exit_code, seen.stdout) == (Ending.EXITED, 0, b"done\n")
