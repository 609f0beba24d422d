"""What is made of a request by what is known of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from magicrune.cancellation import Cancellation
from magicrune.worker import settle
from tests.guards.registry import guard


def _before_a_run(change: Callable[[settle.Case], settle.Case]) -> None:
    before = settle._before
    settle._before = lambda case: before(change(case))


def _of_the_claim(**changes: Any) -> Callable[[settle.Case], settle.Case]:
    def change(case: settle.Case) -> settle.Case:
        if case.claim is None:
            return case
        return replace(case, claim=replace(case.claim, **changes))

    return change


@guard
def committed() -> None:
    """A committed answer is none: the request counts as given back."""

    def change(case: settle.Case) -> settle.Case:
        done = case.claim is not None and case.claim.state == "committed"
        return _of_the_claim(state="released")(case) if done else case

    _before_a_run(change)


@guard
def takeover() -> None:
    """A worker that holds a claim is alive for ever."""
    _before_a_run(lambda case: replace(case, silent=case.silent and False))


@guard
def attempts() -> None:
    """Nobody counts how often a request was begun."""
    _before_a_run(lambda case: replace(case, attempts_max=1 << 30))


@guard
def here() -> None:
    """A worker does not know what it runs itself."""
    _before_a_run(lambda case: replace(case, here=False))


@guard
def unknown() -> None:
    """A job that could reach the network is taken for one that could not."""
    _before_a_run(_of_the_claim(networked=False))


@guard
def cancel() -> None:
    """A job that is worth nothing any more goes on."""
    Cancellation.cancel = lambda _: None  # type: ignore[method-assign]
