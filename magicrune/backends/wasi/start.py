"""How a process of a job begins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from magicrune.backends.wasi.process import Process
    from magicrune.backends.wasi.programs import Program


@dataclass(frozen=True, slots=True)
class Start:
    """What a process is to run: a program from its start, or a fork's continuation."""

    program: Program
    args: list[bytes]
    env: list[bytes]
    cwd: bytes
    entry: str = "_start"
    argument: int | None = None
    parent: Process | None = None
    """Whose memory and stack pointer a fork takes over."""
