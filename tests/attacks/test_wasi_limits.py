"""Limits of the WASI lane under attack. Each has a control run that stays below it."""

from __future__ import annotations

import threading
import time

import pytest
import wasmtime

from magicrune.observation import Ending, EventKind, Observation
from tests.conftest import RunJob

GROW = """(module
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (func (export "_start")
    (if (i32.eq (memory.grow (i32.const {pages})) (i32.const -1))
      (then (call $exit (i32.const 1))))
    (memory.fill (i32.const 0) (i32.const 1) (i32.mul (i32.const {pages}) (i32.const 65536)))
    {then}))"""
STAY = "(loop $l (br $l))"


def grower(pages: int, then: str = "") -> dict[str, bytes]:
    """A module that takes so many pages, writes to all of them, and does `then`."""
    return {"/workspace/m.wasm": bytes(wasmtime.wat2wasm(GROW.format(pages=pages, then=then)))}


def limits_reached(seen: Observation) -> set[str | int]:
    return {event.detail["limit"] for event in seen.events if event.kind is EventKind.LIMIT}


@pytest.mark.parametrize(
    ("cmd", "ending", "limit"),
    [
        ("while :; do :; done", Ending.TIMEOUT, "wall"),
        ("sleep 60", Ending.TIMEOUT, "wall"),
        ("sleep 60 & wait", Ending.TIMEOUT, "wall"),
        ("cat /dev/zero > /dev/null", Ending.TIMEOUT, "wall"),
        ("trap '' TERM INT HUP; sleep 60", Ending.TIMEOUT, "wall"),
        ("(while :; do :; done) & (while :; do :; done) & wait", Ending.TIMEOUT, "wall"),
        ("exec 3<&0; read x <&3; sleep 60 | cat", Ending.TIMEOUT, "wall"),
    ],
)
def test_wall_time(cmd: str, ending: Ending, limit: str, run_job: RunJob) -> None:
    started = time.monotonic()
    seen = run_job(cmd, wall_ms=400)
    assert (seen.ending, limits_reached(seen)) == (ending, {limit})
    assert seen.exit_code is None
    assert time.monotonic() - started < 10
    assert all(reading.held for reading in seen.enforcement)


def test_below_the_wall_time(run_job: RunJob) -> None:
    assert run_job("sleep 0.2 & wait", wall_ms=15_000).ending is Ending.EXITED


def test_cpu_time(run_job: RunJob) -> None:
    seen = run_job("while :; do :; done", cpu_ms=200)
    assert (seen.ending, limits_reached(seen)) == (Ending.CPU_LIMIT, {"cpu"})
    spread = run_job("f() { while :; do :; done; }; f & f & f & wait", cpu_ms=200)
    assert spread.ending is Ending.CPU_LIMIT
    assert run_job("sleep 0.5", cpu_ms=200).ending is Ending.EXITED


@pytest.mark.parametrize("pages", [1600, 60_000])
def test_memory_of_a_module(pages: int, run_job: RunJob) -> None:
    seen = run_job("./m.wasm", files=grower(pages), memory_bytes=64 << 20)
    assert (seen.ending, limits_reached(seen)) == (Ending.OOM, {"memory"})
    assert seen.usage.memory_peak_bytes is not None
    assert seen.usage.memory_peak_bytes <= 64 << 20


def test_memory_below_the_limit(run_job: RunJob) -> None:
    seen = run_job("./m.wasm", files=grower(500), memory_bytes=64 << 20)
    assert seen.ending is Ending.EXITED
    assert not limits_reached(seen)
    assert seen.usage.memory_peak_bytes is not None
    assert seen.usage.memory_peak_bytes > 500 * 65536


def test_memory_counts_all_processes_together(run_job: RunJob) -> None:
    limits = {"memory_bytes": 48 << 20, "wall_ms": 3000}
    one = run_job("./m.wasm & wait", files=grower(500, STAY), **limits)
    assert limits_reached(one) == {"wall"}
    two = run_job("./m.wasm & ./m.wasm & wait", files=grower(500, STAY), **limits)
    assert limits_reached(two) == {"memory", "wall"}


def test_memory_of_the_shell(run_job: RunJob) -> None:
    seen = run_job("x=a; while :; do x=$x$x; done", memory_bytes=32 << 20)
    assert "memory" in limits_reached(seen)
    assert seen.ending is Ending.OOM


def test_fork_bomb(run_job: RunJob) -> None:
    before = threading.active_count()
    seen = run_job("f() { f | f & }; f; wait", pids=16, wall_ms=3000)
    assert "pids" in limits_reached(seen)
    assert any(r.control == "processes" and r.held for r in seen.enforcement)
    deadline = time.monotonic() + 10
    while threading.active_count() > before + 1 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() <= before + 1  # the tick thread may be new
    assert run_job("echo a | cat | cat", pids=16).stdout == b"a\n"


@pytest.mark.parametrize(
    "cmd",
    [
        "yes > /tmp/f",
        "cat /dev/zero > /tmp/f",
        "truncate -s 10G /tmp/f",
        "dd if=/dev/zero of=/tmp/f bs=1 count=1 seek=5000000000",
        "i=0; while yes | head -c 1000000 > /tmp/f$i; do i=$((i+1)); done; exit 1",
        "exec 3> /tmp/f; rm /tmp/f; yes >&3",
        "ln -s $(printf %01000000d 1) /tmp/l; yes > /tmp/f",
    ],
)
def test_disk(cmd: str, run_job: RunJob) -> None:
    seen = run_job(cmd, tmp_bytes=4 << 20)
    assert (seen.ending, limits_reached(seen)) == (Ending.DISK_LIMIT, {"disk"})
    assert seen.usage.tmp_peak_bytes is not None
    assert seen.usage.tmp_peak_bytes <= 4 << 20


def test_disk_is_given_back(run_job: RunJob) -> None:
    cmd = "for i in 1 2 3 4 5 6; do head -c 3000000 /dev/zero > /tmp/f && rm /tmp/f || exit 1; done"
    assert run_job(cmd, tmp_bytes=4 << 20).ending is Ending.EXITED


def test_file_count(run_job: RunJob) -> None:
    fill = "i=0; while [ $i -lt {count} ]; do : > /tmp/f$i || exit 1; i=$((i+1)); done"
    seen = run_job(fill.format(count=100), file_count=50)
    assert (seen.ending, limits_reached(seen)) == (Ending.FILE_LIMIT, {"files"})
    assert seen.usage.files_peak == 50
    assert run_job(fill.format(count=49), file_count=50).ending is Ending.EXITED


def test_open_files(run_job: RunJob) -> None:
    cmd = 'i=10; while [ $i -lt {count} ]; do eval "exec $i</dev/null" || exit 1; i=$((i+1)); done'
    seen = run_job(cmd.format(count=90), open_files=40)
    assert (seen.ending, limits_reached(seen)) == (Ending.FILE_LIMIT, {"open_files"})
    assert run_job(cmd.format(count=30), open_files=40).ending is Ending.EXITED


def test_output_flood(run_job: RunJob) -> None:
    seen = run_job("echo first; yes >&2", output_bytes=100_000)
    assert (seen.ending, limits_reached(seen)) == (Ending.OUTPUT_LIMIT, {"output"})
    assert len(seen.stdout) + len(seen.stderr) == 100_000
    assert seen.stdout.startswith(b"first\n")
    assert seen.stderr_truncated
    below = run_job("yes | head -c 90000", output_bytes=100_000)
    assert (below.ending, len(below.stdout)) == (Ending.EXITED, 90_000)


def test_deep_recursion_ends_the_job_only(run_job: RunJob) -> None:
    text = '(module (memory (export "memory") 1) (func $f (export "_start") (call $f)))'
    files = {"/workspace/m.wasm": bytes(wasmtime.wat2wasm(text))}
    seen = run_job("./m.wasm; echo $?", files=files)
    assert seen.stdout == b"139\n"
    assert any(
        event.detail["reason"] == "stack overflow"
        for event in seen.events
        if event.kind is EventKind.TRAP
    )
    deep = run_job("f() { f; }; f; echo alive")
    assert deep.exit_code != 0
    nested = run_job("(" * 5000 + "echo x" + ")" * 5000)
    assert nested.exit_code != 0


@pytest.mark.parametrize(
    ("wat", "status"),
    [
        ("unreachable", 134),
        ("(drop (i32.div_s (i32.const 1) (i32.const 0)))", 136),
        ("(drop (i32.load (i32.const -8)))", 139),
        ("", 0),
    ],
)
def test_faults_are_signals(wat: str, status: int, run_job: RunJob) -> None:
    text = f'(module (memory (export "memory") 1) (func (export "_start") {wat}))'
    files = {"/workspace/m.wasm": bytes(wasmtime.wat2wasm(text))}
    assert run_job("./m.wasm; echo $?", files=files).stdout == f"{status}\n".encode()


def test_compiling_is_bounded(run_job: RunJob) -> None:
    """A module that is slow to compile spends the job's time, in another process."""
    body = "(local i64)" + "(local.set 0 (i64.add (local.get 0) (i64.const 7)))" * 20_000
    text = (
        "(module (memory 1)"
        + "".join(f"(func {body})" for _ in range(64))
        + '(func (export "_start")))'
    )
    files = {"/workspace/m.wasm": bytes(wasmtime.wat2wasm(text))}
    seen = run_job("./m.wasm; echo $?", files=files, wall_ms=300, tmp_bytes=64 << 20)
    assert seen.ending is Ending.TIMEOUT
    assert run_job("./m.wasm; echo $?", files=files, wall_ms=60_000, cpu_ms=60_000).stdout == b"0\n"


def test_noise_does_not_hide_signal(run_job: RunJob) -> None:
    cmd = "i=0; while [ $i -lt 500 ]; do : > /tmp/n$i; i=$((i+1)); done; cat ~/.ssh/id_rsa; curl http://x"
    seen = run_job(cmd)
    kinds = {event.kind for event in seen.events}
    assert {EventKind.SENSITIVE, EventKind.EXEC} <= kinds
    assert seen.event_counts[EventKind.OPEN_WRITE] >= 500
    assert seen.telemetry_complete


def test_lost_signal_is_told(run_job: RunJob) -> None:
    cmd = "i=0; while [ $i -lt {n} ]; do cat ~/.ssh/k$i; i=$((i+1)); done"
    assert not run_job(cmd.replace("{n}", "150")).telemetry_complete
    assert run_job(cmd.replace("{n}", "50")).telemetry_complete


ODD_MODULES = {
    "no_start": ("(module)", 126),
    "start_takes_arguments": ('(module (func (export "_start") (param i32)))', 126),
    "start_is_a_memory": ('(module (memory (export "_start") 1))', 126),
    "start_section_traps": (
        '(module (func $f unreachable) (start $f) (func (export "_start")))', 134),
    "start_section_exits": (
        '(module (import "wasi_snapshot_preview1" "proc_exit" (func $x (param i32)))'
        ' (memory (export "memory") 1) (func $f (call $x (i32.const 9))) (start $f)'
        ' (func (export "_start")))', 9),
    "data_beyond_memory": (
        '(module (memory 1) (data (i32.const 65535) "xx") (func (export "_start")))', 139),
    "no_memory": (
        '(module (import "wasi_snapshot_preview1" "random_get" (func $r (param i32 i32)'
        ' (result i32))) (func (export "_start") (drop (call $r (i32.const 0) (i32.const 8)))))',
        0),
    "too_large_from_the_start": ('(module (memory 60000) (func (export "_start")))', 137),
    "huge_table": ('(module (table 10000000 funcref) (func (export "_start")))', 137),
    "fine": ('(module (func (export "_start")))', 0),
}  # fmt: skip


@pytest.mark.parametrize(("wat", "status"), ODD_MODULES.values(), ids=ODD_MODULES.keys())
def test_odd_modules_are_the_jobs_fault(wat: str, status: int, run_job: RunJob) -> None:
    files = {"/workspace/m.wasm": bytes(wasmtime.wat2wasm(wat))}
    assert run_job("./m.wasm; echo $?", files=files).stdout == f"{status}\n".encode()
