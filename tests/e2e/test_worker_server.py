"""The server dies, forgets, has no room, is cut off: nothing is lost or doubled."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from typing import Any

import pytest

from tests.queue_bench import ACK_WAIT_S, Bench, document

pytestmark = [pytest.mark.timeout(180), pytest.mark.together]


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
