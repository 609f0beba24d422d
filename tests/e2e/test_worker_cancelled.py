"""A job that is worth nothing any more ends, and its slot is free."""

from __future__ import annotations

import contextlib
import signal
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest

from magicrune.request import parse_request, request_sha256
from magicrune.worker.claim import Claim, encode
from tests.engines import container_backend, images_under
from tests.queue_bench import Bench, document, name_of

pytestmark = [pytest.mark.timeout(300), pytest.mark.together]


LONG = document(1, cmd="sleep 55", timeout_sec=60)


def take_over(bench: Bench, data: bytes) -> None:
    """As another worker would that holds us for dead."""

    async def work(_: Any, js: Any) -> None:
        key = request_sha256(parse_request(data))
        taken = Claim("running", "t", "w", name_of(data), 2, networked=False)
        await js.publish(f"$KV.RUN_CLAIMS.{key}", encode(taken))

    bench.talk(work)


@pytest.mark.parametrize("lane", ["wasi", "oci", "docker"])
def test_a_job_whose_claim_is_lost_ends(
    bench: Bench, lane: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = bench.cache
    if lane != "wasi":
        container_backend(lane, monkeypatch)
        cache = images_under(bench.place)
    policy = bench.place / "long.policy.yml"
    base = Path(f"policies/{'default' if lane == 'wasi' else 'container'}.policy.yml").read_text()
    policy.write_text(base)
    options = ("--concurrency", "1", "--backend", lane, "--policy", str(policy))
    bench.worker(options=options, XDG_CACHE_HOME=str(cache))
    bench.publish(LONG)
    bench.until(bench.executions, "it runs")
    time.sleep(1)
    bench.talk(lambda _, js: js.purge_stream("RUN"))  # it does not come again
    bench.publish(document(2))
    take_over(bench, LONG)
    bench.until_said("abandon", 0, 25)  # less than the job lasts
    bench.until(lambda: name_of(document(2)) in dict(bench.answers()), "the slot is free", 30)
    assert not list((bench.homes[0] / "magicrune").glob("oci/magicrune-*"))
    assert not list((bench.homes[0] / "magicrune").glob("sockets/run-*"))
    with contextlib.closing(sqlite3.connect(bench.homes[0] / "magicrune/ledger.sqlite3")) as rows:
        query = "SELECT state, error_code FROM runs WHERE run_id = ?"
        assert rows.execute(query, (name_of(LONG),)).fetchall() == [("failed", "MR-4105")]


def test_without_cancelling_the_slot_is_held(bench: Bench) -> None:
    bench.worker(without=["cancel"], options=("--concurrency", "1"))
    bench.publish(LONG)
    bench.until(bench.executions, "it runs")
    take_over(bench, LONG)
    bench.publish(document(2))
    time.sleep(6)
    assert bench.answers() == []


def test_sigterm_ends_a_job_and_hands_it_back(bench: Bench) -> None:
    bench.worker(MAGICRUNE_GRACE_SEC="1")
    bench.publish(LONG)
    bench.until(bench.executions, "it runs")
    bench.signal(0, signal.SIGTERM)
    assert bench.workers[0].wait(30) == 0
    assert "release" in bench.log()
    assert bench.left() == 1
    with contextlib.closing(sqlite3.connect(bench.homes[0] / "magicrune/ledger.sqlite3")) as rows:
        assert rows.execute("SELECT state FROM runs").fetchall() == [("failed",)]
