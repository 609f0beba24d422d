"""The tests' own measure: what it must notice, so that "settled" means something."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.queue_bench import Bench, document, name_of

pytestmark = [pytest.mark.timeout(300), pytest.mark.together]
ONE = document(1)


async def answer_again(_: Any, js: Any) -> None:
    """A second answer replaces the first: only the count of all that came shows it."""
    await js.publish(f"run.res.{name_of(ONE)}", b"{}")


async def answer_nobody(_: Any, js: Any) -> None:
    await js.publish("run.res.r_1", b"{}")


async def lose_the_answer(_: Any, js: Any) -> None:
    await js.purge_stream("RUN_RES")


async def leave_one(_: Any, js: Any) -> None:
    await js.pull_subscribe_bind(durable="RUN_WORKER", stream="RUN")
    await js.publish("run.req.default", ONE)


async def forget_the_claim(_: Any, js: Any) -> None:
    await js.purge_stream("KV_RUN_CLAIMS")


@pytest.mark.parametrize(
    "spoil", [answer_again, answer_nobody, lose_the_answer, leave_one, forget_the_claim]
)
def test_what_is_not_settled(bench: Bench, spoil: Callable[..., Any]) -> None:
    bench.worker()
    bench.publish(ONE)
    bench.settled([ONE])
    bench.end()
    bench.talk(spoil)
    with pytest.raises(AssertionError):
        bench.settled([ONE], 1)


def test_executions_are_counted_over_all_workers(bench: Bench) -> None:
    for begun in (1, 2):
        bench.worker(without=["claims"])
        bench.publish(ONE, known_id=False)
        bench.until_empty()
        assert bench.begun(ONE) == begun
        bench.end()
