"""The event loop of one run: line, desk and gate put together, and what is told at the end."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Coroutine
from typing import Any

from magicrune.broker.account import Account, NetObservation
from magicrune.broker.desk import Desk
from magicrune.broker.gate import Gate
from magicrune.broker.judge import Judge
from magicrune.broker.names import Names
from magicrune.broker.own import EXHAUSTED
from magicrune.broker.plan import NetPlan
from magicrune.broker.resolver import Resolver

Sockets = tuple[socket.socket, socket.socket, socket.socket]


class Service:
    """Serves once. `defect` is what broke it, if anything did."""

    def __init__(self, plan: NetPlan) -> None:
        self._plan = plan
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._desk: Desk | None = None
        self.defect: BaseException | None = None

    def run(
        self, sockets: Sockets, started: float, room: int, ready: Callable[[], None]
    ) -> NetObservation:
        """Serves until `stop`; calls `ready` once it does."""
        with asyncio.Runner() as runner:
            return runner.run(self._serve(sockets, started, room, ready))

    def stop(self) -> None:
        """Ends it; from any thread, any number of times."""
        loop, stop = self._loop, self._stop
        if loop is not None and stop is not None:
            with contextlib.suppress(RuntimeError):  # it has ended by itself
                loop.call_soon_threadsafe(stop.set)

    async def _serve(
        self, sockets: Sockets, started: float, room: int, ready: Callable[[], None]
    ) -> NetObservation:
        stream, dns_udp, dns_tcp = sockets
        plan = self._plan
        self._loop = asyncio.get_running_loop()
        self._loop.set_exception_handler(self._break)
        self._stop = asyncio.Event()
        judge, names = Judge(plan), Names()
        resolver = Resolver(plan.resolvers, plan.resolve_s)
        account = Account(plan.limits, started, self._kill)
        desk = self._desk = Desk(
            stream,
            judge=judge,
            names=names,
            resolver=resolver,
            account=account,
            dial_s=plan.dial_s,
            room=room,
            spawn=self._spawn,
        )
        gate = Gate(
            dns_udp,
            dns_tcp,
            hostname=plan.hostname,
            judge=judge,
            names=names,
            resolver=resolver,
            account=account,
            spawn=self._spawn,
        )
        await gate.open()
        ready()
        try:
            await self._stop.wait()
            gate.close()
            desk.drain()
            if account.limit is None and self.defect is None:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(desk.idle.wait(), plan.drain_s)
        finally:
            gate.close()
            desk.close()
            for task in tuple(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
        return account.observe(names.aliases())

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finish)

    def _finish(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._fail(task.exception())

    def _break(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Of the loop: what a callback raised. That a TCP client could not be accepted for
        want of descriptors is none of it: the loop tries again."""
        error = context.get("exception")
        if "socket" not in context or getattr(error, "errno", None) not in EXHAUSTED:
            self._fail(error or RuntimeError(str(context.get("message"))))

    def _fail(self, error: BaseException | None) -> None:
        if self.defect is None:
            self.defect = error
            self._kill()
            if self._stop is not None:
                self._stop.set()

    def _kill(self) -> None:
        if self._desk is not None:
            self._desk.kill()
