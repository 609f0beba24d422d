"""One request, delivered again or held by a worker that dies or sleeps: run and answered once."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from typing import Any

import pytest

from magicrune.request import parse_request, request_sha256
from magicrune.worker.claim import Claim, encode
from tests.nats_server import Proxy
from tests.queue_bench import ACK_WAIT_S, ALONE, LEASE_S, Bench, document, name_of

ONE = document(1)
LONG = {"MAGICRUNE_TEST_DELAY_MS": str(int((LEASE_S + 3 * ACK_WAIT_S) * 1000))}
pytestmark = [pytest.mark.timeout(300), pytest.mark.together]


def test_many_requests_over_two_workers(bench: Bench) -> None:
    requests = [document(number) for number in range(60)]
    bench.worker(options=("--concurrency", "3"))
    bench.worker(options=("--concurrency", "3"))
    bench.publish(*requests)
    bench.settled(requests)
    assert set(bench.executions().values()) == {1}


@pytest.mark.parametrize(
    ("without", "begun", "stored"),
    [
        ((), 1, 1),
        (["server_beat"], 1, 1),
        (["claim_beat"], 1, 1),
        (["heartbeat"], 2, 1),
        (["heartbeat", "fence"], 2, 2),
    ],
)
def test_a_job_longer_than_the_ack_wait(
    bench: Bench, without: Sequence[str], begun: int, stored: int
) -> None:
    """Beats to the server or to the claim are enough; without both, the fence remains."""
    proxy = Proxy(bench.server.port)
    proxy.open = False
    bench.worker(without=without, options=ALONE, **LONG)
    bench.until_said("ready")
    bench.worker(without=without, options=ALONE, NATS_URL=f"nats://127.0.0.1:{proxy.port}")
    bench.until_said("waiting", 1)
    bench.command("publish", bench.file(ONE))
    bench.until_said("run run_id")
    proxy.open = True
    bench.until_empty()
    proxy.close()
    bench.until(lambda: {"done", "abandon"} & set(bench.log(0).split()), "the first is through")
    assert (min(bench.begun(ONE), 2), min(bench.stored(), 2)) == (begun, stored)


@pytest.mark.parametrize(
    ("without", "twice"),
    [((), False), (["one_a_slot"], False), (["one_a_slot", "claims"], True)],
)
def test_more_requests_than_slots(bench: Bench, without: Sequence[str], twice: bool) -> None:
    """What is not fetched cannot expire. What expires prefetched, the claim holds."""
    requests = [document(number) for number in range(4)]
    slow = {"MAGICRUNE_TEST_DELAY_MS": "1500"}
    bench.worker(without=without, options=ALONE, **slow)
    bench.until_said("ready")
    bench.publish(*requests)
    bench.until_said("run run_id")
    bench.worker(without=[each for each in without if each == "claims"], options=ALONE, **slow)
    bench.until(lambda: len(bench.answers()) == len(requests), "all answered")
    bench.until_empty()
    if twice:
        bench.until(lambda: max(bench.executions().values()) == 2, "begun twice")
    else:
        bench.settled(requests)
        assert set(bench.executions().values()) == {1}


@pytest.mark.parametrize(
    ("late", "without"),
    [
        *(("ack", ()), ("nak", ()), ("nak with a delay", ()), ("term", ())),
        ("nak", ["claims"]),
        # The beat puts the delay off, too.
        ("nak with a delay", ["claims", "server_beat"]),
    ],
)
def test_a_message_that_expired_in_other_hands(
    bench: Bench, late: str, without: Sequence[str]
) -> None:
    """Taken by somebody who let it lie (prefetched); the ack wait over, a worker runs it, and
    the first holder speaks while it does."""
    bench.worker()
    bench.until_said("ready")
    bench.end()
    bench.publish(ONE)

    async def work(_: Any, js: Any) -> None:
        pull = await js.pull_subscribe_bind(durable="RUN_WORKER", stream="RUN")
        (msg,) = await pull.fetch(1, timeout=5)
        for _ in range(2):
            bench.worker(without=without, options=ALONE, MAGICRUNE_TEST_DELAY_MS="2500")
        bench.until(lambda: "run run_id" in bench.log(1) + bench.log(2), "it runs")
        if late == "ack":
            await msg.ack_sync()
        elif late == "term":
            await msg.term()
        else:
            await msg.nak(delay=1 if "delay" in late else None)

    bench.talk(work)
    if without:
        bench.until(lambda: min(bench.begun(ONE), bench.stored()) > 1, "run and answered again")
    else:
        bench.settled([ONE])
        assert bench.begun(ONE) == 1


@pytest.mark.parametrize(
    ("step", "begun"),
    [("claimed", 1), ("running", 2), ("ran", 2), ("committed", 1), ("told", 1)],
)
def test_killed_at_each_step(bench: Bench, step: str, begun: int) -> None:
    kill_one_at(bench, step, ())
    bench.settled([ONE])
    assert bench.begun(ONE) == begun


def kill_one_at(bench: Bench, step: str, without: Sequence[str]) -> None:
    """One worker dies over a request, another one comes."""
    bench.worker("--at", step, "kill", without=without)
    bench.publish(ONE)
    bench.until_dead()
    bench.worker(without=without)
    bench.until_said("ready", 1)


@pytest.mark.parametrize("step", ["claimed", "running", "ran"])
def test_without_a_takeover_it_is_never_answered(bench: Bench, step: str) -> None:
    kill_one_at(bench, step, ["takeover"])
    bench.until_said("another worker runs it", 1)  # which is dead
    assert (bench.left(), bench.answers()) == (1, [])


@pytest.mark.parametrize("step", ["claimed", "running", "ran"])
def test_who_acks_before_its_answer_is_stored_loses_it(bench: Bench, step: str) -> None:
    kill_one_at(bench, step, ["ack_last"])
    assert (bench.left(), bench.answers()) == (0, [])


def test_without_the_committed_answer_it_is_run_again(bench: Bench) -> None:
    kill_one_at(bench, "committed", ["committed"])
    bench.until_empty()
    assert bench.begun(ONE) == 2


def test_without_a_look_at_the_stored_answer_it_is_told_twice(bench: Bench) -> None:
    kill_one_at(bench, "told", ["answered"])
    bench.until_empty()
    assert (bench.begun(ONE), bench.stored()) == (1, 2)


@pytest.mark.parametrize(("without", "stored"), [((), 1), (["fence"], 2)])
def test_a_worker_that_slept_past_its_claim(
    bench: Bench, without: Sequence[str], stored: int
) -> None:
    """SIGSTOP, and the ack after another worker has the message."""
    bench.worker("--at", "ran", "stop", without=without)
    bench.publish(ONE)
    bench.until(lambda: bench.begun(ONE) == 1, "it was run")
    bench.worker()
    bench.until_said("done", 1)
    bench.signal(0, signal.SIGCONT)
    bench.until(lambda: {"done", "abandon"} & set(bench.log(0).split()), "the first is through")
    bench.until_empty()
    assert min(bench.stored(), 2) == stored


@pytest.mark.parametrize("without", [(), ["attempts"]])
def test_each_worker_dies_of_it(bench: Bench, without: Sequence[str]) -> None:
    bench.environment["NATS_CONSUMER_MAX_DELIVER"] = "2"
    for number in range(2):
        bench.worker("--at", "claimed", "kill", without=without)
        bench.until_said("ready", number)
        if number == 0:
            bench.publish(ONE)
        bench.until_dead(number)
    bench.worker("--at", "claimed", "kill", without=without)
    if without:  # and so on, worker after worker
        bench.until_dead(2)
        return
    bench.settled([ONE])
    assert bench.outcome() == "MR-4605"
    aside = bench.talk(lambda _, js: js.get_last_msg("RUN_DLQ", "run.dlq.default"))
    assert (aside.data, bench.executions()) == (ONE, {})


@pytest.mark.parametrize(
    ("repeatable", "without", "said"),
    [(False, (), "MR-4604"), (True, (), "green"), (False, ["unknown"], "green")],
)
def test_a_networked_job_whose_worker_died(
    bench: Bench, repeatable: bool, without: Sequence[str], said: str
) -> None:
    """It is not run again, unless the request says that it may be. (With a network and a job
    that uses it: test_worker_networked.py.)"""
    bench.worker(without=without)
    bench.until_said("ready")
    data = document(1, repeatable=repeatable)
    claim = Claim("running", "t", "w", name_of(data), 1, networked=True, repeatable=repeatable)

    async def plant(_: Any, js: Any) -> None:
        key = request_sha256(parse_request(data))
        await js.publish(f"$KV.RUN_CLAIMS.{key}", encode(claim))

    bench.talk(plant)
    bench.publish(data)
    bench.settled([data])
    assert bench.outcome() == said
    assert bench.begun(data) == (said == "green")
