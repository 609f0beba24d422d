"""What the other attack tests rest on: with a control taken out, the attack succeeds.

Each test here removes one control of the lane and shows that the probe, which is refused
elsewhere in this directory, then gets through. So those tests can fail.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import wasmtime

from magicrune.backends.wasi import (
    binding,
    engine,
    fdtable,
    handles,
    image,
    job,
    lane,
    programs,
    proof,
    quota,
    streams,
)
from magicrune.errors import ControlNotHeld
from magicrune.locations import shipped
from magicrune.observation import Ending
from tests.attacks.test_wasi_host import path_open_module
from tests.attacks.test_wasi_limits import grower, limits_reached
from tests.conftest import RunJob


def test_memory(run_job: RunJob, monkeypatch: pytest.MonkeyPatch) -> None:
    def probe() -> Ending:
        return run_job("./m.wasm", files=grower(1600), memory_bytes=64 << 20).ending

    assert probe() is Ending.OOM
    monkeypatch.setattr(job.Job, "charge_memory", lambda _self, _delta: True)
    assert probe() is Ending.EXITED


def test_wall_time(run_job: RunJob, monkeypatch: pytest.MonkeyPatch) -> None:
    def probe() -> Ending:
        return run_job("sleep 1", wall_ms=200).ending

    assert probe() is Ending.TIMEOUT
    monkeypatch.setattr(job.Job, "hit", lambda _self, _limit: None)
    assert probe() is Ending.EXITED


def test_interruption(run_job: RunJob, monkeypatch: pytest.MonkeyPatch) -> None:
    def probe() -> Ending:
        return run_job("i=0; while [ $i -lt 40000 ]; do i=$((i+1)); done", cpu_ms=20).ending

    assert probe() is Ending.CPU_LIMIT
    monkeypatch.setattr(job.Job, "tick", lambda _self, _process: True)
    assert probe() is Ending.EXITED


def test_processes(run_job: RunJob, monkeypatch: pytest.MonkeyPatch) -> None:
    def probe() -> bool:
        cmd = "i=0; while [ $i -lt 20 ]; do sleep 0.3 & i=$((i+1)); done; wait"
        return "pids" in limits_reached(run_job(cmd, pids=8))

    assert probe()
    monkeypatch.setattr(job.Job, "charge_process", lambda _self: True)
    assert not probe()


def test_disk(run_job: RunJob, monkeypatch: pytest.MonkeyPatch) -> None:
    def probe() -> Ending:
        return run_job("head -c 9000000 /dev/zero > /tmp/f", tmp_bytes=4 << 20).ending

    assert probe() is Ending.DISK_LIMIT
    monkeypatch.setattr(quota.Quota, "charge_bytes", lambda *_: None)
    monkeypatch.setattr(quota.Quota, "charge_up_to", lambda _self, count, _least: count)
    assert probe() is Ending.EXITED


def test_output(run_job: RunJob, monkeypatch: pytest.MonkeyPatch) -> None:
    def probe() -> Ending:
        return run_job("yes | head -c 300000", output_bytes=100_000).ending

    assert probe() is Ending.OUTPUT_LIMIT

    def write(stream: streams.OutputStream, data: memoryview) -> int:
        stream.content += data
        return len(data)

    monkeypatch.setattr(streams.OutputStream, "write", write)
    assert probe() is Ending.EXITED


def test_open_files(run_job: RunJob, monkeypatch: pytest.MonkeyPatch) -> None:
    def probe() -> Ending:
        opens = "; ".join(f"exec {fd}</dev/null" for fd in range(10, 60))
        return run_job(opens, open_files=40).ending

    assert probe() is Ending.FILE_LIMIT
    limited = fdtable.FdTable.__init__

    def unlimited(self: fdtable.FdTable, _open_max: int, on_limit: object) -> None:
        limited(self, 1 << 30, on_limit)  # type: ignore[arg-type]

    monkeypatch.setattr(fdtable.FdTable, "__init__", unlimited)
    assert probe() is Ending.EXITED


def test_confinement(run_job: RunJob, monkeypatch: pytest.MonkeyPatch) -> None:
    def probe() -> int | None:
        files = {"/workspace/probe.wasm": path_open_module("../bin/sh")}
        return run_job("./probe.wasm", files=files).exit_code

    assert probe() != 42
    confined = handles.DirectoryHandle.__init__

    def rooted(self: handles.DirectoryHandle, node: object, **options: object) -> None:
        confined(self, node, **{**options, "rooted": True})  # type: ignore[arg-type]

    monkeypatch.setattr(handles.DirectoryHandle, "__init__", rooted)
    assert probe() == 42


def test_host_functions(run_job: RunJob, monkeypatch: pytest.MonkeyPatch) -> None:
    def probe() -> int | None:
        text = '(module (import "magicrune" "proc_pid" (func (result i32)))'
        text += '(memory (export "memory") 1) (func (export "_start")))'
        files = {"/workspace/m.wasm": bytes(wasmtime.wat2wasm(text))}
        return run_job("./m.wasm", files=files).exit_code

    assert probe() == 126
    monkeypatch.setattr(lane.Lane, "linker", lambda self, _kind: self._linkers["shell"])
    assert probe() == 0


@pytest.fixture
def fresh_lane(module_cache: Path) -> lane.Lane:
    return lane.Lane(shipped("sh.wasm"), module_cache)


def test_proof_holds(fresh_lane: lane.Lane) -> None:
    assert "refused" in fresh_lane.proof().memory


def test_proof_finds_memory_not_held(
    fresh_lane: lane.Lane, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proof._Prisoner, "charge_memory", lambda _self, _delta: True)
    with pytest.raises(ControlNotHeld, match="memory"):
        fresh_lane.proof()


def test_proof_finds_modules_that_go_on(
    fresh_lane: lane.Lane, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Without our callback an epoch still traps, but nobody is asked: no limit is looked at.
    def bare(made_by: binding.Engine) -> engine.Store:
        return engine.Store(made_by)

    monkeypatch.setattr(binding.Engine, "make_store", bare)
    with pytest.raises(ControlNotHeld, match="wall"):
        fresh_lane.proof()


def test_proof_finds_a_foreign_import(
    fresh_lane: lane.Lane, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh_lane.linker("plain").define("env", "system", "i>i", lambda _process, _args: 0)
    with pytest.raises(ControlNotHeld, match="imports"):
        fresh_lane.proof()


def test_proof_finds_host_files(module_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def leaky() -> image.Image:
        return image.build_image({}, [("/etc/passwd", Path("/etc/passwd").read_bytes(), 0o444)], 0)

    monkeypatch.setattr(lane, "make_image", leaky)
    assert programs.make_image().root.child("etc") is None
    with pytest.raises(ControlNotHeld, match="filesystem"):
        lane.Lane(shipped("sh.wasm"), module_cache).proof()


def test_proof_finds_a_socket(fresh_lane: lane.Lane, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(proof.FUNCTIONS, "sock_send", ("iiiii>i", lambda _p, _m, _a: 0))
    with pytest.raises(ControlNotHeld, match="network"):
        fresh_lane.proof()
