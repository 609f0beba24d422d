"""Requests over three workers, two of which die at random: one answer each. The third lives on,
and must not grow. ``make soak`` for more."""

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
WARM, GROWN_MAX = 500, 8.0
"""Jobs after which a worker has all that it needs; MB that it may grow by after them."""


def size_of(bench: Bench, number: int) -> tuple[int, float]:
    """Jobs that a worker has begun, and its resident set in MB."""
    status = Path(f"/proc/{bench.workers[number].pid}/status").read_text()
    (kilobytes,) = (line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))
    return sum(bench.executions(number).values()), int(kilobytes) / 1000


@pytest.mark.timeout(SECONDS + 60)
def test_one_answer_each(tmp_path: Path, module_cache: Path) -> None:
    server = NatsServer(tmp_path / "nats")
    server.start()
    bench = Bench(tmp_path, module_cache, server)
    bench.environment |= {"NATS_CONSUMER_MAX_DELIVER": "1000", "MAGICRUNE_METRICS_EVERY": "0"}
    requests = [document(number) for number in range(REQUESTS)]
    dice, kills = random.Random(4), 0
    sizes: list[tuple[int, float]] = []
    try:
        for _ in range(3):
            bench.worker()
        bench.publish(*requests)
        alive, began = [0, 1, 2], time.monotonic()
        while bench.left() and time.monotonic() - began < SECONDS:
            time.sleep(dice.uniform(0.3, 1.5))
            sizes.append(size_of(bench, 0))
            victim = alive.pop(dice.randrange(1, 3))
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
    warm = [each for each in sizes if each[0] >= WARM]
    if warm:
        told = [f"{size:.1f} MB after {jobs} jobs" for jobs, size in (warm[0], warm[-1])]
        print(f"the worker that lived on: {told[0]}, {told[1]}")
        assert warm[-1][1] - warm[0][1] < GROWN_MAX
    assert kills > 1
    assert len(begun) == REQUESTS
