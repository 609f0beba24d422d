"""Whether the lane's ceilings refuse: each is tried with its own class at a tiny limit.

A job that stays below its limits proves nothing about them; these trials do, by going past.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

from magicrune.backends.wasi.fdtable import FdTable
from magicrune.backends.wasi.job import Job
from magicrune.backends.wasi.quota import Quota
from magicrune.backends.wasi.streams import InputStream, OutputBudget, OutputStream
from magicrune.backends.wasi.wasi_abi import WasiError
from magicrune.errors import ControlNotHeld

_LIMIT = 4


def prove_ceilings() -> Mapping[str, str]:
    """By control, what its trial gave. Raises ControlNotHeld for one that lets more through."""
    trials: dict[str, Callable[[list[str]], bool]] = {
        "processes": _try_processes,
        "open_files": _try_open_files,
        "output": _try_output,
        "disk": _try_disk,
        "files": _try_files,
    }
    proven = {}
    for control, trial in trials.items():
        told: list[str] = []
        if not trial(told) or not told:
            raise ControlNotHeld(f"{control}: a trial got more than its limit of {_LIMIT}")
        proven[control] = f"trial: {_LIMIT} granted, the next refused and told"
    return proven


def _refuses(act: Callable[[], Any]) -> bool:
    """Whether `act` works up to the limit and not beyond."""
    for _ in range(_LIMIT):
        act()
    try:
        act()
    except WasiError:
        return True
    return False


def _try_processes(told: list[str]) -> bool:
    job: Any = SimpleNamespace(
        processes={}, spec=SimpleNamespace(limits=SimpleNamespace(pids=_LIMIT)), hit=told.append
    )
    for pid in range(_LIMIT):
        if not Job.charge_process(job):
            return False
        job.processes[pid] = None
    return not Job.charge_process(job)


def _try_open_files(told: list[str]) -> bool:
    table = FdTable(_LIMIT, told.append)
    return _refuses(lambda: table.insert(InputStream(b"")))


def _try_output(told: list[str]) -> bool:
    stream = OutputStream(OutputBudget(_LIMIT, told.append))
    stream.write(memoryview(b"x" * (_LIMIT + 1)))
    return bytes(stream.content) == b"x" * _LIMIT and stream.truncated


def _try_disk(told: list[str]) -> bool:
    quota = Quota(_LIMIT, 0, told.append)
    return _refuses(lambda: quota.charge_bytes(1))


def _try_files(told: list[str]) -> bool:
    quota = Quota(0, _LIMIT, told.append)
    return _refuses(quota.charge_file)
