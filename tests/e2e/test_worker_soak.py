"""Requests over three workers that die at random: one answer each. ``make soak`` for more."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import pytest

from tests.nats_server import NatsServer
from tests.queue_bench import Bench, document

REQUESTS = int(os.environ.get("MAGICRUNE_SOAK") or 400)
SECONDS = 240 + REQUESTS // 10


@pytest.mark.timeout(SECONDS + 60)
def test_one_answer_each(tmp_path: Path, module_cache: Path) -> None:
    server = NatsServer(tmp_path / "nats")
    server.start()
    bench = Bench(tmp_path, module_cache, server)
    bench.environment |= {"NATS_CONSUMER_MAX_DELIVER": "1000", "MAGICRUNE_METRICS_EVERY": "0"}
    requests = [document(number) for number in range(REQUESTS)]
    dice, kills = random.Random(4), 0
    try:
        for _ in range(3):
            bench.worker()
        bench.publish(*requests)
        alive, began = [0, 1, 2], time.monotonic()
        while bench.left() and time.monotonic() - began < SECONDS:
            time.sleep(dice.uniform(0.3, 1.5))
            victim = alive.pop(dice.randrange(3))
            bench.until_said("ready", victim)  # one that never began kills nothing
            bench.workers[victim].kill()
            bench.workers[victim].wait()
            alive.append(bench.worker())
            kills += 1
        bench.settled(requests, SECONDS)
        took = time.monotonic() - began
    finally:
        bench.end()
        server.stop()
    begun = bench.executions()
    again = sum(begun.values()) - len(begun)
    print(f"{REQUESTS} requests, {kills} kills, {took:.0f} s, {again} runs begun again")
    assert kills > 1
    assert len(begun) == REQUESTS
