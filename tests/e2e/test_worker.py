"""The worker against a real server: each request is run and answered once, whatever dies."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import os
import select
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from magicrune.request import parse_request, request_sha256
from magicrune.worker.claim import Claim, encode
from tests.conftest import need
from tests.engines import absent, container_backend, images_under
from tests.nats_server import NatsServer, free_port
from tests.queue_bench import ACK_WAIT_S, Bench, document, name_of

pytestmark = pytest.mark.timeout(180)
LEASE_S = ACK_WAIT_S / 3 * 4  # how long a claim is watched


@pytest.fixture
def bench(tmp_path: Path, module_cache: Path) -> Iterator[Bench]:
    server = NatsServer(tmp_path / "nats")
    server.start()
    made = Bench(tmp_path, module_cache, server)
    yield made
    made.end()
    server.stop()


# -- what a person gets ----------------------------------------------------------------------


def test_from_publish_to_answer(bench: Bench) -> None:
    bench.worker()
    bench.until_said("ready")
    done = bench.command("publish", "samples/ok.json", "--wait", "20")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert (answer["stdout"], answer["verdict"]) == ("hello\n", "green")
    again = bench.command("result", answer["run_id"])
    assert (again.returncode, again.stdout) == (0, done.stdout)


def test_a_policy_violation_is_answered_and_not_run(bench: Bench) -> None:
    bench.worker()
    done = bench.command("publish", "samples/deny_net.json", "--wait", "20")
    answer = json.loads(done.stdout)
    assert (done.returncode, answer["executed"], answer["verdict"]) == (3, False, "red")
    assert bench.executions() == {}


def test_a_duplicate_is_told_at_once_and_attached_to(bench: Bench) -> None:
    first = bench.command("publish", "samples/ok.json")
    run = json.loads(first.stdout)["run_id"]
    waiting = bench.command("publish", "samples/ok.json")
    assert waiting.returncode == 4
    assert run in waiting.stderr.decode()
    bench.worker()
    attached = bench.command("publish", "samples/ok.json", "--attach")
    assert json.loads(attached.stdout)["run_id"] == run
    done = bench.command("publish", "samples/ok.json")
    assert (done.returncode, b"MR-4603" in done.stderr) == (4, True)
    bench.settled([Path("samples/ok.json").read_bytes()])
    assert bench.executions() == {run: 1}


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
    bench.until(lambda: bench.left() == 0, "all taken", 15)
    names = {name for name, _ in bench.answers()}
    refused = bench.talk(lambda _, js: js.stream_info("RUN")).state.last_seq == 1
    assert names == {name_of(each) for each in ([document(2)] if refused else [data, document(2)])}


def test_with_the_client_as_it_comes_they_hide(bench: Bench) -> None:
    bench.worker("--without", "headers", options=("--concurrency", "1"))
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


def test_what_was_queued_before_a_duplicate_is_told(bench: Bench, tmp_path: Path) -> None:
    files = [tmp_path / f"{number}.json" for number in (1, 2, 1, 3)]
    for path in files:
        path.write_bytes(document(int(path.stem)))
    done = bench.command("publish", *map(str, files))
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 4
    assert [each["run_id"] for each in told if each["run_id"]] == [
        name_of(document(number)) for number in (1, 2)
    ]


def test_a_request_too_large_for_a_message(bench: Bench, tmp_path: Path) -> None:
    path = tmp_path / "big.json"
    path.write_bytes(document(1, stdin="x" * (2 << 20)))
    done = bench.command("publish", str(path))
    assert (done.returncode, b"max_payload" in done.stderr) == (1, True)


def test_a_password_in_the_address_is_not_told(bench: Bench) -> None:
    done = bench.command("publish", "samples/ok.json", NATS_URL="nats://me:secret@127.0.0.1:1")
    assert done.returncode == 4
    assert b"secret" not in done.stdout + done.stderr
    assert b"nats://127.0.0.1:1" in done.stderr


def test_an_answer_that_no_worker_stored(bench: Bench) -> None:
    name = name_of(document(1))
    bench.command("publish", "samples/ok.json")  # makes the streams

    async def forge(_: Any, js: Any) -> None:
        await js.publish(f"run.res.{name}", b"{}", headers={"Magicrune-Kind": "result"})

    bench.talk(forge)
    done = bench.command("result", name)
    assert (done.returncode, b"MR-2001" in done.stderr) == (2, True)


def test_the_server_dies_while_somebody_waits(bench: Bench) -> None:
    words = [sys.executable, "-m", "magicrune", "publish", "samples/ok.json", "--wait", "30"]
    waiting = subprocess.Popen(
        words, env=bench.settings(bench.place / "p"), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    time.sleep(2)
    bench.server.kill()
    _, said = waiting.communicate(timeout=60)
    assert (waiting.returncode, b"MR-460" in said) == (4, True), said


def test_a_server_that_is_not_there(bench: Bench) -> None:
    bench.server.stop()
    done = bench.command("publish", "samples/ok.json")
    assert (done.returncode, b"MR-4601" in done.stderr) == (4, True)
    once = bench.worker(MAGICRUNE_REQUIRE_NATS="1")
    assert bench.workers[once].wait(20) == 4
    patient = bench.worker()
    bench.until_said("waiting", patient)
    bench.server.start()
    bench.until_said("ready", patient)


def test_health_and_metrics(bench: Bench, tmp_path: Path) -> None:
    port = free_port()
    files = {
        "MAGICRUNE_METRICS_EVERY": "1",
        "MAGICRUNE_METRICS_FILE": str(tmp_path / "m.json"),
        "MAGICRUNE_METRICS_TEXTFILE": str(tmp_path / "m.prom"),
        "MAGICRUNE_LOG_JSON": "1",
    }
    bench.worker(options=("--health", str(port)), **files)
    bench.until_said("ready")

    def get(page: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{page}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, ""

    assert [get(page)[0] for page in ("/healthz", "/readyz", "/nothing")] == [200, 200, 404]
    bench.publish(document(1))
    bench.settled([document(1)])
    bench.until(lambda: "magicrune_worker_green_total 1" in get("/metrics")[1], "counted")
    assert json.loads((tmp_path / "m.json").read_text())["processed"] == 1
    assert "magicrune_worker_green_total 1" in (tmp_path / "m.prom").read_text()
    assert "processed=1 dupes=0 reds=0" in bench.log()
    lines = [json.loads(line) for line in bench.log().splitlines() if line.startswith("{")]
    assert {line["event"] for line in lines} >= {"ready", "run", "commit", "told", "done"}
    bench.server.kill()
    bench.until(lambda: get("/readyz")[0] == 503, "not ready")
    assert get("/healthz")[0] == 200


def on_terminal(bench: Bench, *words: str) -> tuple[subprocess.Popen[bytes], int]:
    """A command whose stderr is a terminal; our end of that."""
    try:
        ours, theirs = os.openpty()
    except OSError:  # a bare root file system has no /dev/ptmx
        absent("no pseudo-terminals here")
    process = subprocess.Popen(
        [sys.executable, "-m", "magicrune", *words],
        env=bench.settings(bench.place / "t", TERM="xterm", COLUMNS="200"),
        stdout=subprocess.PIPE,
        stderr=theirs,
    )
    os.close(theirs)
    return process, ours


def heard_until(ours: int, text: bytes, heard: bytes = b"") -> bytes:
    deadline = time.monotonic() + 40
    while text not in heard:
        assert time.monotonic() < deadline, heard
        if select.select([ours], [], [], 1)[0]:
            heard += os.read(ours, 4096)
    return heard


def test_progress_on_a_terminal_and_nowhere_else(bench: Bench) -> None:
    name = name_of(document(1)).encode()
    path = bench.place / "1.json"
    path.write_bytes(document(1))
    publisher, its = on_terminal(bench, "publish", str(path), "--wait", "30")
    heard_until(its, b"\r\x1b[Kwaiting for " + name + b" (1 of 1), ")
    worker, ours = on_terminal(bench, "consume", "--backend", "wasi")
    heard = heard_until(ours, b"\r\x1b[K1 of 2 running")
    heard = heard_until(ours, b"1 answered (1 green)", heard)
    assert json.loads(publisher.communicate(timeout=20)[0])["stdout"] == "job 1\n"
    worker.terminate()
    heard_until(ours, b"draining", heard)
    worker.communicate(timeout=20)
    for each in (its, ours):
        os.close(each)
    quiet = bench.command("publish", str(path), "--attach", "--wait", "30")
    assert b"\x1b" not in quiet.stderr + quiet.stdout
    number = bench.worker()
    bench.until_said("ready", number)
    assert "\x1b" not in bench.log(number)


def test_spans(bench: Bench) -> None:
    need("opentelemetry.sdk")
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    got: list[bytes] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            data = self.rfile.read(int(self.headers["Content-Length"]))
            got.append(gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    bench.worker(OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{server.server_port}")
    bench.publish(document(1))
    bench.settled([document(1)])
    bench.signal(0, signal.SIGTERM)
    assert bench.workers[0].wait(20) == 0
    server.shutdown()
    server.server_close()
    parsed = [ExportTraceServiceRequest.FromString(data) for data in got]
    spans = [
        span
        for each in parsed
        for resource in each.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]
    names = {span.name: span for span in spans}
    assert set(names) >= {"request", "run", "commit", "ack", "admit", "sandbox", "grade"}
    whole = names["request"]
    assert names["run"].parent_span_id == whole.span_id
    assert names["sandbox"].parent_span_id == names["run"].span_id
    for span in spans:
        assert whole.start_time_unix_nano <= span.start_time_unix_nano <= span.end_time_unix_nano
    attributes = {each.key: each.value.string_value for each in whole.attributes}
    assert attributes["magicrune.run_id"] == name_of(document(1))


def test_spans_that_cannot_be_sent_are_an_error(bench: Bench) -> None:
    bench.worker(OTEL_TRACES_EXPORTER="zipkin")
    assert bench.workers[0].wait(20) == 4
    assert "OTEL_TRACES_EXPORTER" in bench.log()


def test_another_configuration_is_never_used_silently(bench: Bench) -> None:
    async def work(_: Any, js: Any) -> None:
        await js.add_stream(name="RUN", subjects=["run.req.*"], retention="workqueue", max_age=60)

    bench.talk(work)
    refused = bench.worker()
    assert bench.workers[refused].wait(20) == 4
    assert "max_age is 60" in bench.log(refused)
    migrated = bench.worker(options=("--migrate",))
    bench.until_said("ready", migrated)

    async def backoff(_: Any, js: Any) -> None:
        info = await js.consumer_info("RUN", "RUN_WORKER")
        info.config.backoff = [1.0, 3.0]
        info.config.max_deliver = 3
        await js.add_consumer("RUN", info.config)

    bench.talk(backoff)
    refused = bench.worker()
    assert bench.workers[refused].wait(20) == 4
    assert "backoff" in bench.log(refused)


@pytest.mark.parametrize("lane", ["oci", "podman", "docker"])
def test_containers(bench: Bench, lane: str, monkeypatch: pytest.MonkeyPatch) -> None:
    container_backend(lane, monkeypatch)
    requests = [document(number) for number in range(4)]
    options = ("--policy", "container", "--backend", lane)
    bench.worker(options=options, XDG_CACHE_HOME=str(images_under(bench.place)))
    bench.publish(*requests)
    bench.settled(requests)
    assert {answer["backend"] for _, answer in bench.answers()} == {lane}
    assert {answer["stdout"] for _, answer in bench.answers()} == {
        f"job {number}\n" for number in range(4)
    }


# -- once ------------------------------------------------------------------------------------


def test_many_requests_over_two_workers(bench: Bench) -> None:
    requests = [document(number) for number in range(60)]
    bench.worker(options=("--concurrency", "3"))
    bench.worker(options=("--concurrency", "3"))
    bench.publish(*requests)
    bench.settled(requests)
    assert set(bench.executions().values()) == {1}


def test_known_again_outside_the_duplicate_window(bench: Bench) -> None:
    bench.worker()
    bench.publish(document(1))
    bench.settled([document(1)])
    time.sleep(2.5)
    assert bench.publish(document(1)) == [False]  # the server itself has forgotten it
    bench.until_said("known")
    bench.settled([document(1)])
    assert set(bench.executions().values()) == {1}


def test_without_the_claim_it_is_run_again(bench: Bench) -> None:
    bench.worker("--without", "claim", "--without", "known")
    bench.publish(document(1))
    bench.until(lambda: bench.left() == 0 and bench.stored() == 1, "answered")
    bench.publish(document(1), known_id=False)
    bench.until(lambda: bench.stored() == 2, "answered again")
    assert set(bench.executions().values()) == {2}


def test_a_lost_ack(bench: Bench) -> None:
    bench.worker(MAGICRUNE_TEST_SKIP_ACK_ONCE="1")
    bench.publish(document(1))
    bench.until_said("ack skipped")
    bench.until_said("known")
    bench.settled([document(1)])
    assert set(bench.executions().values()) == {1}


def test_a_server_that_forgets_every_ack(bench: Bench) -> None:
    """Redelivery although the double ack returned no error: published again under another id."""
    bench.worker()
    bench.publish(document(1))
    bench.settled([document(1)])
    for _ in range(3):
        bench.publish(document(1), known_id=False)
    bench.until(lambda: bench.log().count("known run_id") == 3 and bench.left() == 0, "known")
    bench.settled([document(1)])
    assert set(bench.executions().values()) == {1}


def test_a_job_longer_than_the_ack_wait(bench: Bench) -> None:
    slow = {"MAGICRUNE_TEST_DELAY_MS": str(int((LEASE_S + ACK_WAIT_S) * 1000))}
    bench.worker(**slow)
    bench.worker(**slow)
    bench.publish(document(1))
    bench.settled([document(1)])
    assert set(bench.executions().values()) == {1}


def test_without_the_heartbeat_it_is_run_twice_and_answered_once(bench: Bench) -> None:
    slow = {"MAGICRUNE_TEST_DELAY_MS": str(int((LEASE_S + 2 * ACK_WAIT_S) * 1000))}
    bench.worker("--without", "heartbeat", options=("--concurrency", "1"), **slow)
    bench.until_said("ready")
    bench.publish(document(1))
    bench.until_said("run run_id")
    bench.worker()
    bench.until_said("done", 1)
    bench.until_said("abandon", 0)  # the fence
    bench.settled([document(1)])
    assert set(bench.executions().values()) == {2}


@pytest.mark.parametrize("step", ["claimed", "running", "ran", "committed", "told"])
def test_killed_at_each_step(bench: Bench, step: str) -> None:
    bench.worker("--at", step, "kill")
    bench.until_said("ready")
    bench.publish(document(1))
    assert bench.workers[0].wait(30) == -signal.SIGKILL
    bench.worker()
    bench.settled([document(1)])
    begun = {"claimed": 1, "running": 2, "ran": 2, "committed": 1, "told": 1}[step]
    assert set(bench.executions().values()) == {begun}


@pytest.mark.parametrize("fenced", [True, False])
def test_a_worker_that_slept_past_its_claim(bench: Bench, fenced: bool) -> None:
    bench.worker("--at", "ran", "stop", *([] if fenced else ["--without", "fence"]))
    bench.until_said("ready")
    bench.publish(document(1))
    bench.until(lambda: set(bench.executions().values()) == {1}, "run")
    bench.worker()
    bench.until_said("done", 1)
    bench.signal(0, signal.SIGCONT)
    if fenced:
        bench.until_said("abandon", 0)
        bench.settled([document(1)])
    else:  # the proof that the fence holds it
        bench.until(lambda: bench.stored() == 2, "a second answer")


def test_each_worker_dies_of_it(bench: Bench) -> None:
    bench.environment["NATS_CONSUMER_MAX_DELIVER"] = "2"
    bench.worker("--at", "claimed", "kill")
    bench.until_said("ready")
    bench.publish(document(1))
    bench.workers[0].wait(30)
    bench.worker("--at", "claimed", "kill")
    bench.workers[1].wait(30)
    bench.worker()
    bench.settled([document(1)])
    ((_, answer),) = bench.answers()
    assert answer["error"]["code"] == "MR-4605"
    aside = bench.talk(lambda _, js: js.get_last_msg("RUN_DLQ", "run.dlq.default"))
    assert aside.data == document(1)
    assert bench.executions() == {}


@pytest.mark.parametrize("repeatable", [False, True])
def test_a_networked_job_whose_worker_died(bench: Bench, repeatable: bool) -> None:
    """It is not run again, unless the request says that it may be."""
    bench.worker()
    bench.until_said("ready")
    data = document(1, repeatable=repeatable)
    claim = Claim("running", "t", "w", name_of(data), 1, networked=True, repeatable=repeatable)

    async def plant(_: Any, js: Any) -> None:
        key = request_sha256(parse_request(data))
        await js.publish(f"$KV.RUN_CLAIMS.{key}", encode(claim))

    bench.talk(plant)
    bench.publish(data)
    bench.settled([data])
    ((_, answer),) = bench.answers()
    if repeatable:
        assert answer["verdict"] == "green"
        assert bench.executions() == {name_of(data): 1}
    else:
        assert answer["error"]["code"] == "MR-4604"
        assert bench.executions() == {}


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


def test_the_server_dies_under_load(bench: Bench) -> None:
    requests = [document(number) for number in range(40)]
    for _ in range(2):
        bench.worker(MAGICRUNE_TEST_DELAY_MS_JITTER="0..=300")
    bench.until_said("ready", 0)
    bench.publish(*requests)
    for _ in range(2):
        bench.until(lambda: len(bench.answers()) > 3, "some answers")
        bench.server.kill()
        time.sleep(1)
        bench.server.start()
    bench.settled(requests, 90)


def test_purged_while_it_runs(bench: Bench) -> None:
    bench.worker(MAGICRUNE_TEST_DELAY_MS="1500")
    bench.until_said("ready")
    bench.publish(document(1))
    bench.until_said("run run_id")
    bench.talk(lambda _, js: js.purge_stream("RUN"))
    bench.settled([document(1)])
    bench.publish(document(2))
    bench.settled([document(1), document(2)])


def test_no_room_for_answers(bench: Bench) -> None:
    bench.worker()
    bench.until_said("ready")

    async def limit(_: Any, js: Any, most: int) -> None:
        info = await js.stream_info("RUN_RES")
        info.config.max_msgs, info.config.discard = most, "new" if most > 0 else "old"
        await js.update_stream(info.config)

    bench.publish(document(1))
    bench.settled([document(1)])
    bench.talk(lambda client, js: limit(client, js, 1))
    bench.publish(document(2))
    bench.until_said("postponed")
    bench.talk(lambda client, js: limit(client, js, -1))
    bench.settled([document(1), document(2)])
    assert set(bench.executions().values()) == {1}


def test_the_bucket_is_gone_and_comes_back(bench: Bench) -> None:
    bench.worker()
    bench.until_said("ready")

    async def take(_: Any, js: Any) -> Any:
        config = (await js.stream_info("KV_RUN_CLAIMS")).config
        await js.delete_stream("KV_RUN_CLAIMS")
        return config

    config = bench.talk(take)
    bench.publish(document(1))
    bench.until_said("postponed")
    assert bench.executions() == {}
    bench.talk(lambda _, js: js.add_stream(config))
    bench.settled([document(1)])


class Proxy:
    """Carries bytes to the server until it is told to stall."""

    def __init__(self, port: int) -> None:
        self._target = port
        self.flows = threading.Event()
        self.flows.set()
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                one, _ = self._server.accept()
                other = socket.create_connection(("127.0.0.1", self._target))
                for pair in ((one, other), (other, one)):
                    threading.Thread(target=self._carry, args=pair, daemon=True).start()

    def _carry(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                self.flows.wait()
                sink.sendall(data)
        for each in (source, sink):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._server.close()


def test_a_partitioned_worker(bench: Bench) -> None:
    proxy = Proxy(bench.server.port)
    delay = str(int(1000 * ACK_WAIT_S))
    bench.worker(NATS_URL=f"nats://127.0.0.1:{proxy.port}", MAGICRUNE_TEST_DELAY_MS=delay)
    bench.until_said("ready")
    bench.publish(document(1))
    bench.until_said("run run_id")
    proxy.flows.clear()
    bench.worker()
    bench.until_said("done", 1)
    proxy.flows.set()
    bench.until_said("abandon", 0)
    bench.settled([document(1)])
    proxy.close()


LONG = document(1, cmd="sleep 40", timeout_sec=50)


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
    take_over(bench, LONG)
    bench.until_said("abandon", 0, 15)
    bench.publish(document(2))
    bench.until(lambda: name_of(document(2)) in dict(bench.answers()), "the slot is free", 15)
    assert not list((bench.homes[0] / "magicrune").glob("oci/magicrune-*"))
    assert not list((bench.homes[0] / "magicrune").glob("sockets/run-*"))
    with contextlib.closing(sqlite3.connect(bench.homes[0] / "magicrune/ledger.sqlite3")) as rows:
        query = "SELECT state, error_code FROM runs WHERE run_id = ?"
        assert rows.execute(query, (name_of(LONG),)).fetchall() == [("failed", "MR-4105")]


def test_without_cancelling_the_slot_is_held(bench: Bench) -> None:
    bench.worker("--without", "cancel", options=("--concurrency", "1"))
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
    assert bench.workers[0].wait(15) == 0
    assert "release" in bench.log()
    assert bench.left() == 1
    with contextlib.closing(sqlite3.connect(bench.homes[0] / "magicrune/ledger.sqlite3")) as rows:
        assert rows.execute("SELECT state FROM runs").fetchall() == [("failed",)]


# -- stopping --------------------------------------------------------------------------------


def test_sigterm_finishes_what_runs_and_takes_no_more(bench: Bench) -> None:
    bench.worker(options=("--concurrency", "1"), MAGICRUNE_TEST_DELAY_MS="1500")
    bench.until_said("ready")
    bench.publish(document(1), document(2), document(3))
    bench.until_said("run run_id")
    assert bench.log().count("run run_id") == 1  # never more than it can start
    bench.signal(0, signal.SIGTERM)
    assert bench.workers[0].wait(20) == 0
    assert len(bench.answers()) == 1
    assert bench.left() == 2
    bench.worker()
    bench.settled([document(1), document(2), document(3)])
    assert set(bench.executions().values()) == {1}


def test_sigterm_hands_back_what_takes_too_long(bench: Bench) -> None:
    bench.worker(MAGICRUNE_TEST_DELAY_MS="60000", MAGICRUNE_GRACE_SEC="1")
    bench.until_said("ready")
    bench.publish(document(1))
    bench.until_said("run run_id")
    bench.signal(0, signal.SIGTERM)
    assert bench.workers[0].wait(20) == 0
    bench.worker()
    bench.until_said("its worker gave it back", 1, 10)
    bench.settled([document(1)])
