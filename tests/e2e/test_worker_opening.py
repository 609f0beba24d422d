"""A worker starts: on which server, with which streams, under which policy; or says why not."""

from __future__ import annotations

import asyncio
import json
import signal
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from magicrune.worker.settings import WorkerSettings
from magicrune.worker.topology import settle_topology
from tests.nats_server import NatsServer, free_port
from tests.queue_bench import Bench, document, name_of

pytestmark = [pytest.mark.timeout(300), pytest.mark.together]
ROOT = Path(__file__).parents[2]


def another_policy(bench: Bench) -> str:
    path = bench.place / "other.policy.yml"
    text = (ROOT / "policies/default.policy.yml").read_text()
    path.write_text(f"{text}\n# the same rules, and yet another text\n")
    return str(path)


def ended(bench: Bench, number: int, seconds: float = 30) -> int:
    return bench.workers[number].wait(seconds)


# -- one policy a queue ----------------------------------------------------------------------


def test_a_worker_of_another_policy_is_refused_until_it_takes_the_queue(bench: Bench) -> None:
    first = bench.worker()
    bench.until_said("ready", first)
    options = ("--policy", another_policy(bench))
    second = bench.worker(options=options)
    assert ended(bench, second) == 4
    assert "MR-4602" in bench.log(second)
    assert "description is magicrune policy" in bench.log(second)
    assert bench.workers[first].poll() is None
    third = bench.worker(options=(*options, "--migrate"))
    bench.until_said("ready", third)
    assert ended(bench, first) == 4  # it would go on under the old policy
    assert "its policy is now" in bench.log(first)
    bench.publish(document(1))
    bench.settled([document(1)])


def test_without_the_comparison_it_hangs_on_who_takes_it(bench: Bench) -> None:
    bench.environment["MAGICRUNE_TEST_DELAY_MS"] = "300"  # time for both to take some
    bench.worker("--without", "policies")
    bench.until_said("ready", 0)
    bench.worker("--without", "policies", options=("--policy", another_policy(bench)))
    bench.until_said("ready", 1)
    requests = [document(number) for number in range(20)]
    bench.publish(*requests)
    bench.settled(requests)
    assert len({answer["policy_sha256"] for _, answer in bench.answers()}) == 2


def test_two_policies_that_make_one_queue_at_the_same_time(bench: Bench) -> None:
    async def both(_: Any, js: Any) -> list[Any]:
        await settle_topology(js, WorkerSettings(), migrate=False)
        made = (
            settle_topology(js, WorkerSettings(), migrate=False, policy_sha256=each * 64)
            for each in "ab"
        )
        return await asyncio.gather(*made, return_exceptions=True)

    first, second = bench.talk(both)
    assert sorted(type(each).__name__ for each in (first, second)) == ["NoneType", "QueueMismatch"]


def test_two_queues_have_a_policy_each(bench: Bench) -> None:
    other = {"NATS_REQ_SUBJ": "run.req.other", "NATS_DURABLE": "OTHER"}
    bench.worker()
    bench.until_said("ready", 0)
    bench.worker(options=("--policy", another_policy(bench)), **other)
    bench.until_said("ready", 1)
    path = bench.place / "1.json"
    path.write_bytes(document(1))
    done = bench.command("publish", str(path), "--wait", "30", **other)
    theirs = json.loads(done.stdout)["policy_sha256"]
    done = bench.command("publish", "samples/ok.json", "--wait", "30")
    assert json.loads(done.stdout)["policy_sha256"] != theirs


def test_a_second_consumer_of_one_subject_is_refused_at_once(bench: Bench) -> None:
    bench.worker()
    bench.until_said("ready", 0)
    refused = bench.worker(NATS_DURABLE="OTHER")
    assert ended(bench, refused) == 4
    assert "MR-4602" in bench.log(refused)
    assert "waiting" not in bench.log(refused)


# -- small messages --------------------------------------------------------------------------


def serve_small(bench: Bench, max_payload: int) -> None:
    bench.server.stop()
    config = bench.place / "server.conf"
    config.write_text(f"max_payload: {max_payload}\n")
    bench.server = NatsServer(bench.place / "small", "-c", str(config))
    bench.server.start()


def test_messages_that_hold_little(bench: Bench) -> None:
    serve_small(bench, 40_000)
    bench.worker()
    bench.until_said("ready")
    wide = bench.place / "wide.json"
    wide.write_bytes(json.dumps({"cmd": "seq 20000"}).encode())
    done = bench.command("publish", str(wide), "--wait", "40")
    told = json.loads(done.stdout)
    assert told["stdout_trunc"] is True
    assert told["stdout"].startswith("1\n2\n3\n")
    big = bench.place / "big.json"
    big.write_bytes(document(1, stdin="x" * 50_000))
    done = bench.command("publish", str(big))
    assert (done.returncode, b"max_payload" in done.stderr) == (1, True)
    assert bench.talk(lambda _, js: js.stream_info("RUN")).state.last_seq == 1  # never sent


def test_messages_that_hold_no_answer(bench: Bench) -> None:
    serve_small(bench, 16_384)
    bench.worker()
    assert ended(bench, 0) == 4
    assert "MR-4602" in bench.log(0)
    assert "max_payload" in bench.log(0)


def test_a_server_that_comes_back_with_smaller_messages(bench: Bench) -> None:
    bench.worker(MAGICRUNE_TEST_DELAY_MS="3000")
    bench.until_said("ready")
    data = json.dumps({"cmd": "seq 20000"}).encode()
    bench.publish(data)
    bench.until_said("run run_id")
    port, place = bench.server.port, bench.place / "nats"
    bench.server.kill()
    config = bench.place / "server.conf"
    config.write_text("max_payload: 40000\n")
    bench.server = NatsServer(place, "-c", str(config), port=port)
    bench.server.start()
    bench.settled([data])
    assert dict(bench.answers())[name_of(data)]["stdout_trunc"] is True


# -- JetStream that is not there yet ---------------------------------------------------------


def status(port: int, page: str) -> int:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{page}", timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_jetstream_is_waited_for(bench: Bench) -> None:
    bench.server.stop()
    bench.server.start(jetstream=False)
    port = free_port()
    bench.worker(options=("--health", str(port)))
    bench.until_said("JetStream does not answer")
    assert (status(port, "/healthz"), status(port, "/readyz")) == (200, 503)
    bench.server.stop()
    bench.server.start()
    bench.until_said("ready subject")
    assert status(port, "/readyz") == 200


@pytest.mark.parametrize("variable", ["MAGICRUNE_REQUIRE_NATS", "JS_READY_WAIT_SEC"])
def test_jetstream_that_never_comes(bench: Bench, variable: str) -> None:
    bench.server.stop()
    bench.server.start(jetstream=False)
    bench.worker(**{variable: "1"})
    assert ended(bench, 0) == 4
    assert "MR-4601" in bench.log(0)
    assert "nats-server -js" in bench.log(0)
    assert ("waiting" in bench.log(0)) == (variable == "JS_READY_WAIT_SEC")


@pytest.mark.parametrize("jetstream", [None, False])
def test_sigterm_while_it_waits(bench: Bench, jetstream: bool | None) -> None:
    bench.server.stop()
    if jetstream is not None:
        bench.server.start(jetstream=jetstream)
    port = free_port()
    bench.worker(options=("--health", str(port)))
    bench.until_said("waiting")
    assert status(port, "/healthz") == 200
    bench.signal(0, signal.SIGTERM)
    assert ended(bench, 0) == 0
