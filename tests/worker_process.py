"""A worker as a process of its own, for tests that kill it: run with ``python -m``.

Arguments: ``--at STEP ACTION`` (kill, stop) strikes the process at a step, ``--without GUARD``
takes a guard out (`tests.guards`), and the rest goes to ``magicrune``.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

STEPS = ("claimed", "running", "ran", "committed", "told")


def strike(step: str, action: str) -> None:
    """Sends ourselves a signal when `step` is reached for the first time."""
    from magicrune.worker import answers, attempt, claim, desk

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
        return lambda _self, _key, written: written.state == wanted

    if step == "claimed":
        after(claim.Claims, "write", state("running"))
    elif step == "running":
        original = desk.Desk.__init__

        def started(self: Any, *args: Any, **options: Any) -> None:
            run = options["run"]

            async def running(*args: Any) -> Any:
                import asyncio

                task = asyncio.ensure_future(run(*args))
                await asyncio.sleep(0.3)
                hit()
                return await task

            original(self, *args, **{**options, "run": running})

        desk.Desk.__init__ = started  # type: ignore[method-assign]
    elif step == "ran":
        after(attempt, "_until_ended")
    elif step == "committed":
        after(claim.Claims, "write", state("committed"))
    elif step == "told":
        after(answers.Answers, "tell")


def main() -> int:
    words = sys.argv[1:]
    while words and words[0] in ("--at", "--without"):
        if words[0] == "--at":
            strike(words[1], words[2])
            words = words[3:]
        else:
            from tests.guards import GUARDS

            GUARDS[words[1]]()
            words = words[2:]
    sys.argv = ["magicrune", *words]
    from magicrune.cli import run

    run()
    return 0


if __name__ == "__main__":
    main()
