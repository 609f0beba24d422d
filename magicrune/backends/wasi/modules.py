"""WASI modules: from bytes to something that starts in microseconds.

Programs of ours (shell, python3) are compiled once and cached, with their initial memory
split off as an image that `linear.py` maps copy-on-write. Programs of a job are compiled in
a process of their own, because compiling hostile code takes time and memory that no limit
inside this process could take back.
"""

from __future__ import annotations

import hashlib
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from magicrune.backends.wasi import capi
from magicrune.backends.wasi.engine import Module, Owned, WasmError
from magicrune.errors import BackendFailed, ProgramInvalid, cannot_do
from magicrune.newfile import put

JOB_MODULE_BYTES_MAX = 32 << 20
"""Largest .wasm a job may run; CPython's, the largest we know of, is 26 MB."""
_CACHED_JOB_MODULES = 64

_DATA, _DATA_COUNT = 11, 12


@dataclass(frozen=True, slots=True)
class Compiled:
    """A module ready to be linked, and the image of its initial memory if split off."""

    module: Module
    image: tuple[int, int] | None
    digest: str


class CompileTimeout(Exception):
    """Compiling a job's module took longer than the job may."""


class ModuleRefused(Exception):
    """A job's module cannot be compiled (invalid, or too large); `str()` says why."""


class ModuleCache:
    """Compiled modules of one engine in one private directory, named by digest.

    What lies there is native code that we load: locations.private_dir() has made sure
    that nobody else can write to it.
    """

    def __init__(self, engine: Owned, directory: Path) -> None:
        self._engine = engine
        self._directory = directory
        found = capi.find_library().stat()  # which wasmtime it is
        self._compiler = f"{found.st_mtime_ns:x}{found.st_size:x}"

    def program(self, digest: str, wasm: Path) -> Compiled:
        """A program of ours, compiled from `wasm` unless cached.

        `digest` is its SHA-256; a file with another content is refused (ProgramInvalid).
        """
        code = self._directory / self._name("p", digest)
        image = code.with_suffix(".image")
        module = self._load(code) if image.exists() else None
        if module is None:
            content = wasm.read_bytes()
            if hashlib.sha256(content).hexdigest() != digest:
                raise ProgramInvalid("is not the pinned program", where=str(wasm))
            stripped, data = split_data(content)
            _write(image, data)
            _write(code, Module.compile(self._engine, stripped).serialize())
            module = Module.deserialize_file(self._engine, str(code))
        size = image.stat().st_size
        fd = os.open(image, os.O_RDONLY | os.O_CLOEXEC)
        return Compiled(module, (fd, size) if size else None, digest)

    def job_module(self, content: bytes, timeout_s: float) -> tuple[Compiled, int]:
        """A job's module and the CPU time (ns) that compiling took.

        Raises ModuleRefused or CompileTimeout, which are the job's fault.
        """
        if len(content) > JOB_MODULE_BYTES_MAX:
            raise ModuleRefused(f"larger than {JOB_MODULE_BYTES_MAX >> 20} MiB")
        digest = hashlib.sha256(content).hexdigest()
        code = self._directory / self._name("j", digest)
        cpu_ns = 0
        module = self._load(code)
        if module is None:
            compiled, cpu_ns = _compile_apart(content, timeout_s)
            self._make_room()
            _write(code, compiled)
            module = Module.deserialize(self._engine, compiled)
        return Compiled(module, None, digest), cpu_ns

    def _load(self, code: Path) -> Module | None:
        """A cached module; None where there is none, or one of another CPU or version."""
        if not code.exists():
            return None
        try:
            return Module.deserialize_file(self._engine, str(code))
        except WasmError:
            return None

    def _name(self, kind: str, digest: str) -> str:
        return f"{kind}-{digest}-{self._compiler}.cwasm"

    def _make_room(self) -> None:
        """Drops the oldest modules of jobs, so that jobs cannot fill the disk."""
        found = sorted(self._directory.glob("j-*.cwasm"), key=lambda path: path.stat().st_mtime)
        for path in found[: -_CACHED_JOB_MODULES + 1]:
            path.unlink(missing_ok=True)


def split_data(wasm: bytes) -> tuple[bytes, bytes]:
    """A module without its data section, and the memory image that the section makes.

    Returns it unchanged with an empty image where segments are not simply constant
    (passive, relative to an import) or the code may refer to them.
    """
    out = bytearray(wasm[:8])
    data = b""
    position = 8
    while position < len(wasm):
        kind = wasm[position]
        size, body = _leb(wasm, position + 1)
        if kind == _DATA_COUNT:
            return wasm, b""
        if kind == _DATA:
            data = wasm[body : body + size]
        else:
            out += wasm[position : body + size]
        position = body + size
    image = _image(data)
    return (wasm, b"") if image is None else (bytes(out), image)


def _image(section: bytes) -> bytes | None:
    image = bytearray()
    if not section:
        return b""
    count, position = _leb(section, 0)
    for _ in range(count):
        # 0x00: active, memory 0; 0x41: i32.const; 0x0B: end
        if section[position : position + 2] != b"\x00\x41":
            return None
        offset, position = _leb(section, position + 2)
        negative = section[position - 1] & 0x40  # i32.const is signed
        if section[position] != 0x0B or negative:
            return None
        size, position = _leb(section, position + 1)
        end = offset + size
        image.extend(bytes(max(0, end - len(image))))
        image[offset:end] = section[position : position + size]
        position += size
    return bytes(image)


def _leb(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, position


def _compile_apart(content: bytes, timeout_s: float) -> tuple[bytes, int]:
    import subprocess  # here: only new modules need it

    command = [sys.executable, "-I", "-m", "magicrune.backends.wasi.compile_module"]
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter and module
            command,
            input=content,
            capture_output=True,
            timeout=timeout_s,
            check=False,
            env={},
        )
    except subprocess.TimeoutExpired as error:
        raise CompileTimeout from error
    if done.returncode == 3:
        raise ModuleRefused(done.stderr.decode(errors="replace").strip()[:500])
    if done.returncode < 0:  # by a signal: its own limits, or an abort of the compiler
        raise ModuleRefused("its compilation needs too much time or memory")
    if done.returncode:
        raise BackendFailed(f"compiling apart: {done.stderr.decode(errors='replace')[-500:]}")
    return done.stdout[8:], int.from_bytes(done.stdout[:8], "little")


def _write(path: Path, content: bytes | bytearray) -> None:
    """Appears whole or not at all, so that two processes may fill one cache. Raises
    BackendFailed where it cannot: the disk is full, or read-only."""
    try:
        put(path, content)
    except OSError as error:
        hint = "make room on its disk, or set MAGICRUNE_HOME"
        message = "a compiled module cannot be kept"
        raise cannot_do(error, message, where=str(path.parent), hint=hint) from error
