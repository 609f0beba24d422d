"""What makes `exec` start quickly: imports without what costs time and is of no use to it."""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any


class Deferred(ModuleType):
    """Stands in for importlib.metadata (10 ms to import) until something of it is called."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)

        def call(*arguments: Any, **named: Any) -> Any:
            if sys.modules.get(self.__name__) is self:
                del sys.modules[self.__name__]
            real = importlib.import_module(self.__name__)
            return getattr(real, name)(*arguments, **named)

        return call


@contextlib.contextmanager
def quick_start() -> Iterator[None]:
    """For imports. They make many objects and no garbage: collecting meanwhile costs a
    tenth of their time. And no pydantic plugin that happens to be installed sees requests:
    so what pydantic would look for them with is not loaded either."""
    os.environ["PYDANTIC_DISABLE_PLUGINS"] = "__all__"
    stand_in = Deferred("importlib.metadata")
    deferred = sys.modules.setdefault(stand_in.__name__, stand_in) is stand_in
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if deferred and sys.modules.get(stand_in.__name__) is stand_in:
            del sys.modules[stand_in.__name__]
        gc.freeze()  # what was imported stays: no later collection looks at it
        if was_on:
            gc.enable()
