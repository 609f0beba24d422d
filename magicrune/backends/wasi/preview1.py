"""All 46 functions of `wasi_snapshot_preview1`."""

from __future__ import annotations

from magicrune.backends.wasi import (
    preview1_fd,
    preview1_io,
    preview1_misc,
    preview1_open,
    preview1_path,
    preview1_poll,
)
from magicrune.backends.wasi.wasi_abi import FunctionTable

FUNCTIONS: FunctionTable = {
    **preview1_misc.FUNCTIONS,
    **preview1_fd.FUNCTIONS,
    **preview1_io.FUNCTIONS,
    **preview1_path.FUNCTIONS,
    **preview1_open.FUNCTIONS,
    **preview1_poll.FUNCTIONS,
}
