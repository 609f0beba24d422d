"""The worker beside `execute()` in a loop and a bare publish-ack-reply, in one run.

    python -m tests.benchmarks.worker [JOBS] [wasi|oci]...

For each concurrency the three sides take turns, a third of the jobs each time. Latency is from
before the publish until the answer is heard; medians and percentiles in ms.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.engines import IMAGE_HOME, images_under
from tests.nats_server import NatsServer
from tests.queue_bench import Bench, document, name_of

ROUNDS = 3
CONCURRENCY = (1, 2, 4, 8)


def percentiles(seconds: list[float]) -> str:
    ordered = sorted(1000 * each for each in seconds)
    picks = (ordered[int((len(ordered) - 1) * share)] for share in (0.5, 0.95, 0.99))
    return " / ".join(f"{each:7.1f}" for each in picks)


@contextmanager
def queue(place: Path, lane: str, concurrency: int) -> Iterator[Bench]:
    server = NatsServer(place / "nats")
    server.start()
    if lane == "oci":
        cache = images_under(place)
    else:
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    bench = Bench(place, cache, server)
    bench.environment["NATS_ACK_WAIT_SEC"] = "30"
    options = ("--concurrency", str(concurrency), "--backend", lane)
    policy = ("--policy", "container") if lane == "oci" else ()
    try:
        bench.worker(options=(*options, *policy))
        bench.until_said("ready")
        yield bench
    finally:
        bench.end()
        server.stop()


async def through_queue(url: str, requests: list[bytes], width: int) -> tuple[float, list[float]]:
    """Keeps `width` requests in the air."""
    import nats

    client = await nats.connect(url)
    js = client.jetstream()
    heard: dict[str, asyncio.Event] = {name_of(data): asyncio.Event() for data in requests}

    async def told(msg: Any) -> None:
        if (event := heard.get(msg.subject.rpartition(".")[2])) is not None:
            event.set()

    await client.subscribe("run.res.*", cb=told)
    await client.flush()
    left, latencies = iter(requests), []

    async def lane() -> None:
        for data in left:
            name = name_of(data)
            began = time.perf_counter()
            await js.publish("run.req.default", data, headers={"Nats-Msg-Id": name})
            await heard[name].wait()
            latencies.append(time.perf_counter() - began)

    began = time.perf_counter()
    await asyncio.gather(*(lane() for _ in range(width)))
    took = time.perf_counter() - began
    await client.close()
    return took, latencies


async def bare(url: str, count: int) -> list[float]:
    """A message published, fetched, answered in a stream, acked: what any worker must do."""
    import nats

    client = await nats.connect(url)
    js = client.jetstream()
    await js.add_stream(name="BARE", subjects=["bare.*"])
    pull = await js.pull_subscribe("bare.req", durable="bare", stream="BARE")
    latencies = []
    for _ in range(count):
        began = time.perf_counter()
        await js.publish("bare.req", b"x")
        (msg,) = await pull.fetch(1)
        await js.publish("bare.res", b"y")
        await msg.ack_sync()
        latencies.append(time.perf_counter() - began)
    await js.delete_stream("BARE")
    await client.close()
    return latencies


def direct(lane: str, requests: list[bytes], width: int, place: Path) -> tuple[float, list[float]]:
    """`execute()` in a loop, in a process of its own."""
    words = [sys.executable, "-m", "tests.benchmarks.worker", "--direct", lane, str(width)]
    home = {"XDG_STATE_HOME": str(place / "direct")}
    if lane == "oci":
        home["XDG_CACHE_HOME"] = str(images_under(place))
    done = subprocess.run(
        words, input=b"\n".join(requests), env=os.environ | home, stdout=subprocess.PIPE, check=True
    )
    took, latencies = json.loads(done.stdout)
    return took, latencies


def run_direct(lane: str, width: int) -> None:
    from contextlib import ExitStack

    from magicrune.cancellation import Cancellation
    from magicrune.cli_worker import _executor
    from magicrune.request import parse_request

    with ExitStack() as opened:
        policy = "container" if lane == "oci" else None
        execute = _executor(opened, policy, lane, False)
        requests = [parse_request(line) for line in sys.stdin.buffer.read().splitlines()]
        execute(parse_request(document(-1)), Cancellation())

        def timed(request: Any) -> float:
            began = time.perf_counter()
            execute(request, Cancellation())
            return time.perf_counter() - began

        began = time.perf_counter()
        with ThreadPoolExecutor(width) as pool:
            latencies = list(pool.map(timed, requests))
        print(json.dumps([time.perf_counter() - began, latencies]))


def compare(lane: str, jobs: int) -> None:
    for width in CONCURRENCY:
        with tempfile.TemporaryDirectory() as name, queue(Path(name), lane, width) as bench:
            url, part = bench.server.url, jobs // ROUNDS
            sides: dict[str, list[float]] = {"worker": [], "execute()": [], "bare queue": []}
            rates: dict[str, list[float]] = {"worker": [], "execute()": []}
            asyncio.run(through_queue(url, [document(-1)], 1))
            for turn in range(ROUNDS):
                requests = [document(turn * part + number) for number in range(part)]
                took, latencies = asyncio.run(through_queue(url, requests, width))
                sides["worker"] += latencies
                rates["worker"].append(part / took)
                took, latencies = direct(lane, requests, width, Path(name))
                sides["execute()"] += latencies
                rates["execute()"].append(part / took)
                sides["bare queue"] += asyncio.run(bare(url, part))
            for side, latencies in sides.items():
                rate = f"{statistics.median(rates[side]):6.0f}/s" if side in rates else ""
                print(f"{lane:5} x{width} {side:11} {percentiles(latencies)} ms {rate}", flush=True)


def main() -> None:
    words = sys.argv[1:]
    if words[:1] == ["--direct"]:
        run_direct(words[1], int(words[2]))
        return
    jobs = int(words[0]) if words else 300
    print("            side          P50 /     P95 /     P99      rate")
    for lane in words[1:] or ["wasi", "oci"]:
        if lane == "oci" and not IMAGE_HOME.exists():
            print("oci: left out, no images (sh scripts/engines.sh)")
            continue
        compare(lane, jobs)


if __name__ == "__main__":
    main()
