"""One thread with an event loop for the network of one run."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import socket
import threading
from collections.abc import Coroutine
from typing import Any

from magicrune.broker.account import Account, NetObservation
from magicrune.broker.desk import Desk
from magicrune.broker.dial import EXHAUSTED
from magicrune.broker.gate import Gate
from magicrune.broker.judge import Judge
from magicrune.broker.names import Names
from magicrune.broker.plan import NetPlan
from magicrune.broker.resolver import Resolver
from magicrune.broker.wire import PacketInvalid
from magicrune.errors import BackendFailed

_MARGIN_S = 10.0
"""Beyond the draining, until a broker that does not end is given up."""
_SPARE = 96
"""Descriptors left to everything else in this process: DNS, attempts to dial, files."""
_WHERE = "network broker"


class Broker:
    """The network of one run: `start` once, `stop` once."""

    def __init__(self, plan: NetPlan) -> None:
        self._plan = plan
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._ready = threading.Event()
        self._defect: BaseException | None = None
        self._seen: NetObservation | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._desk: Desk | None = None

    def start(
        self,
        stream: socket.socket,
        dns_udp: socket.socket,
        dns_tcp: socket.socket,
        started_monotonic: float,
    ) -> None:
        """Begins to serve: the stream to init, and the sandbox's DNS sockets, all of which
        are the broker's from now on. `started_monotonic` is what events count from.

        Raises BackendFailed where init sent something else than these.
        """
        sockets = (stream, dns_udp, dns_tcp)
        try:
            _check(stream, socket.AF_UNIX, socket.SOCK_SEQPACKET)
            _check(dns_udp, socket.AF_INET, socket.SOCK_DGRAM)
            _check(dns_tcp, socket.AF_INET, socket.SOCK_STREAM)
        except BackendFailed:
            _close(sockets)
            raise
        room = _make_room(self._plan.limits.open_connections)
        self._thread = threading.Thread(
            target=self._run,
            args=(sockets, started_monotonic, room),
            name="network-broker",
            daemon=True,
        )
        self._thread.start()
        self._ready.wait()

    def stop(self) -> NetObservation:
        """Ends it and tells what was seen. What the job had sent is still handed on, for at
        most the plan's `drain_s`.

        Raises BackendFailed where the broker broke, or init did not speak the protocol.
        """
        thread, loop, stop = self._thread, self._loop, self._stop
        if thread is None:
            raise BackendFailed("was never started", where=_WHERE)
        if loop is not None and stop is not None:
            with contextlib.suppress(RuntimeError):  # ended by itself, of a defect
                loop.call_soon_threadsafe(stop.set)
        thread.join(self._plan.drain_s + _MARGIN_S)
        if thread.is_alive():
            raise BackendFailed("does not end", where=_WHERE)
        if isinstance(self._defect, PacketInvalid):
            raise BackendFailed(
                f"does not speak the protocol: {self._defect}", where="rune-init"
            ) from self._defect
        if self._defect is not None or self._seen is None:
            kind = type(self._defect).__name__
            raise BackendFailed(f"broke: {kind}: {self._defect}", where=_WHERE) from self._defect
        return self._seen

    def _run(self, sockets: tuple[socket.socket, ...], started: float, room: int) -> None:
        try:
            with asyncio.Runner() as runner:
                runner.run(self._main(sockets, started, room))
        except BaseException as error:  # noqa: BLE001 - a thread's failure is told by stop()
            self._defect = self._defect or error
        finally:
            _close(sockets)
            self._ready.set()

    async def _main(self, sockets: tuple[socket.socket, ...], started: float, room: int) -> None:
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
        self._ready.set()
        try:
            await self._stop.wait()
            gate.close()
            desk.drain()
            if account.limit is None and self._defect is None:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(desk.idle.wait(), plan.drain_s)
        finally:
            gate.close()
            desk.close()
            for task in tuple(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
        self._seen = account.observe(names.aliases())

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
        if self._defect is None:
            self._defect = error
            self._kill()
            if self._stop is not None:
                self._stop.set()

    def _kill(self) -> None:
        if self._desk is not None:
            self._desk.kill()


def _check(found: socket.socket, family: int, kind: int) -> None:
    if found.family != family or found.type != kind:
        raise BackendFailed(
            f"does not speak the protocol: a socket of {found.family!r}, {found.type!r}",
            where="rune-init",
        )


def _close(sockets: tuple[socket.socket, ...]) -> None:
    for each in sockets:
        each.close()


def _make_room(wanted: int) -> int:
    """Raises the soft limit of descriptors as far as `wanted` connections need it; how many
    there is room for. A connection has two; more may be dialled at one time."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - 3 times as fast, and as clear
    need = used + 2 * wanted + _SPARE
    if soft != resource.RLIM_INFINITY and soft < need:
        soft = need if hard == resource.RLIM_INFINITY else min(need, hard)
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if soft == resource.RLIM_INFINITY:
        return wanted
    return max(0, min(wanted, (soft - used - _SPARE) // 2))
