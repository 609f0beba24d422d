"""What the tests of the worker share: a server, workers, and what must hold at the end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Sequence
from pathlib import Path
from typing import Any

from magicrune.request import parse_request, request_sha256, run_id
from tests.nats_server import NatsServer

ACK_WAIT_S = 2
LEASE_S = ACK_WAIT_S / 3 * 4
"""How long a claim is watched."""
PATIENCE_S = 120.0
"""For what must come: a machine may be busy. Nothing that is tested takes this long."""
ALONE = ("--concurrency", "1")
"""Of a worker that has no other slot for what comes again."""


def document(number: int, **more: Any) -> bytes:
    return json.dumps({"cmd": f"echo job {number}", **more}).encode()


def name_of(data: bytes) -> str:
    return run_id(parse_request(data))


class Bench:
    """A queue with its server and workers, all under one directory."""

    def __init__(self, place: Path, cache: Path, server: NatsServer) -> None:
        self.place = place
        self.cache = cache
        """Compiled modules, shared: compiling the shell takes seconds."""
        self.server = server
        self.workers: list[subprocess.Popen[bytes]] = []
        self.homes: list[Path] = []
        self.environment: dict[str, str] = {}

    def settings(self, home: Path, **more: str) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("MAGICRUNE_", "NATS_"))}
        return {
            **kept,
            "NATS_URL": self.server.url,
            "NATS_ACK_WAIT_SEC": str(ACK_WAIT_S),
            "NATS_DUP_WINDOW_SEC": "2",
            "JS_PUBLISH_TIMEOUT_SEC": "2",
            "XDG_STATE_HOME": str(home),
            "XDG_CACHE_HOME": str(self.cache),
            "PYTHONUNBUFFERED": "1",
            **self.environment,
            **more,
        }

    def worker(
        self, *hooks: str, without: Sequence[str] = (), options: tuple[str, ...] = (), **more: str
    ) -> int:
        """Starts one, less some guards (`tests.guards`); its number."""
        home = self.place / f"home{len(self.workers)}"
        home.mkdir()
        out = [word for name in without for word in ("--without", name)]
        words = [sys.executable, "-m", "tests.worker_process", *out, *hooks, "consume"]
        with (self.place / f"worker{len(self.workers)}.log").open("ab") as log:
            process = subprocess.Popen(
                [*words, *(() if "--backend" in options else ("--backend", "wasi")), *options],
                env=self.settings(home, **more),
                stderr=log,
                stdout=log,
            )
        self.workers.append(process)
        self.homes.append(home)
        return len(self.workers) - 1

    def log(self, number: int = 0) -> str:
        return (self.place / f"worker{number}.log").read_text()

    def until(self, look: Callable[[], Any], what: str, seconds: float = PATIENCE_S) -> Any:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if found := look():
                return found
            time.sleep(0.05)
        logs = "\n".join(self.log(number)[-3000:] for number in range(len(self.workers)))
        raise AssertionError(f"not within {seconds} s: {what}\n{logs}")

    def until_empty(self, seconds: float = PATIENCE_S) -> None:
        self.until(lambda: self.left() == 0, "nothing is left", seconds)

    def until_dead(self, number: int = 0) -> None:
        """Until a worker was struck dead (`tests.worker_process`)."""
        assert self.workers[number].wait(PATIENCE_S) == -signal.SIGKILL, self.log(number)

    def until_said(self, text: str, number: int = 0, seconds: float = PATIENCE_S) -> None:
        self.until(lambda: text in self.log(number), f"worker {number} says {text!r}", seconds)

    def signal(self, number: int, which: signal.Signals) -> None:
        self.workers[number].send_signal(which)

    def end(self) -> None:
        for process in self.workers:
            if process.poll() is None:
                process.kill()
                process.wait()

    # -- the queue ---------------------------------------------------------------------------

    def command(
        self, *words: str, without: Sequence[str] = (), **more: str
    ) -> subprocess.CompletedProcess[bytes]:
        """A command of ours, less some guards (`tests.guards`)."""
        home = self.place / "publisher"
        hooks = [word for name in without for word in ("--without", name)]
        module = "tests.worker_process" if without else "magicrune"
        return subprocess.run(
            [sys.executable, "-m", module, *hooks, *words],
            env=self.settings(home, **more),
            capture_output=True,
            check=False,
            timeout=90,
        )

    def talk(self, work: Callable[[Any, Any], Coroutine[Any, Any, Any]]) -> Any:
        """Does `work` with a connection (client, JetStream)."""

        async def connected() -> Any:
            import nats

            client = await nats.connect(self.server.url)
            try:
                return await work(client, client.jetstream())
            finally:
                await client.close()

        return asyncio.run(connected())

    def publish(self, *documents: bytes, known_id: bool = True) -> list[bool]:
        """Publishes as any client would; for each whether the server took it for a duplicate."""
        self.until(lambda: "ready" in self.log(len(self.workers) - 1), "the streams are there")

        async def work(_: Any, js: Any) -> list[bool]:
            found = []
            for data in documents:
                key = request_sha256(parse_request(data)) if known_id else os.urandom(8).hex()
                ack = await js.publish("run.req.default", data, headers={"Nats-Msg-Id": key})
                found.append(bool(ack.duplicate))
            return found

        return list(self.talk(work))

    def answers(self) -> list[tuple[str, dict[str, Any]]]:
        """Every message that is stored as an answer: (run id, document)."""

        async def work(_: Any, js: Any) -> list[tuple[str, dict[str, Any]]]:
            info = await js.stream_info("RUN_RES")
            found: list[tuple[str, dict[str, Any]]] = []
            if not info.state.messages:
                return found
            reader = await js.subscribe("run.res.*", stream="RUN_RES", ordered_consumer=True)
            for _ in range(info.state.messages):
                each = await reader.next_msg(10)
                found.append((each.subject.rpartition(".")[2], json.loads(each.data)))
            return found

        return list(self.talk(work))

    def outcome(self) -> str:
        """What the one answer says: an error's code, or the verdict."""
        ((_, answer),) = self.answers()
        error = answer.get("error")
        return str(error["code"] if error else answer["verdict"])

    def stored(self) -> int:
        """How many answers were ever published."""

        async def work(_: Any, js: Any) -> int:
            return int((await js.stream_info("RUN_RES")).state.last_seq)

        return int(self.talk(work))

    def left(self) -> int:
        """Requests that are neither acked nor put aside."""

        async def work(_: Any, js: Any) -> int:
            info = await js.consumer_info("RUN", "RUN_WORKER")
            return int(info.num_pending) + int(info.num_ack_pending)

        return int(self.talk(work))

    def file(self, data: bytes) -> str:
        """A request as a file; its path."""
        path = self.place / f"{name_of(data)}.json"
        path.write_bytes(data)
        return str(path)

    def begun(self, data: bytes) -> int:
        """How often this request was begun."""
        return self.executions()[name_of(data)]

    def executions(self, number: int | None = None) -> Counter[str]:
        """How often each run was begun, from the ledgers of all workers, or of one."""
        found: Counter[str] = Counter()
        for home in self.homes if number is None else [self.homes[number]]:
            path = home / "magicrune" / "ledger.sqlite3"
            if path.exists():
                with contextlib.closing(sqlite3.connect(path)) as ledger:
                    if ledger.execute("SELECT 1 FROM sqlite_schema WHERE name = 'runs'").fetchone():
                        rows = ledger.execute("SELECT run_id FROM runs WHERE attempt > 0")
                        found.update(name for (name,) in rows)
        return found

    def settled_names(self, documents: list[bytes], seconds: float = PATIENCE_S) -> None:
        """Each request has its one answer, and nothing is left in the queue."""
        wanted = sorted(name_of(data) for data in documents)
        self.until(
            lambda: self.left() == 0 and len(self.answers()) >= len(wanted), "all settled", seconds
        )
        assert sorted(name for name, _ in self.answers()) == wanted

    def committed(self) -> int:
        """Requests whose claim is settled for good: the one terminal row of each."""

        async def work(_: Any, js: Any) -> int:
            state = (await js.stream_info("KV_RUN_CLAIMS", subjects_filter=">")).state
            found = [await js.get_last_msg("KV_RUN_CLAIMS", each) for each in state.subjects or {}]
            return sum(b'"state": "committed"' in (each.data or b"")[:40] for each in found)

        return int(self.talk(work))

    def settled(self, documents: list[bytes], seconds: float = PATIENCE_S) -> None:
        """The invariant: each request has exactly one stored answer, which was published once;
        its claim is settled; and nothing is left in the queue."""
        self.settled_names(documents, seconds)
        known = min(len(documents), int(self.environment.get("MAGICRUNE_DEDUPE_MAX", "100000")))
        assert self.committed() == known, "a claim is missing, or open"
        assert self.stored() == len(documents), "an answer was published more than once"


@contextlib.contextmanager
def bench_at(place: Path, cache: Path) -> Iterator[Bench]:
    """A queue with a server of its own that runs; at the end both are ended."""
    server = NatsServer(place / "nats")
    server.start()
    made = Bench(place, cache, server)
    try:
        yield made
    finally:
        made.end()
        made.server.stop()
