"""The manifests against what they are about: a worker started as they say, a server's monitoring.

No cluster: what only one can say (scheduling, the kubelet, KEDA itself) stays untried.
"""

from __future__ import annotations

import json
import signal
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.nats_server import NatsServer, free_port
from tests.queue_bench import Bench, document

pytestmark = [pytest.mark.timeout(180), pytest.mark.together]
MANIFESTS = Path(__file__).parents[2] / "deploy/kubernetes"


def read(name: str) -> Any:
    return yaml.safe_load((MANIFESTS / name).read_text())["spec"]


def get(address: str) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(address, timeout=5) as answer:
            return int(answer.status), answer.read()
    except urllib.error.HTTPError as error:
        return error.code, b""


def test_a_worker_started_as_the_pod_says(bench: Bench) -> None:
    pod = read("worker.yaml")["template"]["spec"]
    (container,) = pod["containers"]
    port = free_port()
    _consume, *options = (each.replace("8080", str(port)) for each in container["args"])
    ours = ("NATS_URL", "MAGICRUNE_HOME")
    named = {each["name"]: each["value"] for each in container["env"] if each["name"] not in ours}
    bench.server.stop()
    bench.worker(options=tuple(options), MAGICRUNE_HOME=str(bench.place / "state/home"), **named)
    bench.until_said('"event": "waiting"')

    def probe(kind: str) -> int:
        path = container[f"{kind}Probe"]["httpGet"]["path"]
        return get(f"http://127.0.0.1:{port}{path}")[0]

    assert [probe(kind) for kind in ("startup", "liveness", "readiness")] == [200, 200, 503]
    bench.server.start()
    bench.until(lambda: probe("readiness") == 200, "ready")
    bench.publish(document(1))
    bench.settled([document(1)])
    bench.signal(0, signal.SIGTERM)
    assert bench.workers[0].wait(pod["terminationGracePeriodSeconds"]) == 0


def test_the_length_of_the_queue_is_where_the_scaler_looks(bench: Bench) -> None:
    """NATS' own /jsz, which KEDA asks: account, stream and consumer by the manifest's names."""
    (trigger,) = read("autoscaling.yaml")["triggers"]
    named = trigger["metadata"]
    monitor = free_port()
    bench.server.stop()
    bench.server = NatsServer(bench.place / "monitored", "-m", str(monitor))
    bench.server.start()
    bench.worker(options=("--concurrency", "1"), MAGICRUNE_TEST_DELAY_MS="600000")
    bench.until_said("ready")
    bench.publish(*(document(number) for number in range(5)))

    def waiting() -> int:
        _, page = get(f"http://127.0.0.1:{monitor}/jsz?consumers=true&config=true")
        for account in json.loads(page)["account_details"]:
            for stream in account.get("stream_detail", ()):
                for consumer in stream.get("consumer_detail") or ():
                    names = (account["name"], stream["name"], consumer["name"])
                    if names == (named["account"], named["stream"], named["consumer"]):
                        return int(consumer["num_pending"])
        return -1

    bench.until(lambda: waiting() == 4, "one in work, four that wait")
