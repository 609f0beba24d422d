"""The worker: takes exactly as many requests as it can start, until it is told to stop."""

from __future__ import annotations

import asyncio
import gc
import os
import secrets
import signal
import socket
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from magicrune.errors import OutputFailed, QueueMismatch
from magicrune.worker.answers import Answers
from magicrune.worker.attempt import PULSES
from magicrune.worker.claim import Claims
from magicrune.worker.closing import hand_back
from magicrune.worker.delivery import serve
from magicrune.worker.desk import Desk
from magicrune.worker.health import serve_health
from magicrune.worker.logs import Log
from magicrune.worker.metrics import Metrics
from magicrune.worker.opening import open_queue
from magicrune.worker.topology import require_policy
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
        self,
        settings: WorkerSettings,
        execute: Execute,
        concurrency: int,
        health: str | None,
        policy_sha256: str,
    ) -> None:
        self._settings = settings
        self._execute = execute
        self._concurrency = concurrency
        self._health = health
        self._policy = policy_sha256
        self._name = f"{socket.gethostname()[:60]}-{os.getpid()}-{secrets.token_hex(4)}"
        self.metrics = Metrics(
            settings.metrics_every, settings.metrics_file, settings.metrics_textfile
        )
        self._running: set[str] = set()
        self._closing: set[asyncio.Task[None]] = set()
        self._log = Log(self._name, as_json=settings.log_json, status=self._status)
        self._tracer = make_tracer(self._name)
        self._draining = asyncio.Event()
        self._ready = False
        self._client: Client | None = None

    async def work(self, *, migrate: bool) -> None:
        """Until SIGTERM or SIGINT. Raises QueueUnavailable, QueueMismatch, CliUsage."""
        self._listen_for_signals()
        server = serve_health(self._health, self._pages()) if self._health else None
        try:
            self._client = await open_queue(
                self._settings,
                self._name,
                self._policy,
                migrate=migrate,
                say=self._log,
                ended=self._draining,
            )
            if self._client is not None:
                with ThreadPoolExecutor(self._concurrency, "job") as pool:
                    await self._serve_queue(self._client, pool)
        finally:
            try:
                self._say_last()
            finally:
                if server:
                    server.shutdown()
                if self._client:
                    await self._client.close()

    def _say_last(self) -> None:
        self._log.clear()
        self._tracer.close()
        try:
            self.metrics.write()
        except OutputFailed as error:  # how the worker ended must be told all the same
            self._log("metrics", level="error", reason=str(error)[:300])

    async def _serve_queue(self, client: Client, pool: ThreadPoolExecutor) -> None:
        settings = self._settings
        js = client.jetstream(timeout=settings.publish_timeout)
        pull = await js.pull_subscribe_bind(durable=settings.durable, stream=settings.stream)
        desk = self._desk(client, js, pool)
        # What is there now stays: a full collection would go through all of it each time.
        gc.collect()
        gc.freeze()
        self._ready = True
        self._log("ready", subject=settings.subject, slots=self._concurrency)
        watch = asyncio.create_task(self._watch_policy(js))
        try:
            await self._serve_slots(desk, pull)
        finally:
            watch.cancel()
        if watch.done() and not watch.cancelled():
            watch.result()

    def _desk(self, client: Client, js: JetStreamContext, pool: ThreadPoolExecutor) -> Desk:
        loop = asyncio.get_running_loop()

        async def run(request: SpellRequest, cancellation: Cancellation) -> SpellResult:
            self._log.refresh()
            return await loop.run_in_executor(pool, self._execute, request, cancellation)

        settings = self._settings
        return Desk(
            js=js,
            claims=Claims(js, settings.bucket, settings.publish_timeout, self._name),
            answers=Answers(js, settings),
            settings=settings,
            worker=self._name,
            run=run,
            note=self._note,
            say=client.publish,
            spawn=self._beside,
            max_payload=lambda: client.max_payload,
            running=self._running,
            draining=self._draining,
            skip_ack=settings.test_skip_ack,
        )

    async def _serve_slots(self, desk: Desk, pull: JetStreamContext.PullSubscription) -> None:
        slots = [asyncio.create_task(self._slot(desk, pull)) for _ in range(self._concurrency)]
        drained = asyncio.create_task(self._draining.wait())
        # A slot ends before only by a defect of ours: then the worker ends, and says so.
        await asyncio.wait({drained, *slots}, return_when=asyncio.FIRST_COMPLETED)
        self._draining.set()
        self._log("draining", running=len(desk.running))
        ended, late = await asyncio.wait(slots, timeout=self._settings.grace)
        if late:
            desk.stop()
            ended, stuck = await asyncio.wait(slots, timeout=_SETTLE_S)
            self._log("stopped", handed_back=len(late))
            if stuck:  # an engine does not answer: its job ends with this process
                try:
                    self._say_last()
                finally:
                    os._exit(0)
        if self._closing:
            await asyncio.wait(self._closing, timeout=_SETTLE_S)
        for slot in ended:
            slot.result()

    def _beside(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def _watch_policy(self, js: JetStreamContext) -> None:
        """Until another worker has changed the policy of this queue: then ends ours, by raising
        QueueMismatch. What a request gets must not hang on who takes it."""
        from nats.errors import Error

        while True:
            await asyncio.sleep(self._settings.ack_wait / PULSES)
            try:
                await require_policy(js, self._settings, self._policy)
            except QueueMismatch:
                self._draining.set()
                raise
            except (TimeoutError, Error, OSError):
                continue
            except Exception as error:  # noqa: BLE001  a defect must not end the watch
                reason = f"{type(error).__name__}: {error}"[:300]
                self._log("policy not compared", level="error", reason=reason)

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
            if not self._ready or self._client is None or not self._client.is_connected:
                return 503, "not connected\n"
            return 200, "ready\n"

        return {
            "/healthz": lambda: (200, "ok\n"),
            "/readyz": ready,
            "/metrics": lambda: (200, self.metrics.as_text()),
        }
