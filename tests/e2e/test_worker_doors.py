"""What a person gets of the queue: a request published, its answer, and what is said besides."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.engines import container_backend, images_under
from tests.queue_bench import Bench, document, name_of

pytestmark = [pytest.mark.timeout(300), pytest.mark.together]


def test_from_publish_to_answer(bench: Bench) -> None:
    bench.worker()
    bench.until_said("ready")
    done = bench.command("publish", "samples/ok.json", "--wait", "20")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert (answer["stdout"], answer["verdict"]) == ("hello\n", "green")
    again = bench.command("result", answer["run_id"])
    assert (again.returncode, again.stdout) == (0, done.stdout)


def test_a_policy_violation_is_answered_and_not_run(bench: Bench) -> None:
    bench.worker()
    done = bench.command("publish", "samples/deny_net.json", "--wait", "20")
    answer = json.loads(done.stdout)
    assert (done.returncode, answer["executed"], answer["verdict"]) == (3, False, "red")
    assert bench.executions() == {}


def test_a_duplicate_is_told_at_once_and_attached_to(bench: Bench) -> None:
    bench.environment["NATS_DUP_WINDOW_SEC"] = "60"
    first = bench.command("publish", "samples/ok.json")
    run = json.loads(first.stdout)["run_id"]
    waiting = bench.command("publish", "samples/ok.json")
    assert waiting.returncode == 4
    assert run in waiting.stderr.decode()
    bench.worker()
    attached = bench.command("publish", "samples/ok.json", "--attach")
    assert json.loads(attached.stdout)["run_id"] == run
    done = bench.command("publish", "samples/ok.json")
    assert (done.returncode, b"MR-4603" in done.stderr) == (4, True)
    bench.settled([Path("samples/ok.json").read_bytes()])
    assert bench.executions() == {run: 1}


def test_what_was_queued_before_a_duplicate_is_told(bench: Bench) -> None:
    files = [bench.place / f"{number}.json" for number in (1, 2, 1, 3)]
    for path in files:
        path.write_bytes(document(int(path.stem)))
    done = bench.command("publish", *map(str, files))
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 4
    assert [each["run_id"] for each in told if each["run_id"]] == [
        name_of(document(number)) for number in (1, 2)
    ]


def test_a_request_too_large_for_a_message(bench: Bench) -> None:
    path = bench.place / "big.json"
    path.write_bytes(document(1, stdin="x" * (2 << 20)))
    done = bench.command("publish", str(path))
    assert (done.returncode, b"max_payload" in done.stderr) == (1, True)


def test_a_password_in_the_address_is_not_told(bench: Bench) -> None:
    done = bench.command("publish", "samples/ok.json", NATS_URL="nats://me:secret@127.0.0.1:1")
    assert done.returncode == 4
    assert b"secret" not in done.stdout + done.stderr
    assert b"nats://127.0.0.1:1" in done.stderr


def test_an_answer_that_no_worker_stored(bench: Bench) -> None:
    name = name_of(document(1))
    bench.command("publish", "samples/ok.json")  # makes the streams

    async def forge(_: Any, js: Any) -> None:
        await js.publish(f"run.res.{name}", b"{}", headers={"Magicrune-Kind": "result"})

    bench.talk(forge)
    done = bench.command("result", name)
    assert (done.returncode, b"MR-2001" in done.stderr) == (2, True)


def test_the_server_dies_while_somebody_waits(bench: Bench) -> None:
    words = [sys.executable, "-m", "magicrune", "publish", "samples/ok.json", "--wait", "30"]
    waiting = subprocess.Popen(
        words, env=bench.settings(bench.place / "p"), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    time.sleep(2)
    bench.server.kill()
    _, said = waiting.communicate(timeout=60)
    assert (waiting.returncode, b"MR-460" in said) == (4, True), said


def test_a_server_that_is_not_there(bench: Bench) -> None:
    bench.server.stop()
    done = bench.command("publish", "samples/ok.json")
    assert (done.returncode, b"MR-4601" in done.stderr) == (4, True)
    once = bench.worker(MAGICRUNE_REQUIRE_NATS="1")
    assert bench.workers[once].wait(60) == 4
    patient = bench.worker()
    bench.until_said("waiting", patient)
    bench.server.start()
    bench.until_said("ready", patient)


def test_another_configuration_is_never_used_silently(bench: Bench) -> None:
    async def work(_: Any, js: Any) -> None:
        await js.add_stream(name="RUN", subjects=["run.req.*"], retention="workqueue", max_age=60)

    bench.talk(work)
    refused = bench.worker()
    assert bench.workers[refused].wait(60) == 4
    assert "max_age is 60" in bench.log(refused)
    migrated = bench.worker(options=("--migrate",))
    bench.until_said("ready", migrated)

    async def backoff(_: Any, js: Any) -> None:
        info = await js.consumer_info("RUN", "RUN_WORKER")
        info.config.backoff = [1.0, 3.0]
        info.config.max_deliver = 3
        await js.add_consumer("RUN", info.config)

    bench.talk(backoff)
    refused = bench.worker()
    assert bench.workers[refused].wait(60) == 4
    assert "backoff" in bench.log(refused)


def test_without_a_comparison_a_back_off_loses_a_request(bench: Bench) -> None:
    """The server counts deliveries, in the place of our ack wait and of our count of starts:
    after two dead workers nobody gets it any more, though five starts are wanted."""
    bench.worker()
    bench.until_said("ready")
    bench.end()

    async def backoff(_: Any, js: Any) -> None:
        info = await js.consumer_info("RUN", "RUN_WORKER")
        info.config.backoff, info.config.max_deliver = [0.3], 2
        await js.add_consumer("RUN", info.config)

    bench.talk(backoff)
    bench.publish(document(1))
    for number in (1, 2):
        bench.worker("--at", "claimed", "kill", without=["differences"])
        bench.until_dead(number)
    bench.worker(without=["differences"])
    bench.until_said("ready", 3)
    bench.until(lambda: bench.left() == 0, "given up by the server")
    assert bench.talk(lambda _, js: js.stream_info("RUN")).state.messages == 1
    assert bench.answers() == []


@pytest.mark.parametrize("lane", ["oci", "podman", "docker"])
def test_containers(bench: Bench, lane: str, monkeypatch: pytest.MonkeyPatch) -> None:
    container_backend(lane, monkeypatch)
    requests = [document(number) for number in range(4)]
    options = ("--policy", "container", "--backend", lane)
    bench.worker(options=options, XDG_CACHE_HOME=str(images_under(bench.place)))
    bench.publish(*requests)
    bench.settled(requests)
    assert {answer["backend"] for _, answer in bench.answers()} == {lane}
    assert {answer["stdout"] for _, answer in bench.answers()} == {
        f"job {number}\n" for number in range(4)
    }


def test_sigterm_finishes_what_runs_and_takes_no_more(bench: Bench) -> None:
    bench.worker(options=("--concurrency", "1"), MAGICRUNE_TEST_DELAY_MS="1500")
    bench.until_said("ready")
    bench.publish(document(1), document(2), document(3))
    bench.until_said("run run_id")
    assert bench.log().count("run run_id") == 1  # never more than it can start
    bench.signal(0, signal.SIGTERM)
    assert bench.workers[0].wait(60) == 0
    assert len(bench.answers()) == 1
    assert bench.left() == 2
    bench.worker()
    bench.settled([document(1), document(2), document(3)])
    assert set(bench.executions().values()) == {1}


def test_sigterm_hands_back_what_takes_too_long(bench: Bench) -> None:
    bench.worker(MAGICRUNE_TEST_DELAY_MS="60000", MAGICRUNE_GRACE_SEC="1")
    bench.until_said("ready")
    bench.publish(document(1))
    bench.until_said("run run_id")
    bench.signal(0, signal.SIGTERM)
    assert bench.workers[0].wait(60) == 0
    bench.worker()
    bench.until_said("its worker gave it back", 1)
    bench.settled([document(1)])
