"""What a queue does to its workers over time: late words, evictions, old states, clocks."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.engines import absent
from tests.queue_bench import ACK_WAIT_S, ALONE, LEASE_S, Bench, document, name_of

SHOUT = "head -c 60000 /dev/zero | tr '\\0' x; echo "
pytestmark = [pytest.mark.timeout(300), pytest.mark.together]


def test_claims_beyond_the_limit_are_forgotten(bench: Bench) -> None:
    """The newest are known, the oldest are new requests, and none is lost on the way."""
    bench.environment["MAGICRUNE_DEDUPE_MAX"] = "100"
    requests = [document(number) for number in range(150)]
    for _ in range(2):
        bench.worker(options=("--concurrency", "3"))
    bench.publish(*requests)
    bench.settled(requests, 120)
    assert set(bench.executions().values()) == {1}
    assert kept(bench, "KV_RUN_CLAIMS").messages == 100
    bench.publish(requests[-1], known_id=False)
    bench.until_empty()
    assert bench.begun(requests[-1]) == 1
    bench.publish(requests[0], known_id=False)
    bench.until(lambda: bench.begun(requests[0]) == 2, "run again")
    bench.until_empty()
    assert len(bench.answers()) == len(requests)


def kept(bench: Bench, stream: str) -> Any:
    """What a stream holds: messages, bytes."""
    return bench.talk(lambda _, js: js.stream_info(stream)).state


def test_without_bounds_claims_and_answers_grow(bench: Bench) -> None:
    bench.environment |= {"MAGICRUNE_DEDUPE_MAX": "100", "MAGICRUNE_RESULT_BYTES": str(1 << 20)}
    bench.worker(without=["bounds"])
    requests = [document(number, cmd=f"{SHOUT}{number}") for number in range(101)]
    bench.publish(*requests)
    bench.until_empty(120)
    assert kept(bench, "KV_RUN_CLAIMS").messages == len(requests)
    for stream in ("RUN_RES", "KV_RUN_CLAIMS"):
        assert kept(bench, stream).bytes > 1 << 20


def test_answers_beyond_the_limit_go_oldest_first(bench: Bench) -> None:
    bench.environment["MAGICRUNE_RESULT_BYTES"] = str(1 << 20)
    requests = [document(number, cmd=f"{SHOUT}{number}") for number in range(30)]
    bench.worker()
    bench.publish(*requests)
    bench.until(lambda: bench.left() == 0, "answered")
    for stream in ("RUN_RES", "KV_RUN_CLAIMS"):
        assert 0 < kept(bench, stream).bytes <= 1 << 20
    first = bench.command("result", name_of(requests[0]))
    assert (first.returncode, b"MR-4606" in first.stderr) == (4, True)
    last = bench.command("result", name_of(requests[-1]))
    assert json.loads(last.stdout)["stdout"].endswith("x29\n")


@pytest.mark.parametrize("without", [(), ["claims"]])
def test_a_server_that_wakes_with_an_old_state(bench: Bench, without: Sequence[str]) -> None:
    """As after a power cut: what it had confirmed since is gone. Who publishes again gets one
    answer each; the documented price is that a run may be begun again."""
    requests = [document(number) for number in range(40)]
    store, kept = bench.place / "nats", bench.place / "kept"
    for _ in range(2):
        bench.worker(without=without, MAGICRUNE_TEST_DELAY_MS_JITTER="0..=200")
    bench.publish(*requests)
    bench.until(lambda: len(bench.answers()) > 5, "some answers")
    before = {name for name, _ in bench.answers()}
    with contextlib.suppress(shutil.Error):  # a file that went away while it was copied
        shutil.copytree(store, kept)
    bench.until(lambda: len(bench.answers()) > 20, "more answers")
    bench.server.kill()
    shutil.rmtree(store)
    kept.rename(store)
    bench.server.start()
    for number in range(2):
        bench.until_said("reconnected", number)
    for data in requests:
        bench.publish(data, known_id=False)
    bench.settled_names(requests)
    begun = bench.executions()
    assert set(begun) == {name_of(data) for data in requests}
    assert (min(begun[name] for name in before) > 1) == bool(without)
    print(f"{sum(begun.values()) - len(begun)} of {len(begun)} runs begun again")


@pytest.mark.parametrize("jump", ["+2d", "-2d"])
def test_a_wall_clock_that_jumps(bench: Bench, jump: str) -> None:
    clock = bench.place / "clock"
    slow = {"MAGICRUNE_TEST_DELAY_MS": str(int((LEASE_S + ACK_WAIT_S) * 1000))}
    for _ in range(2):
        bench.worker(**faketime(clock), **slow)
    for number in range(2):
        bench.until_said("ready", number)
    bench.publish(document(1))
    bench.until(lambda: '"event": "run"' in bench.log(0) + bench.log(1), "it runs")
    set_clock(clock, jump)
    bench.settled([document(1)])
    assert bench.begun(document(1)) == 1
    assert jumped(bench)


@pytest.mark.parametrize("without", [(), ["monotonic"]])
def test_who_lives_is_not_dead_where_the_clock_jumps(bench: Bench, without: Sequence[str]) -> None:
    clock, data = bench.place / "clock", document(1, cmd="sleep 55", timeout_sec=60)
    for _ in range(2):
        bench.worker(without=without, options=ALONE, **faketime(clock))
    for number in range(2):
        bench.until_said("ready", number)
    bench.publish(data)
    bench.until(lambda: bench.begun(data), "it runs")
    set_clock(clock, "+2d")
    bench.publish(data, known_id=False)
    if without:
        bench.until(lambda: bench.begun(data) == 2, "begun by the other as well")
    else:
        seen = "another worker runs it"
        bench.until(lambda: seen in bench.log(0) + bench.log(1), "watched")
        assert bench.begun(data) == 1
    assert jumped(bench)


@pytest.mark.parametrize("without", [(), ["monotonic"]])
def test_who_is_dead_does_not_live_where_the_clock_jumps(
    bench: Bench, without: Sequence[str]
) -> None:
    clock = bench.place / "clock"
    bench.worker("--at", "claimed", "kill", options=ALONE)
    bench.publish(document(1))
    bench.until_dead()
    bench.worker(without=without, options=ALONE, **faketime(clock))
    bench.until_said("ready", 1)
    set_clock(clock, "-2d")
    if without:
        alive = "another worker runs it"  # the second time a lease is over by any other clock
        bench.until(lambda: bench.log(1).count(alive) > 1, "taken for alive")
        assert (bench.left(), bench.answers()) == (1, [])
    else:
        bench.settled([document(1)])
    assert jumped(bench)


def jumped(bench: Bench) -> bool:
    """The control: the times in a log are two days apart."""
    logs = "".join(bench.log(number) for number in range(len(bench.workers))).splitlines()
    times = [json.loads(line)["time"] for line in logs if line.startswith("{")]
    return bool(max(times) - min(times) > 86_400)


def set_clock(clock: Path, offset: str) -> None:
    """At once: nobody reads half of it."""
    clock.with_suffix(".new").write_text(offset)
    clock.with_suffix(".new").rename(clock)


def faketime(clock: Path) -> dict[str, str]:
    """Variables for a process whose time of day is put off by what is in the file `clock`."""
    set_clock(clock, "+0d")
    library = next(iter(sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))), None)
    if library is None:
        absent("libfaketime is not installed: sh scripts/engines.sh")
    return {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "DONT_FAKE_MONOTONIC": "1",
        "MAGICRUNE_LOG_JSON": "1",
    }
