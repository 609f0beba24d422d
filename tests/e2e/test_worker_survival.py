"""What a queue does to its workers over time: late words, evictions, old states, clocks."""

from __future__ import annotations

import contextlib
import json
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from tests.engines import absent
from tests.queue_bench import ACK_WAIT_S, LEASE_S, Bench, document, name_of

pytestmark = [pytest.mark.timeout(180), pytest.mark.together]


@pytest.mark.parametrize("late", ["ack", "nak", "nak with a delay", "term"])
def test_a_message_that_expired_in_other_hands(bench: Bench, late: str) -> None:
    """Taken by somebody who let it lie (prefetched); the ack wait over, a worker runs it, and
    the first holder speaks while it does."""
    bench.worker()
    bench.until_said("ready")
    bench.end()
    bench.publish(document(1))

    async def work(_: Any, js: Any) -> None:
        pull = await js.pull_subscribe_bind(durable="RUN_WORKER", stream="RUN")
        (msg,) = await pull.fetch(1, timeout=5)
        number = bench.worker(MAGICRUNE_TEST_DELAY_MS="1500")
        bench.until_said("run run_id", number)
        if late == "ack":
            await msg.ack_sync()
        elif late == "term":
            await msg.term()
        else:
            await msg.nak(delay=1 if "delay" in late else None)

    bench.talk(work)
    bench.settled([document(1)])
    time.sleep(LEASE_S)
    bench.settled([document(1)])
    assert set(bench.executions().values()) == {1}


def test_claims_beyond_the_limit_are_forgotten(bench: Bench) -> None:
    """The newest are known, the oldest are new requests, and none is lost on the way."""
    bench.environment["MAGICRUNE_DEDUPE_MAX"] = "100"
    requests = [document(number) for number in range(250)]
    for _ in range(2):
        bench.worker(options=("--concurrency", "3"))
    bench.publish(*requests)
    bench.settled(requests, 90)
    assert set(bench.executions().values()) == {1}
    info = bench.talk(lambda _, js: js.stream_info("KV_RUN_CLAIMS"))
    assert info.state.messages == 100
    bench.publish(requests[-1], known_id=False)
    bench.until(lambda: bench.left() == 0, "known")
    assert bench.executions()[name_of(requests[-1])] == 1
    bench.publish(requests[0], known_id=False)
    bench.until(lambda: bench.executions()[name_of(requests[0])] == 2, "run again")
    bench.until(lambda: bench.left() == 0, "answered again")
    assert len(bench.answers()) == 250


def test_answers_beyond_the_limit_go_oldest_first(bench: Bench) -> None:
    bench.environment["MAGICRUNE_RESULT_BYTES"] = str(1 << 20)
    shout = "head -c 60000 /dev/zero | tr '\\0' x; echo "
    requests = [document(number, cmd=f"{shout}{number}") for number in range(30)]
    bench.worker()
    bench.publish(*requests)
    bench.until(lambda: bench.left() == 0, "answered", 60)
    for stream in ("RUN_RES", "KV_RUN_CLAIMS"):
        info = bench.talk(lambda _, js, name=stream: js.stream_info(name))
        assert 0 < info.state.bytes <= 1 << 20
    first = bench.command("result", name_of(requests[0]))
    assert (first.returncode, b"MR-4606" in first.stderr) == (4, True)
    last = bench.command("result", name_of(requests[-1]))
    assert json.loads(last.stdout)["stdout"].endswith("x29\n")


def test_a_server_that_wakes_with_an_old_state(bench: Bench) -> None:
    """As after a power cut: what it had confirmed since is gone. Who publishes again gets one
    answer each; the documented price is that a run may be begun again."""
    requests = [document(number) for number in range(40)]
    store, kept = bench.place / "nats", bench.place / "kept"
    for _ in range(2):
        bench.worker(MAGICRUNE_TEST_DELAY_MS_JITTER="0..=200")
    bench.publish(*requests)
    bench.until(lambda: len(bench.answers()) > 5, "some answers")
    with contextlib.suppress(shutil.Error):  # a file that went away while it was copied
        shutil.copytree(store, kept)
    bench.until(lambda: len(bench.answers()) > 20, "more answers")
    bench.server.kill()
    shutil.rmtree(store)
    kept.rename(store)
    bench.server.start()
    for number in range(2):
        bench.until_said("reconnected", number)
    bench.publish(*requests)
    bench.settled_names(requests, 90)
    begun = bench.executions()
    assert set(begun) == {name_of(data) for data in requests}
    print(f"{sum(begun.values()) - len(begun)} of {len(begun)} runs begun again")


@pytest.mark.parametrize("jump", ["+2d", "-2d"])
def test_a_wall_clock_that_jumps(bench: Bench, jump: str) -> None:
    """Leases are measured by the monotonic clock: nobody takes a living worker for dead."""
    library = next(iter(sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))), None)
    if library is None:
        absent("libfaketime is not installed: sh scripts/engines.sh")
    clock = bench.place / "clock"
    clock.write_text("+0d")
    slow = {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "DONT_FAKE_MONOTONIC": "1",
        "MAGICRUNE_LOG_JSON": "1",
        "MAGICRUNE_TEST_DELAY_MS": str(int((LEASE_S + ACK_WAIT_S) * 1000)),
    }
    for _ in range(2):
        bench.worker(**slow)
    for number in range(2):
        bench.until_said("ready", number)
    bench.publish(document(1))
    bench.until(lambda: '"event": "run"' in bench.log(0) + bench.log(1), "it runs")
    clock.write_text(jump)
    bench.settled([document(1)])
    assert set(bench.executions().values()) == {1}
    logs = "\n".join(bench.log(number) for number in range(2)).splitlines()
    times = [json.loads(line)["time"] for line in logs if line.startswith("{")]
    assert max(times) - min(times) > 86_400  # the control: it did jump
