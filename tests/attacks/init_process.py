"""Init of a running job as the machine sees it: found by a word of the job's, stopped, killed."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
_PATIENCE_S = 30.0
_SLEEPS = ("35 ", "230 ", "115 ")
"""nanosleep and clock_nanosleep, x86_64 and aarch64 (/proc/PID/syscall)."""


class Watched:
    """The first process of a job, and its init. Root's eyes are needed."""

    def __init__(self, word: str) -> None:
        self.job = wait_for(lambda: _find(word))
        self.init = int(re.findall(r"PPid:\s*(\d+)", _read(self.job, "status"))[0])

    def await_sleep(self) -> None:
        """Until the job sleeps: it then does nothing that init is asked about."""
        wait_for(lambda: _read(self.job, "syscall").startswith(_SLEEPS))

    def await_end(self) -> None:
        """Until the job has ended, taken by init or not."""
        wait_for(lambda: not (state := _read(self.job, "stat")) or ") Z " in state)

    def stop(self) -> None:
        os.kill(self.init, signal.SIGSTOP)
        wait_for(lambda: ") T " in _read(self.init, "stat"))

    def go_on(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.init, signal.SIGCONT)

    def terminate(self) -> None:
        os.kill(self.init, signal.SIGTERM)

    def kill(self) -> None:
        os.kill(self.init, signal.SIGKILL)


def wait_for(look: Callable[[], T]) -> T:
    """What `look` finds, as soon as it finds something."""
    end = time.monotonic() + _PATIENCE_S
    while not (found := look()):
        assert time.monotonic() < end, "it never came"
        time.sleep(0.005)
    return found


def _find(word: str) -> int:
    """The process with `word` in its arguments that lives in a PID namespace of its own."""
    for place in Path("/proc").glob("[0-9]*"):
        pid = int(place.name)
        if word in _read(pid, "cmdline") and re.search(r"NSpid:\t\d+\t", _read(pid, "status")):
            return pid
    return 0


def _read(pid: int, name: str) -> str:
    try:
        return Path(f"/proc/{pid}/{name}").read_text(errors="replace")
    except OSError:
        return ""
