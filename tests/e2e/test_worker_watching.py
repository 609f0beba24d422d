"""What a person sees of a worker: health, metrics, progress, spans."""

from __future__ import annotations

import gzip
import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.conftest import need
from tests.engines import absent
from tests.nats_server import free_port
from tests.queue_bench import Bench, document, name_of

pytestmark = [pytest.mark.timeout(300), pytest.mark.together]


def test_health_and_metrics(bench: Bench) -> None:
    port = free_port()
    files = {
        "MAGICRUNE_METRICS_EVERY": "1",
        "MAGICRUNE_METRICS_FILE": str(bench.place / "m.json"),
        "MAGICRUNE_METRICS_TEXTFILE": str(bench.place / "m.prom"),
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
    assert json.loads((bench.place / "m.json").read_text())["processed"] == 1
    assert "magicrune_worker_green_total 1" in (bench.place / "m.prom").read_text()
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
