"""One request, delivered again or held by a worker that dies or sleeps: run and answered once."""

from __future__ import annotations

import signal
import time
from typing import Any

import pytest

from magicrune.request import parse_request, request_sha256
from magicrune.worker.claim import Claim, encode
from tests.queue_bench import ACK_WAIT_S, LEASE_S, Bench, document, name_of

pytestmark = [pytest.mark.timeout(180), pytest.mark.together]


def test_many_requests_over_two_workers(bench: Bench) -> None:
    requests = [document(number) for number in range(60)]
    bench.worker(options=("--concurrency", "3"))
    bench.worker(options=("--concurrency", "3"))
    bench.publish(*requests)
    bench.settled(requests)
    assert set(bench.executions().values()) == {1}


def test_known_again_outside_the_duplicate_window(bench: Bench) -> None:
    bench.worker()
    bench.publish(document(1))
    bench.settled([document(1)])
    time.sleep(2.5)
    assert bench.publish(document(1)) == [False]  # the server itself has forgotten it
    bench.until_said("known")
    bench.settled([document(1)])
    assert set(bench.executions().values()) == {1}


def test_without_the_claim_it_is_run_again(bench: Bench) -> None:
    bench.worker("--without", "claims")
    bench.publish(document(1))
    bench.until(lambda: bench.left() == 0 and bench.stored() == 1, "answered")
    bench.publish(document(1), known_id=False)
    bench.until(lambda: bench.stored() == 2, "answered again")
    assert set(bench.executions().values()) == {2}


def test_a_lost_ack(bench: Bench) -> None:
    bench.worker(MAGICRUNE_TEST_SKIP_ACK_ONCE="1")
    bench.publish(document(1))
    bench.until_said("ack skipped")
    bench.until_said("known")
    bench.settled([document(1)])
    assert set(bench.executions().values()) == {1}


def test_a_server_that_forgets_every_ack(bench: Bench) -> None:
    """Redelivery although the double ack returned no error: published again under another id."""
    bench.worker()
    bench.publish(document(1))
    bench.settled([document(1)])
    for _ in range(3):
        bench.publish(document(1), known_id=False)
    bench.until(lambda: bench.log().count("known run_id") == 3 and bench.left() == 0, "known")
    bench.settled([document(1)])
    assert set(bench.executions().values()) == {1}


def test_a_job_longer_than_the_ack_wait(bench: Bench) -> None:
    slow = {"MAGICRUNE_TEST_DELAY_MS": str(int((LEASE_S + ACK_WAIT_S) * 1000))}
    bench.worker(**slow)
    bench.worker(**slow)
    bench.publish(document(1))
    bench.settled([document(1)])
    assert set(bench.executions().values()) == {1}


def test_without_the_heartbeat_it_is_run_twice_and_answered_once(bench: Bench) -> None:
    slow = {"MAGICRUNE_TEST_DELAY_MS": str(int((LEASE_S + 2 * ACK_WAIT_S) * 1000))}
    bench.worker("--without", "heartbeat", options=("--concurrency", "1"), **slow)
    bench.until_said("ready")
    bench.publish(document(1))
    bench.until_said("run run_id")
    bench.worker()
    bench.until_said("done", 1)
    bench.until_said("abandon", 0)  # the fence
    bench.settled([document(1)])
    assert set(bench.executions().values()) == {2}


@pytest.mark.parametrize("step", ["claimed", "running", "ran", "committed", "told"])
def test_killed_at_each_step(bench: Bench, step: str) -> None:
    bench.worker("--at", step, "kill")
    bench.until_said("ready")
    bench.publish(document(1))
    assert bench.workers[0].wait(30) == -signal.SIGKILL
    bench.worker()
    bench.settled([document(1)])
    begun = {"claimed": 1, "running": 2, "ran": 2, "committed": 1, "told": 1}[step]
    assert set(bench.executions().values()) == {begun}


@pytest.mark.parametrize("fenced", [True, False])
def test_a_worker_that_slept_past_its_claim(bench: Bench, fenced: bool) -> None:
    bench.worker("--at", "ran", "stop", *([] if fenced else ["--without", "fence"]))
    bench.until_said("ready")
    bench.publish(document(1))
    bench.until(lambda: set(bench.executions().values()) == {1}, "run")
    bench.worker()
    bench.until_said("done", 1)
    bench.signal(0, signal.SIGCONT)
    if fenced:
        bench.until_said("abandon", 0)
        bench.settled([document(1)])
    else:  # the proof that the fence holds it
        bench.until(lambda: bench.stored() == 2, "a second answer")


def test_each_worker_dies_of_it(bench: Bench) -> None:
    bench.environment["NATS_CONSUMER_MAX_DELIVER"] = "2"
    bench.worker("--at", "claimed", "kill")
    bench.until_said("ready")
    bench.publish(document(1))
    bench.workers[0].wait(30)
    bench.worker("--at", "claimed", "kill")
    bench.workers[1].wait(30)
    bench.worker()
    bench.settled([document(1)])
    ((_, answer),) = bench.answers()
    assert answer["error"]["code"] == "MR-4605"
    aside = bench.talk(lambda _, js: js.get_last_msg("RUN_DLQ", "run.dlq.default"))
    assert aside.data == document(1)
    assert bench.executions() == {}


@pytest.mark.parametrize("repeatable", [False, True])
def test_a_networked_job_whose_worker_died(bench: Bench, repeatable: bool) -> None:
    """It is not run again, unless the request says that it may be."""
    bench.worker()
    bench.until_said("ready")
    data = document(1, repeatable=repeatable)
    claim = Claim("running", "t", "w", name_of(data), 1, networked=True, repeatable=repeatable)

    async def plant(_: Any, js: Any) -> None:
        key = request_sha256(parse_request(data))
        await js.publish(f"$KV.RUN_CLAIMS.{key}", encode(claim))

    bench.talk(plant)
    bench.publish(data)
    bench.settled([data])
    ((_, answer),) = bench.answers()
    if repeatable:
        assert answer["verdict"] == "green"
        assert bench.executions() == {name_of(data): 1}
    else:
        assert answer["error"]["code"] == "MR-4604"
        assert bench.executions() == {}
