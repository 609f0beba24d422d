"""What a request comes to where something fails that should not: an answer, or another try."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from magicrune.cancellation import Cancellation
from magicrune.errors import QueueMismatch
from magicrune.request import SpellRequest, parse_request
from magicrune.worker import consumer
from magicrune.worker.claim import Claim, ClaimDamaged, ClaimLost, fresh_claim
from magicrune.worker.consumer import Worker
from magicrune.worker.delivery import serve
from magicrune.worker.desk import Desk
from magicrune.worker.settings import WorkerSettings

DATA = (Path(__file__).parents[2] / "samples/ok.json").read_bytes()
REQUEST = parse_request(DATA)
DONE = replace(fresh_claim("other", REQUEST, None), state="committed", document=b"{}")
QUICK = replace(WorkerSettings(), ack_wait=0.03, max_deliver=2)


@dataclass
class Message:
    """A delivery that remembers what was said to the server about it."""

    deliveries: int = 1
    data: bytes = DATA
    said: list[str] = field(default_factory=list)
    subject: str = "run.req.default"
    headers: None = None

    @property
    def metadata(self) -> Any:
        return SimpleNamespace(num_delivered=self.deliveries, sequence=SimpleNamespace(stream=1))

    async def nak(self, delay: float | None = None) -> None:
        self.said.append("nak")

    async def term(self) -> None:
        self.said.append("term")

    async def ack_sync(self, timeout: float) -> None:
        self.said.append("ack")

    async def in_progress(self) -> None:
        return


@dataclass
class Bucket:
    """Of one key: a claim, or something that is none."""

    claim: Claim | None = None
    damaged: bool = False
    revision: int = 0

    async def read(self, _key: str) -> Claim | None:
        if self.damaged:
            raise ClaimDamaged("x", self.revision)
        return self.claim

    async def write(self, key: str, claim: Claim) -> Claim:
        if claim.revision != self.revision:
            await self.read(key)
            raise ClaimLost(key)
        self.revision += 1
        self.damaged = False
        self.claim = replace(claim, revision=self.revision)
        return self.claim

    async def insist(self, key: str, claim: Claim, _complain: Any) -> Claim:
        return await self.write(key, claim)

    def put(self, claim: Claim) -> None:
        self.revision += 1
        self.claim = replace(claim, revision=self.revision)

    def damage(self) -> None:
        self.revision += 1
        self.damaged = True


class Room:
    """A desk, and what is around it."""

    def __init__(self, run: Callable[..., Coroutine[Any, Any, Any]] | None = None) -> None:
        self.bucket = Bucket()
        self.noted: list[str] = []
        self.aside: list[bytes] = []
        self.told: list[Claim] = []
        self.beside: list[asyncio.Task[None]] = []

        async def never(_request: SpellRequest, _cancellation: Cancellation) -> Any:
            pytest.fail("it is run")

        async def publish(_subject: str, data: bytes, **_: Any) -> None:
            self.aside.append(data)

        async def tell(claim: Claim) -> bool:
            self.told.append(claim)
            return True

        self.desk = Desk(
            js=SimpleNamespace(publish=publish),  # type: ignore[arg-type]
            claims=self.bucket,  # type: ignore[arg-type]
            answers=SimpleNamespace(tell=tell),  # type: ignore[arg-type]
            settings=QUICK,
            worker="w",
            run=run or never,
            note=lambda event, **_: self.noted.append(event),
            say=publish,
            spawn=lambda work: self.beside.append(asyncio.ensure_future(work)),
            max_payload=lambda: 1 << 20,
            running=set(),
            draining=asyncio.Event(),
        )

    async def serve(self, deliveries: int = 1) -> list[str]:
        msg = Message(deliveries)
        async with asyncio.timeout(20):
            await serve(self.desk, msg)  # type: ignore[arg-type]
            await asyncio.gather(*self.beside)
        return msg.said

    def answers(self) -> list[str]:
        return [json.loads(claim.document)["error"]["code"] for claim in self.told]


class BrokenSet(set[str]):
    def add(self, _each: str) -> None:
        raise ZeroDivisionError


# -- a defect of ours ------------------------------------------------------------------------


def test_a_defect_that_stays_is_an_answer() -> None:
    async def scene() -> None:
        room = Room()
        room.desk.running = BrokenSet()
        assert await room.serve(1) == ["nak"]
        assert room.told == []
        assert await room.serve(2) == ["ack"]
        assert room.answers() == ["MR-4999"]
        assert room.bucket.claim is not None
        assert room.bucket.claim.state == "committed"
        assert room.aside == [DATA]

    asyncio.run(scene())


def test_a_defect_ends_no_run_of_another_worker() -> None:
    async def scene() -> None:
        room = Room()
        room.bucket.put(fresh_claim("other", REQUEST, None))
        room.desk.note = lambda event, **_: 1 / 0 if event == "watch" else None
        assert await room.serve(9) == ["nak"]
        assert (room.told, room.aside) == ([], [])

    asyncio.run(scene())


def test_a_defect_after_the_commit_leaves_the_answer() -> None:
    async def scene() -> None:
        room = Room()
        room.bucket.put(DONE)
        room.desk.note = lambda event, **_: 1 / 0 if event == "tell" else None
        assert await room.serve(9) == ["term"]
        assert [claim.document for claim in room.told] == [b"{}"]

    asyncio.run(scene())


def test_what_cannot_be_ended_comes_again() -> None:
    async def scene() -> None:
        room = Room()

        room.bucket.read = None  # type: ignore[method-assign, assignment]
        assert await room.serve(9) == ["nak"]

    asyncio.run(scene())


# -- a damaged claim -------------------------------------------------------------------------


def test_a_claim_damaged_while_its_job_runs_ends_the_job() -> None:
    async def scene() -> None:
        async def run(_request: SpellRequest, cancellation: Cancellation) -> Any:
            room.bucket.damage()
            while True:
                cancellation.check()
                await asyncio.sleep(0.001)

        room = Room(run)
        assert await room.serve() == []
        assert room.desk.running == set()
        assert await room.serve(2) == ["ack"]
        assert room.answers() == ["MR-4607"]

    asyncio.run(scene())


def test_a_beat_that_fails_leaves_no_request_running() -> None:
    async def scene() -> None:
        async def run(*_: Any) -> Any:
            room.bucket.write = None  # type: ignore[method-assign, assignment]
            await asyncio.sleep(0.1)

        room = Room(run)
        assert await room.serve() == ["nak"]
        assert room.desk.running == set()

    asyncio.run(scene())


def test_two_workers_at_one_damaged_claim() -> None:
    async def scene() -> None:
        room = Room()
        room.bucket.damage()

        async def lost(key: str, _claim: Claim, _complain: Any) -> Claim:
            room.bucket.damaged = False
            room.bucket.put(DONE)
            raise ClaimLost(key)

        room.bucket.insist = lost  # type: ignore[method-assign]
        assert await room.serve(2) == ["ack"]
        assert "defect" not in room.noted
        assert [claim.document for claim in room.told] == [b"{}"]

    asyncio.run(scene())


# -- a worker that stops ---------------------------------------------------------------------


def worker(**settings: Any) -> Worker:
    return Worker(replace(QUICK, **settings), pytest.fail, 1, None, "0" * 64)


def test_who_only_watches_hands_back_when_the_worker_stops() -> None:
    async def scene() -> None:
        room = Room()
        room.desk.settings = replace(QUICK, ack_wait=3600.0)
        room.bucket.put(fresh_claim("other", REQUEST, None))
        asyncio.get_running_loop().call_later(0.05, room.desk.draining.set)
        assert await room.serve() == ["nak"]

    asyncio.run(scene())


def test_metrics_that_cannot_be_written_hide_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async def mismatch(*_: Any, **__: Any) -> None:
        raise QueueMismatch("another policy")

    monkeypatch.setattr(consumer, "open_queue", mismatch)
    with pytest.raises(QueueMismatch):
        asyncio.run(worker(metrics_file="/nowhere/m.json").work(migrate=False))


def test_metrics_that_cannot_be_written_keep_no_stuck_worker(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def leave(code: int) -> None:
        raise SystemExit(code)

    async def scene() -> None:
        stuck = worker(metrics_file="/nowhere/m.json", grace=0.01)
        monkeypatch.setattr(stuck, "_slot", lambda *_: asyncio.sleep(3600))
        stuck._draining.set()
        await stuck._serve_slots(Room().desk, None)  # type: ignore[arg-type]

    monkeypatch.setattr(consumer, "_SETTLE_S", 0.01)
    monkeypatch.setattr(consumer.os, "_exit", leave)
    with pytest.raises(SystemExit):
        asyncio.run(scene())


def test_a_defect_does_not_end_the_watch_over_the_policy(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [ValueError("defect"), QueueMismatch("another policy")]

    async def require(*_: Any) -> None:
        raise answers.pop(0)

    monkeypatch.setattr(consumer, "require_policy", require)
    ours = worker()
    with pytest.raises(QueueMismatch):
        asyncio.run(ours._watch_policy(None))  # type: ignore[arg-type]
    assert ours._draining.is_set()
