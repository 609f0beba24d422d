"""The server dies, forgets, has no room, is cut off: nothing is lost or doubled."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import pytest

from tests.nats_server import Proxy
from tests.queue_bench import ACK_WAIT_S, ALONE, Bench, document, name_of

ONE, TWO = document(1), document(2)
pytestmark = [pytest.mark.timeout(300), pytest.mark.together]


def test_the_server_dies_under_load(bench: Bench) -> None:
    requests = [document(number) for number in range(40)]
    for _ in range(2):
        bench.worker(MAGICRUNE_TEST_DELAY_MS_JITTER="0..=300")
    bench.until_said("ready", 0)
    bench.publish(*requests)
    for _ in range(2):
        bench.until(lambda: len(bench.answers()) > 3, "some answers")
        bench.server.kill()
        time.sleep(1)
        bench.server.start()
    bench.settled(requests)


@pytest.mark.parametrize("without", [(), ["reconnect"]])
def test_the_server_is_away_for_a_while(bench: Bench, without: Sequence[str]) -> None:
    bench.worker(without=without)
    bench.until_said("ready")
    bench.server.kill()
    if without:
        bench.until_said("ConnectionClosed")
    else:
        bench.until(lambda: bench.log().count("Connect call failed") > 3, "it tries on")
    bench.server.start()
    bench.publish(ONE)
    if without:
        time.sleep(ACK_WAIT_S)
        assert (bench.left(), bench.answers()) == (1, [])  # the worker lives, and takes nothing
    else:
        bench.settled([ONE])


@pytest.mark.parametrize(("without", "begun"), [((), 1), (["insist"], 2)])
def test_the_server_restarts_before_the_ack(
    bench: Bench, without: Sequence[str], begun: int
) -> None:
    """The answer is kept until it can be committed; else the run is worth nothing."""
    bench.worker(without=without, MAGICRUNE_TEST_DELAY_MS="1500")
    bench.publish(ONE)
    bench.until_said("run run_id")
    bench.server.kill()
    bench.until_said("postponed" if without else "not written")
    bench.server.start()
    bench.settled([ONE])
    assert bench.begun(ONE) == begun


@pytest.mark.parametrize(("without", "begun"), [((), 1), (["claims"], 2)])
def test_purged_while_it_runs(bench: Bench, without: Sequence[str], begun: int) -> None:
    """It is answered all the same, and known when it is published again."""
    bench.worker(without=without, MAGICRUNE_TEST_DELAY_MS="1500")
    bench.publish(ONE)
    bench.until_said("run run_id")
    bench.talk(lambda _, js: js.purge_stream("RUN"))
    bench.until(lambda: bench.stored() == 1, "answered")
    bench.publish(ONE, known_id=False)
    bench.until_empty()
    assert (min(bench.begun(ONE), 2), min(bench.stored(), 2)) == (begun, begun)


@pytest.mark.parametrize(("without", "begun"), [((), 1), (["committed"], 2), (["ack_last"], 1)])
def test_no_room_for_answers(bench: Bench, without: Sequence[str], begun: int) -> None:
    """The committed answer waits for room, its request for the answer."""
    bench.worker(without=without)
    bench.publish(ONE)
    bench.settled([ONE])
    bench.talk(lambda _, js: limit_answers(js, 1))
    bench.publish(TWO)
    bench.until_said("postponed")
    if "committed" in without:
        bench.until(lambda: bench.begun(TWO) == 2, "run again")
    bench.talk(lambda _, js: limit_answers(js, -1))
    bench.until_empty()
    if "ack_last" in without:
        assert [name for name, _ in bench.answers()] == [name_of(ONE)]
    else:
        bench.settled([ONE, TWO])
    assert (bench.begun(TWO) > 1) == (begun > 1)


async def limit_answers(js: Any, most: int) -> None:
    """At most so many are stored, and no more taken; -1: any number."""
    info = await js.stream_info("RUN_RES")
    info.config.max_msgs, info.config.discard = most, "new" if most > 0 else "old"
    await js.update_stream(info.config)


@pytest.mark.parametrize(
    ("without", "begun"), [((), 0), (["bucket"], 0), (["bucket", "written"], 2)]
)
def test_the_bucket_is_gone_and_comes_back(
    bench: Bench, without: Sequence[str], begun: int
) -> None:
    """Who cannot read a claim does not run; who could, but cannot write one, does not either."""
    for _ in range(2):
        bench.worker(without=without, options=ALONE)
    for number in range(2):
        bench.until_said("ready", number)

    async def take(_: Any, js: Any) -> Any:
        config = (await js.stream_info("KV_RUN_CLAIMS")).config
        await js.delete_stream("KV_RUN_CLAIMS")
        return config

    config = bench.talk(take)
    for _ in range(2):
        bench.publish(ONE, known_id=False)
    complaint = "not written" if begun else "postponed"
    for number in range(2):
        bench.until_said(complaint, number)
    assert bench.begun(ONE) == begun
    bench.talk(lambda _, js: js.add_stream(config))
    bench.until_empty()
    if not begun:
        bench.settled([ONE])
        assert bench.begun(ONE) == 1


@pytest.mark.parametrize(
    ("how", "without", "stored"),
    [("stall", (), 1), ("cut", (), 1), ("stall", ["fence"], 2), ("cut", ["fence"], 2)],
)
def test_a_partitioned_worker(bench: Bench, how: str, without: Sequence[str], stored: int) -> None:
    proxy = Proxy(bench.server.port)
    bench.worker(
        without=without,
        NATS_URL=f"nats://127.0.0.1:{proxy.port}",
        MAGICRUNE_TEST_DELAY_MS=str(1000 * ACK_WAIT_S),
    )
    bench.publish(ONE)
    bench.until_said("run run_id")
    if how == "stall":
        proxy.flows.clear()
    else:
        proxy.cut()
    bench.worker()
    bench.until_said("done", 1)
    bench.until_said("commit", 0)  # it has an answer as well
    proxy.open = True
    proxy.flows.set()
    bench.until(lambda: {"done", "abandon"} & set(bench.log(0).split()), "the first is through")
    bench.until_empty()
    assert min(bench.stored(), 2) == stored
    proxy.close()
