"""The same request comes again: by its publisher, or by a server that lost the ack. Each test is
run with its guards, and less those that it names: then the invariant breaks."""

from __future__ import annotations

import time
from collections.abc import Sequence

import pytest

from tests.queue_bench import ALONE, Bench, document

pytestmark = [pytest.mark.timeout(300), pytest.mark.together]
ONE = document(1)
SLOW = {"MAGICRUNE_TEST_DELAY_MS": "3000"}


def run_and_answered(bench: Bench, times: int) -> None:
    """Once exactly; or where a guard is out, so often at least (the server may add to it)."""
    bench.until_empty()
    if times == 1:
        bench.settled([ONE])
        assert bench.begun(ONE) == 1
    else:
        bench.until(lambda: min(bench.begun(ONE), bench.stored()) >= times, f"run {times} times")


@pytest.mark.parametrize(
    ("without", "told", "begun"),
    [((), 4, 1), (["message_id"], 0, 1), (["message_id", "claims"], 0, 2)],
)
def test_published_again_within_the_window(
    bench: Bench, without: Sequence[str], told: int, begun: int
) -> None:
    """The message id tells the publisher. Without it the claim still holds: begun once."""
    bench.environment["NATS_DUP_WINDOW_SEC"] = "60"
    assert bench.command("publish", bench.file(ONE), without=without).returncode == 0
    assert bench.command("publish", bench.file(ONE), without=without).returncode == told
    bench.worker(without=without, options=ALONE)
    bench.until_said("ready")
    run_and_answered(bench, begun)


@pytest.mark.parametrize(
    ("without", "told", "begun"),
    [((), 4, 1), (["looked_up"], 0, 1), (["looked_up", "claims"], 0, 2)],
)
def test_published_again_after_the_window(
    bench: Bench, without: Sequence[str], told: int, begun: int
) -> None:
    """The stored answer tells the publisher. Without it the claim still holds."""
    bench.environment["NATS_DUP_WINDOW_SEC"] = "1"
    bench.worker(without=[each for each in without if each == "claims"])
    bench.publish(ONE)
    bench.settled([ONE])
    time.sleep(1.5)
    assert bench.command("publish", bench.file(ONE), without=without).returncode == told
    run_and_answered(bench, begun)


@pytest.mark.parametrize("without", [(), ["files"]])
def test_queued_before_the_server_died(bench: Bench, without: Sequence[str]) -> None:
    bench.environment["NATS_DUP_WINDOW_SEC"] = "60"
    assert bench.command("publish", bench.file(ONE), without=without).returncode == 0
    bench.server.kill()
    bench.server.start()
    if without:  # acknowledged, and lost
        bench.worker(without=without)
        bench.until_said("ready")
        assert (bench.left(), bench.answers()) == (0, [])
        return
    assert bench.command("publish", bench.file(ONE)).returncode == 4  # known over a restart
    bench.worker()
    bench.until_said("ready")
    bench.settled([ONE])


@pytest.mark.parametrize(("without", "begun"), [((), 1), (["claims"], 2)])
def test_published_again_across_a_restart(bench: Bench, without: Sequence[str], begun: int) -> None:
    bench.worker(without=without)
    bench.publish(ONE)
    bench.settled([ONE])
    bench.server.kill()
    bench.server.start()
    bench.until_said("reconnected")
    bench.publish(ONE, known_id=False)
    run_and_answered(bench, begun)


@pytest.mark.parametrize("without", [(), ["watch"]])
def test_published_again_while_another_runs_it(bench: Bench, without: Sequence[str]) -> None:
    """A claim is watched before its worker counts as dead. Else two that live take it from each
    other until it counts as begun too often."""
    bench.environment["NATS_CONSUMER_MAX_DELIVER"] = "2"
    for _ in range(2):
        bench.worker(without=without, options=ALONE, **SLOW)
    for number in range(2):
        bench.until_said("ready", number)
    bench.publish(ONE)
    bench.until(lambda: "run run_id" in bench.log(0) + bench.log(1), "it runs")
    bench.publish(ONE, known_id=False)
    bench.until_empty()
    assert bench.outcome() == ("MR-4605" if without else "green")


@pytest.mark.parametrize("without", [(), ["here"], ["here", "watch"]])
def test_published_again_while_this_worker_runs_it(bench: Bench, without: Sequence[str]) -> None:
    """It knows what it runs; without that, it sees its own claim move."""
    bench.environment["NATS_CONSUMER_MAX_DELIVER"] = "2"
    bench.worker(without=without, options=("--concurrency", "2"), **SLOW)
    bench.until_said("ready")
    bench.publish(ONE)
    bench.until_said("run run_id")
    bench.publish(ONE, known_id=False)
    bench.until_empty()
    assert bench.outcome() == ("MR-4605" if "watch" in without else "green")


@pytest.mark.parametrize(("without", "begun"), [((), 1), (["claims"], 2)])
def test_a_lost_ack(bench: Bench, without: Sequence[str], begun: int) -> None:
    bench.worker(without=without, MAGICRUNE_TEST_SKIP_ACK_ONCE="1")
    bench.publish(ONE)
    bench.until_said("ack skipped")
    run_and_answered(bench, begun)


@pytest.mark.parametrize(("without", "begun"), [((), 1), (["claims"], 4)])
def test_a_server_that_forgets_every_ack(bench: Bench, without: Sequence[str], begun: int) -> None:
    """Redelivery although the double ack returned no error: published again under another id."""
    bench.worker(without=without)
    bench.publish(ONE)
    bench.settled([ONE])
    for _ in range(3):
        bench.publish(ONE, known_id=False)
    run_and_answered(bench, begun)
