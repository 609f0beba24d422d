"""The guards by name."""

from __future__ import annotations

from collections.abc import Callable

GUARDS: dict[str, Callable[[], None]] = {}


def guard(take_out: Callable[[], None]) -> Callable[[], None]:
    """Registers a way to take a guard out of this process, under its own name."""
    GUARDS[take_out.__name__] = take_out
    return take_out
