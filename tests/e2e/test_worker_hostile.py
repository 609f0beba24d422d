"""What a publisher may send to hurt: bodies, replies, headers, claims."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from magicrune.request import parse_request, request_sha256
from tests.queue_bench import ACK_WAIT_S, LEASE_S, Bench, document, name_of

pytestmark = [pytest.mark.timeout(300), pytest.mark.together]


@pytest.mark.parametrize("bad", [b"{not json", b'{"cmd": 5}', b"[]", b'{"cmd":"a","x":1}', b""])
def test_what_is_no_request_is_put_aside_once_with_a_reply(bench: Bench, bad: bytes) -> None:
    bench.worker()
    bench.until_said("ready")

    async def work(client: Any, js: Any) -> tuple[Any, Any]:
        inbox = client.new_inbox()
        reply = await client.subscribe(inbox)
        await client.flush()
        await js.publish("run.req.default", bad, headers={"Magicrune-Reply": inbox})
        return await reply.next_msg(20), await js.get_last_msg("RUN_DLQ", "run.dlq.default")

    told, aside = bench.talk(work)
    assert json.loads(told.data)["error"]["code"].startswith("MR-1")
    assert (aside.data or b"") == bad
    assert aside.headers["Magicrune-Reason"].startswith("MR-1")
    bench.until(lambda: bench.left() == 0, "terminated")
    time.sleep(LEASE_S)
    assert bench.log().count("refused") == 1


def test_without_a_term_it_is_refused_for_ever(bench: Bench) -> None:
    bench.worker(without=["term"])
    bench.until_said("ready")
    bench.talk(lambda _, js: js.publish("run.req.default", b"{not json"))
    bench.until(lambda: bench.log().count("refused") > 2, "refused again and again")
    assert bench.left() == 1


@pytest.mark.parametrize("without", [(), ["bury_first"]])
def test_nowhere_to_put_aside_what_is_no_request(bench: Bench, without: Sequence[str]) -> None:
    """It is put aside before it is terminated: else it is gone."""
    bench.worker(without=without)
    bench.until_said("ready")

    async def take(_: Any, js: Any) -> Any:
        config = (await js.stream_info("RUN_DLQ")).config
        await js.delete_stream("RUN_DLQ")
        await js.publish("run.req.default", b"{not json")
        return config

    config = bench.talk(take)
    bench.until_said("postponed")
    bench.talk(lambda _, js: js.add_stream(config))
    bench.until_empty()
    aside = bench.talk(lambda _, js: js.stream_info("RUN_DLQ")).state.messages
    assert aside == (0 if without else 1)


def test_without_a_look_at_the_reply_it_goes_anywhere(bench: Bench) -> None:
    """A request's author forges an answer by the rights of the worker."""
    bench.worker(without=["inbox"])
    bench.until_said("ready")
    reply = {"Magicrune-Reply": "run.res.x"}
    bench.talk(lambda _, js: js.publish("run.req.default", b"bad", headers=reply))
    bench.until(lambda: [name for name, _ in bench.answers()] == ["x"], "forged")


@pytest.mark.parametrize(
    "subject", ["$JS.API.STREAM.DELETE.RUN_RES", "told.me", "_INBOX.a b", "_INBOX.>", "run.res.x"]
)
def test_a_reply_never_borrows_the_workers_rights(bench: Bench, subject: str) -> None:
    bench.worker()
    bench.until_said("ready")

    async def work(client: Any, js: Any) -> list[str]:
        heard: list[str] = []

        async def hear(msg: Any) -> None:
            heard.append(msg.subject)

        for each in ("told.me", "run.res.x", "_INBOX.a"):
            await client.subscribe(each, cb=hear)
        await client.flush()
        await js.publish("run.req.default", b"bad", headers={"Magicrune-Reply": subject})
        while (await js.consumer_info("RUN", "RUN_WORKER")).num_ack_pending or not (
            await js.stream_info("RUN_DLQ")
        ).state.messages:
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.2)
        await js.stream_info("RUN_RES")  # is still there
        return heard

    assert bench.talk(work) == []
    bench.publish(document(1))
    bench.settled([document(1)])


HOSTILE = [
    b"NATS/1.0\r\nStatus: 408\r\n\r\n",
    b"NATS/1.0\r\nStatus: 503\r\n\r\n",
    b"NATS/1.0 404 No Messages\r\n\r\n",
    b"NATS/1.0 \xff\xff\xff \xff\r\n\r\n",
    b"NATS/1.0 100 \xff\r\nA: \xfe\r\n\r\n",
    b"NATS/1.0\r\n\xff\xfe: \xff\r\n no colon\r\n\r\n",
    b"NATS/1.0\r\n" + b"A: b\r\n" * 5000 + b"\r\n",
    b"NATS/1.0\r\nMagicrune-Reply: _INBOX.\xc3\xa9\r\nNats-TTL: 1\r\nNats-Rollup: all\r\n\r\n",
]


def publish_by_hand(
    bench: Bench, headers: bytes, data: bytes, subject: bytes = b"run.req.default"
) -> None:
    """As no client would."""
    with socket.create_connection(("127.0.0.1", bench.server.port), 5) as wire:
        wire.sendall(b'CONNECT {"verbose":false,"headers":true,"no_responders":true}\r\n')
        size = f"{len(headers)} {len(headers) + len(data)}".encode()
        wire.sendall(b"HPUB " + subject + b" " + size + b"\r\n" + headers + data + b"\r\nPING\r\n")
        said = b""
        while b"PONG" not in said:
            said += wire.recv(4096)


@pytest.mark.parametrize("headers", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_headers_neither_deafen_nor_hide(bench: Bench, headers: bytes) -> None:
    """The server may refuse them; a worker must not fall."""
    bench.worker(options=("--concurrency", "1"))
    bench.until_said("ready")
    data = document(1)
    publish_by_hand(bench, headers, data)
    bench.publish(document(2))
    bench.until(lambda: bench.left() == 0, "all taken")
    names = {name for name, _ in bench.answers()}
    refused = bench.talk(lambda _, js: js.stream_info("RUN")).state.last_seq == 1
    assert names == {name_of(each) for each in ([document(2)] if refused else [data, document(2)])}


def test_with_the_client_as_it_comes_they_hide(bench: Bench) -> None:
    bench.worker(without=["headers"], options=("--concurrency", "1"))
    bench.until_said("ready")
    publish_by_hand(bench, HOSTILE[0], document(1))
    bench.publish(document(2))
    bench.until(lambda: name_of(document(2)) in dict(bench.answers()), "answered")
    time.sleep(2 * ACK_WAIT_S)
    assert bench.left() > 0
    assert name_of(document(1)) not in dict(bench.answers())


def test_who_waits_is_not_deafened(bench: Bench) -> None:
    words = [sys.executable, "-m", "magicrune", "publish", "samples/ok.json", "--wait", "30"]
    waiting = subprocess.Popen(
        words, env=bench.settings(bench.place / "p"), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    time.sleep(2)
    name = name_of(Path("samples/ok.json").read_bytes()).encode()
    unstored = b"NATS/1.0 \xff\xff\xff\r\nNats-Expected-Stream: NONE\r\n\r\n"
    publish_by_hand(bench, unstored, b"", b"run.res." + name)
    bench.worker()
    said, _ = waiting.communicate(timeout=60)
    assert json.loads(said)["stdout"] == "hello\n"


def test_what_is_put_aside_fits_with_its_headers(bench: Bench) -> None:
    bench.worker()
    bench.until_said("ready")
    bad = b"{" * ((1 << 20) - 200)
    wide = json.dumps({"cmd": "x", "\U0001f480" * 1000: 1}, ensure_ascii=False).encode()
    wide = wide.replace(b": 1}", b": 1" + b" " * ((1 << 20) - 100 - len(wide)) + b"}")
    bench.talk(lambda _, js: js.publish("run.req.default", wide))
    bench.until(lambda: bench.left() == 0, "put aside")
    bench.talk(lambda _, js: js.publish("run.req.default", bad))
    bench.until(lambda: bench.left() == 0, "put aside")
    assert "postponed" not in bench.log()
    aside = bench.talk(lambda _, js: js.get_last_msg("RUN_DLQ", "run.dlq.default"))
    assert aside.headers["Magicrune-Cut"] == str(len(bad))
    assert bad.startswith(aside.data)


@pytest.mark.parametrize("forged", [b"", b"garbage", b'{"state": 5}', b"\x00" * 5000])
def test_a_damaged_claim_is_an_answer_and_no_wedge(bench: Bench, forged: bytes) -> None:
    bench.worker(options=("--concurrency", "1"))
    bench.until_said("ready")
    key = request_sha256(parse_request(document(1)))
    bench.talk(lambda _, js: js.publish(f"$KV.RUN_CLAIMS.{key}", forged))
    bench.publish(document(1), document(2))
    bench.settled([document(1), document(2)])
    answers = dict(bench.answers())
    assert answers[name_of(document(1))]["error"]["code"] == "MR-4607"
    assert answers[name_of(document(2))]["verdict"] == "green"
    assert bench.executions() == {name_of(document(2)): 1}


def test_a_damaged_claim_that_is_a_defect_is_never_answered(bench: Bench) -> None:
    bench.environment["NATS_CONSUMER_MAX_DELIVER"] = "1"
    bench.worker(without=["damage"])
    bench.until_said("ready")
    key = request_sha256(parse_request(document(1)))
    bench.talk(lambda _, js: js.publish(f"$KV.RUN_CLAIMS.{key}", b"garbage"))
    bench.publish(document(1), document(2))
    bench.until(lambda: bench.left() == 1, "the other answered")
    bench.until(lambda: bench.log().count("defect") > 2, "tried again and again")
    assert [name for name, _ in bench.answers()] == [name_of(document(2))]
