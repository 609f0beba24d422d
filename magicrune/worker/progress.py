"""A line at the foot of a terminal, rewritten in place; nothing where stderr is none."""

from __future__ import annotations

import os
import shutil
import sys
from typing import TextIO

_CLEAR = "\r\x1b[K"


class Progress:
    """Of one stream (stderr), for one process."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._wanted = self._stream.isatty() and os.environ.get("TERM") != "dumb"
        self._shown = False

    def show(self, text: str) -> None:
        """Puts `text` (ours: no control characters) in place of what was shown."""
        if self._wanted:
            width = max(1, shutil.get_terminal_size().columns - 1)
            self._stream.write(f"{_CLEAR}{text[:width]}")
            self._stream.flush()
            self._shown = True

    def clear(self) -> None:
        """Takes the line away, for others to write."""
        if self._shown:
            self._stream.write(_CLEAR)
            self._stream.flush()
            self._shown = False
