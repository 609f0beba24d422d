"""A worker as a process of its own, for tests that kill it: run with ``python -m``.

Arguments: ``--at STEP ACTION`` (kill, stop) strikes the process at a step, ``--without GUARD``
takes a guard out, and the rest goes to ``magicrune``. The product has no such hooks.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

STEPS = ("claimed", "running", "ran", "committed", "told")
GUARDS = ("claim", "fence", "heartbeat", "known", "watch", "headers", "cancel")


def strike(step: str, action: str) -> None:
    """Sends ourselves a signal when `step` is reached for the first time."""
    from magicrune.worker import delivery

    number = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}[action]

    def hit() -> None:
        os.kill(os.getpid(), number)

    def after(owner: Any, name: str, when: Callable[..., bool] = lambda *_: True) -> None:
        original = getattr(owner, name)

        async def wrapped(*args: Any, **options: Any) -> Any:
            value = await original(*args, **options)
            if when(*args):
                hit()
            return value

        setattr(owner, name, wrapped)

    def state(wanted: str) -> Callable[..., bool]:
        return lambda _self, _key, claim: claim.state == wanted

    if step == "claimed":
        after(delivery.Claims, "write", state("running"))
    elif step == "running":
        original = delivery.Desk.__init__

        def started(self: Any, *args: Any, **options: Any) -> None:
            run = options["run"]

            async def running(*args: Any) -> Any:
                import asyncio

                task = asyncio.ensure_future(run(*args))
                await asyncio.sleep(0.3)
                hit()
                return await task

            original(self, *args, **{**options, "run": running})

        delivery.Desk.__init__ = started  # type: ignore[method-assign]
    elif step == "ran":
        after(delivery, "_until_ended")
    elif step == "committed":
        after(delivery.Claims, "write", state("committed"))
    elif step == "told":
        after(delivery.Answers if hasattr(delivery, "Answers") else _answers(), "tell")


def _answers() -> Any:
    from magicrune.worker.answers import Answers

    return Answers


def take_out(guard: str) -> None:
    """Without it, the invariant must break: else the test of it proves nothing."""
    from magicrune.worker import claim, delivery, keeper

    if guard == "claim":  # what was committed is not looked at

        async def unread(self: Any, key: str) -> None:
            return None

        async def unfenced(self: Any, key: str, new: Any) -> Any:
            ack = await self._js.publish(self._subject(key), claim.encode(new))
            return claim.replace(new, revision=ack.seq)

        claim.Claims.read = unread  # type: ignore[method-assign, assignment]
        claim.Claims.write = unfenced  # type: ignore[method-assign]
    elif guard == "fence":  # whoever writes last, wins

        async def write(self: Any, key: str, new: Any) -> Any:
            ack = await self._js.publish(self._subject(key), claim.encode(new))
            return claim.replace(new, revision=ack.seq)

        claim.Claims.write = write  # type: ignore[method-assign]
    elif guard == "heartbeat":

        async def silent(self: Any) -> None:
            await self._stopped.wait()

        keeper.Keeper._beat = silent  # type: ignore[method-assign]
    elif guard == "known":  # an answer is published whatever is stored

        async def tell(self: Any, committed: Any) -> bool:
            await self._js.publish(f"run.res.{committed.run_id}", committed.document)
            return True

        _answers().tell = tell
    elif guard == "headers":  # the client as it comes
        from nats.aio.client import Client

        from magicrune.worker.client import HardenedClient

        for name in ("_process_headers", "_build_message"):
            setattr(HardenedClient, name, getattr(Client, name))
    elif guard == "cancel":  # a job that is worth nothing any more goes on
        delivery.Cancellation.cancel = lambda _: None  # type: ignore[method-assign]
    elif guard == "watch":  # a claim that is held counts as dead at once

        async def watch(*_: Any) -> bool:
            return True

        delivery._watch = watch


def main() -> int:
    words = sys.argv[1:]
    while words and words[0] in ("--at", "--without"):
        if words[0] == "--at":
            strike(words[1], words[2])
            words = words[3:]
        else:
            take_out(words[1])
            words = words[2:]
    sys.argv = ["magicrune", *words]
    from magicrune.cli import run

    run()
    return 0


if __name__ == "__main__":
    main()
