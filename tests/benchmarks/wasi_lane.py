"""How fast the WASI lane is, beside what it is compared with, in one run.

    python -m tests.benchmarks.wasi_lane [ROUNDS]

Both sides of a comparison are taken in turn (A B A B ...), so that a noisy machine is noisy
for both; figures are medians in milliseconds. Nothing here is asserted.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import wasmtime

from magicrune.backends.wasi.backend import WasiBackend
from magicrune.backends.wasi.programs import find_python
from magicrune.ledger import Ledger
from magicrune.pipeline import execute
from magicrune.policy import find_policy, load_policy
from magicrune.quarantine import Quarantine
from magicrune.request import parse_request

Side = Callable[[], object]
HELLO = """(module
  (import "wasi_snapshot_preview1" "fd_write"
    (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "\\10\\00\\00\\00\\06\\00\\00\\00")
  (data (i32.const 16) "hello\\0a")
  (func (export "_start") (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1)
    (i32.const 8)))))"""


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 40
    with tempfile.TemporaryDirectory() as directory:
        os.environ["MAGICRUNE_HOME"] = directory
        pipeline = Pipeline(Path(directory))
        print(f"rounds: {rounds}; python {sys.version.split()[0]}; cpus: {os.cpu_count()}")
        bare = Bare()
        report(
            "echo hello",
            rounds,
            {
                "magicrune execute()": lambda: pipeline.run("echo hello"),
                "  of it: backend.run()": lambda: pipeline.run_backend("echo hello"),
                "bare subprocess sh -c": lambda: shell("echo hello"),
                "bare wasmtime hello.wasm": bare.hello,
            },
        )
        report(
            "python3 -c 'print(1)'",
            max(rounds // 2, 5),
            {
                "magicrune execute()": lambda: pipeline.run("python3 -c 'print(1)'"),
                "bare subprocess python3": lambda: shell(f"{sys.executable} -I -c 'print(1)'"),
                "bare wasmtime CPython": bare.python,
                "bare wasmtime CPython -I -S": lambda: bare.run(
                    "python", "-I", "-S", "-c", "print(1)"
                ),
                "execute() of python3 -V": lambda: pipeline.run("python3 -V"),
            },
        )
        request = Path(directory) / "request.json"
        request.write_text(json.dumps({"cmd": "echo hello"}))
        cli = [str(Path(sys.executable).parent / "magicrune"), "exec", "-f", str(request)]
        report(
            "whole command line",
            max(rounds // 4, 5),
            {
                "magicrune exec": lambda: command(cli),
                "python -c pass": lambda: command([sys.executable, "-c", "pass"]),
                "python -c 'import wasmtime'": lambda: command(
                    [sys.executable, "-c", "import wasmtime"]
                ),
            },
        )
        throughput(pipeline)


class Pipeline:
    """execute() as the command line calls it, warm."""

    def __init__(self, home: Path) -> None:
        self.policy = load_policy(find_policy(None))
        self.backend = WasiBackend()
        self.ledger = Ledger(home / "ledger.sqlite3")
        self.quarantine = Quarantine(home / "quarantine")

    def run(self, cmd: str) -> None:
        request = parse_request(json.dumps({"cmd": cmd}).encode())
        result = execute(
            request, self.policy, self.backend, ledger=self.ledger, quarantine=self.quarantine
        )
        assert result.verdict == "green", result

    def run_backend(self, cmd: str) -> None:
        from magicrune.admission import admit
        from magicrune.spec import plan

        request = parse_request(json.dumps({"cmd": cmd}).encode())
        self.backend.run(plan(request, admit(request, self.policy), run_id="r_bench", seed=None))


class Bare:
    """The same programs on wasmtime's own WASI, without limits, files or a record."""

    def __init__(self) -> None:
        config = wasmtime.Config()
        config.epoch_interruption = True
        self.engine = wasmtime.Engine(config)
        self.linker = wasmtime.Linker(self.engine)
        self.linker.define_wasi()
        self.modules = {"hello": wasmtime.Module(self.engine, HELLO)}
        python = find_python()
        if python is not None:
            self.modules["python"] = wasmtime.Module.from_file(self.engine, str(python))

    def run(self, name: str, *args: str) -> None:
        store = wasmtime.Store(self.engine)
        store.set_epoch_deadline(1 << 30)
        wasi = wasmtime.WasiConfig()
        wasi.argv = [name, *args]
        wasi.stdout_file = os.devnull
        store.set_wasi(wasi)
        exports = self.linker.instantiate(store, self.modules[name]).exports(store)
        try:
            exports["_start"](store)  # type: ignore[operator]
        except wasmtime.ExitTrap as ended:
            if ended.code:
                raise

    def hello(self) -> None:
        self.run("hello")

    def python(self) -> None:
        self.run("python", "-c", "print(1)")


def shell(cmd: str) -> None:
    command(["/bin/sh", "-c", cmd])


def command(words: list[str]) -> None:
    # With its bytecode cached, as a user has it: some shells for tests forbid writing it.
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    quiet = subprocess.DEVNULL
    subprocess.run(words, check=True, stdout=quiet, stderr=quiet, env=env)


def report(title: str, rounds: int, sides: dict[str, Side]) -> None:
    taken: dict[str, list[float]] = {name: [] for name in sides}
    for side in sides.values():
        side()  # warm
    for _ in range(rounds):
        for name, side in sides.items():
            started = time.perf_counter()
            side()
            taken[name].append((time.perf_counter() - started) * 1000)
    print(f"\n{title:32} {'median':>9} {'min':>9} {'p90':>9}  ms")
    for name, values in taken.items():
        ordered = sorted(values)
        p90 = ordered[int(len(ordered) * 0.9) - 1]
        print(f"{name:32} {statistics.median(values):9.2f} {ordered[0]:9.2f} {p90:9.2f}")


def throughput(pipeline: Pipeline, runs: int = 200) -> None:
    print(f"\n{runs} runs of echo hello      {'runs/s':>9} {'peak RSS':>9}  MB")
    for workers in (1, 4, 8):
        started = time.perf_counter()
        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(pipeline.run, ["echo hello"] * runs))
        rate = runs / (time.perf_counter() - started)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"concurrency {workers:<20} {rate:9.1f} {peak:9.1f}")


if __name__ == "__main__":
    main()
