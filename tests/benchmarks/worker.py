"""The worker beside `execute()` in a loop and a bare publish-ack-reply, in one run.

    python -m tests.benchmarks.worker [JOBS] [wasi|oci]...
    python -m tests.benchmarks.worker --pairs N [wasi|oci]...

For each concurrency the three sides take turns, a third of the jobs each time. Latency is from
before the publish until the answer is heard; medians and percentiles in ms.

`--pairs` measures the overhead of the worker for one job: N times one job through the queue and
one by `execute()`, in turn, so that what else the machine does hits both.
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
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
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


@asynccontextmanager
async def listening(url: str) -> AsyncIterator[Callable[[bytes], Awaitable[float]]]:
    """Publishes a request and waits until its answer is heard; the seconds between."""
    import nats

    client = await nats.connect(url)
    js = client.jetstream()
    heard: dict[str, asyncio.Event] = {}

    async def told(msg: Any) -> None:
        if (event := heard.get(msg.subject.rpartition(".")[2])) is not None:
            event.set()

    async def send(data: bytes) -> float:
        name = name_of(data)
        event = heard[name] = asyncio.Event()
        began = time.perf_counter()
        await js.publish("run.req.default", data, headers={"Nats-Msg-Id": name})
        await event.wait()
        return time.perf_counter() - began

    await client.subscribe("run.res.*", cb=told)
    await client.flush()
    yield send
    await client.close()


async def through_queue(url: str, requests: list[bytes], width: int) -> tuple[float, list[float]]:
    """Keeps `width` requests in the air."""
    left, latencies = iter(requests), []
    async with listening(url) as send:

        async def lane() -> None:
            for data in left:
                latencies.append(await send(data))  # noqa: PERF401 - one after the other

        began = time.perf_counter()
        await asyncio.gather(*(lane() for _ in range(width)))
        return time.perf_counter() - began, latencies


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


@contextmanager
def direct(lane: str, width: int, place: Path) -> Iterator[Callable[[list[bytes]], list[float]]]:
    """`execute()` in a loop, in a process of its own: requests in, seconds of each out."""
    words = [sys.executable, "-m", "tests.benchmarks.worker", "--direct", lane, str(width)]
    home = {"XDG_STATE_HOME": str(place / "direct")}
    if lane == "oci":
        home["XDG_CACHE_HOME"] = str(images_under(place))
    pipe = subprocess.PIPE
    with subprocess.Popen(words, env=os.environ | home, stdin=pipe, stdout=pipe) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        into, out = process.stdin, process.stdout

        def ask(requests: list[bytes]) -> list[float]:
            into.write(json.dumps([each.decode() for each in requests]).encode() + b"\n")
            into.flush()
            return list(json.loads(out.readline()))

        ask([document(-1)])
        yield ask
        into.close()


def run_direct(lane: str, width: int) -> None:
    from contextlib import ExitStack

    from magicrune.cancellation import Cancellation
    from magicrune.cli_worker import executor
    from magicrune.policy import load_policy, wanted_policy
    from magicrune.request import parse_request

    policy = load_policy(wanted_policy("container" if lane == "oci" else None))
    with ExitStack() as opened:
        execute = executor(opened, policy, lane, False)
        pool = opened.enter_context(ThreadPoolExecutor(width))

        def timed(text: str) -> float:
            request = parse_request(text.encode())
            began = time.perf_counter()
            execute(request, Cancellation())
            return time.perf_counter() - began

        for line in sys.stdin.buffer:
            print(json.dumps(list(pool.map(timed, json.loads(line)))), flush=True)


def compare(lane: str, jobs: int) -> None:
    for width in CONCURRENCY:
        with (
            tempfile.TemporaryDirectory() as name,
            queue(Path(name), lane, width) as bench,
            direct(lane, width, Path(name)) as ask,
        ):
            url, part = bench.server.url, jobs // ROUNDS
            sides: dict[str, list[float]] = {"worker": [], "execute()": [], "bare queue": []}
            rates: dict[str, list[float]] = {"worker": [], "execute()": []}
            asyncio.run(through_queue(url, [document(-1)], 1))
            for turn in range(ROUNDS):
                requests = [document(turn * part + number) for number in range(part)]
                took, latencies = asyncio.run(through_queue(url, requests, width))
                sides["worker"] += latencies
                rates["worker"].append(part / took)
                began = time.perf_counter()
                sides["execute()"] += ask(requests)
                rates["execute()"].append(part / (time.perf_counter() - began))
                sides["bare queue"] += asyncio.run(bare(url, part))
            for side, latencies in sides.items():
                rate = f"{statistics.median(rates[side]):6.0f}/s" if side in rates else ""
                print(f"{lane:5} x{width} {side:11} {percentiles(latencies)} ms {rate}", flush=True)


def pair(lane: str, pairs: int) -> None:
    with (
        tempfile.TemporaryDirectory() as name,
        queue(Path(name), lane, 1) as bench,
        direct(lane, 1, Path(name)) as ask,
    ):
        through, alone = asyncio.run(in_turn(bench.server.url, ask, pairs))
    overhead = [one - other for one, other in zip(through, alone, strict=True)]
    for side, seconds in (("worker", through), ("execute()", alone), ("difference", overhead)):
        print(f"{lane:5} x1 {side:11} {percentiles(seconds)} ms", flush=True)


async def in_turn(
    url: str, ask: Callable[[list[bytes]], list[float]], pairs: int
) -> tuple[list[float], list[float]]:
    """Seconds of each job through the queue, and of its twin by `execute()`."""
    through, alone = [], []
    async with listening(url) as send:
        await send(document(-1))
        for number in range(pairs):
            if number % 2:  # neither side is always the second
                alone += ask([document(number)])
            through.append(await send(document(number)))
            if not number % 2:
                alone += ask([document(number)])
    return through, alone


def main() -> None:
    words = sys.argv[1:]
    if words[:1] == ["--direct"]:
        run_direct(words[1], int(words[2]))
        return
    measure, words = (pair, words[1:]) if words[:1] == ["--pairs"] else (compare, words)
    jobs = int(words[0]) if words else 300
    print("            side          P50 /     P95 /     P99      rate")
    for lane in words[1:] or ["wasi", "oci"]:
        if lane == "oci" and not IMAGE_HOME.exists():
            print("oci: left out, no images (sh scripts/engines.sh)")
            continue
        measure(lane, jobs)


if __name__ == "__main__":
    main()
