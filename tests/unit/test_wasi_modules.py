from __future__ import annotations

import hashlib
import os
import resource
from pathlib import Path

import pytest
import wasmtime

from magicrune.backends.wasi import modules
from magicrune.backends.wasi.binding import make_engine
from magicrune.backends.wasi.modules import (
    CompileTimeout,
    ModuleCache,
    ModuleRefused,
    split_data,
)
from magicrune.errors import BackendFailed, ProgramInvalid

SEGMENTS = """(module (memory (export "memory") 2)
  (data (i32.const 8) "low") (data (i32.const 70000) "high")
  (func (export "_start")))"""


def wat(text: str) -> bytes:
    return bytes(wasmtime.wat2wasm(text))


def memory_of(wasm: bytes) -> bytes:
    """What wasmtime itself makes of the data segments."""
    store = wasmtime.Store()
    exports = wasmtime.Instance(store, wasmtime.Module(store.engine, wasm), []).exports(store)
    memory = exports["memory"]
    assert isinstance(memory, wasmtime.Memory)
    return bytes(memory.read(store, 0, memory.data_len(store)))


def test_the_image_is_what_the_segments_make() -> None:
    stripped, image = split_data(wat(SEGMENTS))
    expected = memory_of(wat(SEGMENTS))
    assert image == expected[: len(image)]
    assert not any(expected[len(image) :])
    assert not any(memory_of(stripped))


@pytest.mark.parametrize(
    "text",
    [
        '(module (memory 1) (data "passive") (func (memory.init 0 (i32.const 0) (i32.const 0)'
        " (i32.const 1))))",
        '(module (import "env" "base" (global i32)) (memory 1) (data (global.get 0) "x"))',
        '(module (memory 1) (data (i32.const -4) "beyond"))',
    ],
)
def test_other_segments_stay(text: str) -> None:
    assert split_data(wat(text)) == (wat(text), b"")


def test_a_module_without_data() -> None:
    text = '(module (func (export "_start")))'
    assert split_data(wat(text)) == (wat(text), b"")


@pytest.fixture
def cache(tmp_path: Path) -> ModuleCache:
    return ModuleCache(make_engine(lambda _process: True), tmp_path)


def test_a_program_is_compiled_once(cache: ModuleCache, tmp_path: Path) -> None:
    wasm = tmp_path / "program.wasm"
    wasm.write_bytes(wat(SEGMENTS))
    digest = hashlib.sha256(wasm.read_bytes()).hexdigest()
    first = cache.program(digest, wasm)
    wasm.unlink()
    again = cache.program(digest, wasm)
    assert first.image is not None
    assert again.image is not None
    assert os.pread(again.image[0], 3, 8) == b"low"


def test_another_program_is_refused(cache: ModuleCache, tmp_path: Path) -> None:
    wasm = tmp_path / "program.wasm"
    wasm.write_bytes(wat(SEGMENTS))
    with pytest.raises(ProgramInvalid, match="not the pinned program"):
        cache.program("0" * 64, wasm)
    assert not list(tmp_path.glob("*.cwasm"))


def test_a_spoilt_cache_is_made_anew(cache: ModuleCache, tmp_path: Path) -> None:
    wasm = tmp_path / "program.wasm"
    wasm.write_bytes(wat(SEGMENTS))
    digest = hashlib.sha256(wasm.read_bytes()).hexdigest()
    cache.program(digest, wasm)
    (code,) = tmp_path.glob("p-*.cwasm")
    code.write_bytes(b"of another version")
    assert cache.program(digest, wasm).module


def test_modules_of_jobs(cache: ModuleCache, tmp_path: Path) -> None:
    _, cpu_ns = cache.job_module(wat(SEGMENTS), 60)
    assert cpu_ns > 0
    _, cpu_ns = cache.job_module(wat(SEGMENTS), 60)
    assert cpu_ns == 0
    with pytest.raises(ModuleRefused):
        cache.job_module(b"\0asm\x01\0\0\0\xff", 60)
    with pytest.raises(CompileTimeout):
        cache.job_module(wat("(module (func))"), 0.001)


def test_modules_of_jobs_do_not_fill_the_disk(
    cache: ModuleCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("magicrune.backends.wasi.modules._CACHED_JOB_MODULES", 2)
    for number in range(3):
        cache.job_module(wat(f"(module (func (drop (i32.const {number}))))"), 60)
        os.utime(*list(tmp_path.glob("j-*"))[:1], (number, number))
    assert len(list(tmp_path.glob("j-*"))) == 2


def test_a_cache_that_takes_no_more_is_told(tmp_path: Path) -> None:
    """Not as a defect of ours. A limit on the size of files stands for a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))
    try:
        with pytest.raises(BackendFailed, match="cannot be kept") as told:
            modules._write(tmp_path / "code", b"x" * 100)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "room" in told.value.hint
    assert list(tmp_path.iterdir()) == []
