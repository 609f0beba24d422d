"""The worker: takes exactly as many requests as it can start, until it is told to stop."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from magicrune.errors import OutputFailed, QueueUnavailable
from magicrune.worker.answers import Answers
from magicrune.worker.claim import Claims
from magicrune.worker.connection import connect
from magicrune.worker.delivery import Desk, hand_back, serve
from magicrune.worker.health import serve_health
from magicrune.worker.logs import Log
from magicrune.worker.metrics import Metrics
from magicrune.worker.topology import settle_topology
from magicrune.worker.tracing import make_tracer

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.aio.msg import Msg
    from nats.js import JetStreamContext

    from magicrune.cancellation import Cancellation
    from magicrune.request import SpellRequest
    from magicrune.result import SpellResult
    from magicrune.worker.settings import WorkerSettings

FETCH_S = 1.0
"""Of one wait for a request; then the wait begins again. So long may SIGTERM wait for it."""
_SETTLE_S = 15.0
"""After the grace period: for sandboxes to end, then for claims and requests to be handed back."""

Execute = Callable[["SpellRequest", "Cancellation"], "SpellResult"]


class Worker:
    """One process, up to `concurrency` requests at a time."""

    def __init__(
        self, settings: WorkerSettings, execute: Execute, concurrency: int, health: str | None
    ) -> None:
        self._settings = settings
        self._execute = execute
        self._concurrency = concurrency
        self._health = health
        self._name = f"{socket.gethostname()[:60]}-{os.getpid()}-{secrets.token_hex(4)}"
        self.metrics = Metrics(
            settings.metrics_every, settings.metrics_file, settings.metrics_textfile
        )
        self._running: set[str] = set()
        self._log = Log(self._name, as_json=settings.log_json, status=self._status)
        self._tracer = make_tracer(self._name)
        self._draining = asyncio.Event()
        self._stopping = asyncio.Event()
        self._client: Client | None = None

    async def work(self, *, migrate: bool) -> None:
        """Until SIGTERM or SIGINT. Raises QueueUnavailable, QueueMismatch, CliUsage."""
        self._client = await self._connected()
        server = serve_health(self._health, self._pages()) if self._health else None
        try:
            js = self._client.jetstream(timeout=self._settings.publish_timeout)
            await self._settle(js, migrate=migrate)
            self._listen_for_signals()
            with ThreadPoolExecutor(self._concurrency, "job") as pool:
                await self._serve_slots(self._client, js, pool)
        finally:
            self._log.clear()
            self._tracer.close()
            self.metrics.write()
            if server:
                server.shutdown()
            await self._client.close()

    async def _connected(self) -> Client:
        while True:
            try:
                return await connect(self._settings, self._name, lasting=True, say=self._log)
            except QueueUnavailable as error:
                if self._settings.require_nats:
                    raise
                self._log("waiting", level="warning", reason=str(error)[:300])
                await asyncio.sleep(1)

    async def _settle(self, js: JetStreamContext, *, migrate: bool) -> None:
        from nats.errors import Error

        try:
            await settle_topology(js, self._settings, migrate=migrate)
        except (TimeoutError, Error, OSError) as error:
            raise QueueUnavailable(
                f"JetStream does not answer: {error or type(error).__name__}",
                where=self._settings.place,
                hint="start the server with JetStream (nats-server -js)",
            ) from error

    async def _serve_slots(
        self, client: Client, js: JetStreamContext, pool: ThreadPoolExecutor
    ) -> None:
        loop = asyncio.get_running_loop()

        async def run(request: SpellRequest, cancellation: Cancellation) -> SpellResult:
            self._log.refresh()
            return await loop.run_in_executor(pool, self._execute, request, cancellation)

        settings = self._settings
        desk = Desk(
            js=js,
            claims=Claims(js, settings.bucket, settings.publish_timeout, self._name),
            answers=Answers(js, settings),
            settings=settings,
            worker=self._name,
            run=run,
            note=self._note,
            stopping=self._stopping,
            say=client.publish,
            max_payload=client.max_payload,
            running=self._running,
            skip_ack=settings.test_skip_ack,
        )
        pull = await js.pull_subscribe_bind(durable=settings.durable, stream=settings.stream)
        self._log("ready", subject=settings.subject, slots=self._concurrency)
        slots = [asyncio.create_task(self._slot(desk, pull)) for _ in range(self._concurrency)]
        drained = asyncio.create_task(self._draining.wait())
        # A slot ends before only by a defect of ours: then the worker ends, and says so.
        await asyncio.wait({drained, *slots}, return_when=asyncio.FIRST_COMPLETED)
        self._draining.set()
        self._log("draining", running=len(desk.running))
        ended, late = await asyncio.wait(slots, timeout=settings.grace)
        if late:
            self._stopping.set()
            ended, stuck = await asyncio.wait(slots, timeout=_SETTLE_S)
            self._log("stopped", handed_back=len(late))
            if stuck:  # an engine does not answer: its job ends with this process
                self._tracer.close()
                self.metrics.write()
                os._exit(0)
        for slot in ended:
            slot.result()

    async def _slot(self, desk: Desk, pull: JetStreamContext.PullSubscription) -> None:
        """One request at a time; the next is asked for when the last is settled."""
        while not self._draining.is_set():
            msg = await self._next(pull)
            if msg is None:
                continue
            if self._draining.is_set():
                await hand_back(msg, 0)
            else:
                await serve(desk, msg)

    async def _next(self, pull: JetStreamContext.PullSubscription) -> Msg | None:
        from nats.errors import Error

        try:
            # Never cut short: the server would go on and send a request to nobody.
            return (await pull.fetch(1, timeout=FETCH_S))[0]
        except TimeoutError:
            return None
        except (Error, OSError) as error:
            reason = f"{type(error).__name__}: {error}"[:300]
            self._log("no messages", level="warning", reason=reason)
            await asyncio.sleep(0.5)
            return None

    def _note(self, event: str, *, level: str = "info", **fields: object) -> None:
        self._tracer.note(event, fields)
        fields.pop("phases", None)
        verdict = fields.get("verdict")
        self._log.clear()
        try:
            self.metrics.count(event, str(verdict) if verdict else None)
        except OutputFailed as error:  # a full disk is no reason to drop a request
            self._log("metrics", level="error", reason=str(error)[:300])
        self._log(event, level=level, **fields)

    def _status(self) -> str:
        return f"{len(self._running)} of {self._concurrency} running · {self.metrics.summary()}"

    def _listen_for_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._draining.set)

    def _pages(self) -> dict[str, Callable[[], tuple[int, str]]]:
        def ready() -> tuple[int, str]:
            if self._draining.is_set():
                return 503, "draining\n"
            if self._client is None or not self._client.is_connected:
                return 503, "not connected\n"
            return 200, "ready\n"

        return {
            "/healthz": lambda: (200, "ok\n"),
            "/readyz": ready,
            "/metrics": lambda: (200, self.metrics.as_text()),
        }
