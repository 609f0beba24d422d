"""Compiles one job's module: .wasm on stdin, CPU time (8 bytes, ns) and code on stdout.

Run by modules.py in a process of its own, bounded in time and memory. Ends with 3 and a
line on stderr where the module is not valid.
"""

from __future__ import annotations

import resource
import sys
import time

MEMORY_MAX = 2 << 30
"""Bytes of this process's data, compiler's threads included."""
CPU_MAX_S = 120


def main() -> int:
    for limit, value in (
        (resource.RLIMIT_DATA, MEMORY_MAX),
        (resource.RLIMIT_CPU, CPU_MAX_S),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(limit, (value, value))
    # Only now: nothing of the compiler runs without the limits.
    from magicrune.backends.wasi.binding import make_engine
    from magicrune.backends.wasi.engine import Module, WasmError

    engine = make_engine(lambda _process: False)
    try:
        code = Module.compile(engine, sys.stdin.buffer.read()).serialize()
    except WasmError as error:
        print(str(error).partition("\n\nStack backtrace")[0], file=sys.stderr)
        return 3
    sys.stdout.buffer.write(time.process_time_ns().to_bytes(8, "little"))
    sys.stdout.buffer.write(code)
    return 0


if __name__ == "__main__":
    sys.exit(main())
