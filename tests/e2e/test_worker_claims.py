"""Claims in a real bucket: what is a loss, and what is only a late confirmation."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from magicrune.worker.claim import Claim, ClaimLost, Claims
from magicrune.worker.settings import WorkerSettings
from magicrune.worker.topology import settle_topology
from tests.guards import GUARDS
from tests.nats_server import NatsServer

pytestmark = pytest.mark.timeout(60)
FRESH = Claim("running", "token", "me", "r_1", 1, networked=True)
Work = Callable[[Any, Claims], Coroutine[Any, Any, None]]


@pytest.fixture
def with_bucket(tmp_path: Path) -> Any:
    server = NatsServer(tmp_path / "nats")
    server.start()

    def run(work: Work, dedupe_max: int = 100) -> None:
        async def connected() -> None:
            import nats

            client = await nats.connect(server.url)
            js = client.jetstream()
            settings = WorkerSettings(dedupe_max=dedupe_max)
            await settle_topology(js, settings, migrate=False)
            try:
                await work(js, Claims(js, settings.bucket, 2, "me"))
            finally:
                await client.close()

        asyncio.run(connected())

    yield run
    server.stop()


def other(js: Any) -> Claims:
    return Claims(js, "RUN_CLAIMS", 2, "other")


def test_who_comes_second_has_lost(with_bucket: Callable[[Work], None]) -> None:
    async def work(js: Any, claims: Claims) -> None:
        mine = await claims.write("k", FRESH)
        taken = replace(FRESH, token="2", worker="other", revision=mine.revision)
        await other(js).write("k", taken)
        for late in (mine, replace(mine, state="committed", document=b"x")):
            with pytest.raises(ClaimLost):
                await claims.write("k", late)
        found = await claims.read("k")
        assert (found.token if found else "") == "2"

    with_bucket(work)


@pytest.fixture
def taken_for_anothers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A late write of our own, and what fell out of the bucket, are no longer told apart."""
    monkeypatch.setattr(Claims, "_revision_to_follow", Claims._revision_to_follow)  # put back
    GUARDS["own"]()


async def beat_late(_: Any, claims: Claims) -> None:
    mine = await claims.write("k", FRESH)
    await claims.write("k", mine)  # a beat whose confirmation never came
    done = await claims.write("k", replace(mine, state="committed", document=b"x"))
    assert await claims.read("k") == done


def test_a_late_beat_of_our_own_is_no_loss(with_bucket: Callable[[Work], None]) -> None:
    with_bucket(beat_late)


def test_else_who_lives_loses_to_itself(with_bucket: Any, taken_for_anothers: None) -> None:
    with pytest.raises(ClaimLost):
        with_bucket(beat_late)


def test_who_commits_for_another_loses_to_its_beat(with_bucket: Callable[[Work], None]) -> None:
    """ "Nobody knows what it did" must not be said of a worker that lives."""

    async def work(js: Any, claims: Claims) -> None:
        seen = await claims.write("k", FRESH)
        beat = await claims.write("k", seen)
        verdict = replace(seen, state="committed", kind="error", document=b"unknown")
        with pytest.raises(ClaimLost):
            await other(js).write("k", verdict)
        assert await claims.read("k") == beat

    with_bucket(work)


def test_silence_is_no_loss(with_bucket: Callable[[Work], None]) -> None:
    async def work(_: Any, claims: Claims) -> None:
        mine = await claims.write("k", FRESH)
        publish = claims._js.publish

        async def lost(*args: Any, **options: Any) -> Any:
            raise TimeoutError

        claims._js.publish = lost  # type: ignore[method-assign]
        with pytest.raises(TimeoutError):
            await claims.write("k", replace(mine, state="committed", document=b"x"))

        async def unconfirmed(*args: Any, **options: Any) -> Any:
            await publish(*args, **options)
            raise TimeoutError

        claims._js.publish = unconfirmed  # type: ignore[method-assign]
        done = await claims.write("k", replace(mine, state="committed", document=b"x"))
        assert done.revision > mine.revision
        assert await claims.read("k") == done

    with_bucket(work)


def test_else_an_evicted_claim_is_a_lost_one(with_bucket: Any, taken_for_anothers: None) -> None:
    async def work(_: Any, claims: Claims) -> None:
        mine = await claims.write("k", FRESH)
        for number in range(100):
            await claims.write(f"k{number}", replace(FRESH, token=str(number)))
        with pytest.raises(ClaimLost):
            await claims.write("k", mine)

    with_bucket(work)


def test_what_fell_out_of_the_bucket_is_made_again(with_bucket: Any) -> None:
    async def work(js: Any, claims: Claims) -> None:
        mine = await claims.write("k", FRESH)
        for number in range(100):
            await claims.write(f"k{number}", replace(FRESH, token=str(number)))
        assert await claims.read("k") is None
        again = await claims.write("k", mine)
        assert await claims.read("k") == again
        for number in range(100):
            await claims.write(f"m{number}", replace(FRESH, token=str(number)))
        await other(js).write("k", replace(FRESH, token="2", worker="other"))
        with pytest.raises(ClaimLost):  # somebody was faster
            await claims.write("k", again)

    with_bucket(work)
