"""What init is told before the job is held: files and directories, then the job record."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from magicrune.backends.rune.frames import FRAME_MAX, encode, encode_stream
from magicrune.errors import BackendBroken
from magicrune.pathrule import is_within

if TYPE_CHECKING:
    from magicrune.spec import ContainerSpec, FileInput, Mount

FSIZE_ROOM = 1 << 20
"""Bytes above the ceiling of the files: who fills the disk is to see ENOSPC (as in the WASI
lane), not SIGXFSZ; only a sparse file that claims more than the disk holds meets this one."""
ARTIFACT_FILES = 1000
ARTIFACT_DEPTH = 16
"""As in the WASI lane."""
_SHARED_MODE = "1777"
_FIXED_MODE = "755"


def setup_frames(spec: ContainerSpec) -> Iterator[bytes]:
    """``M``, then what the sandbox holds, then ``J``. Raises BackendBroken where the spec
    does not fit the protocol (a path or an argument that is too long)."""
    yield encode("M")
    for mount in spec.mounts:
        # runc up to 1.1 makes a tmpfs over an existing directory with that one's mode.
        mode = _SHARED_MODE if mount.writable else _FIXED_MODE
        yield encode("D", _entry(mode, 0, 0, mount.path))
    for file in spec.files:
        yield from _file_frames(file, spec)
    yield encode("J", job_record(spec))


def job_record(spec: ContainerSpec) -> bytes:
    """The job in init's words. Raises BackendBroken for what no record can say."""
    limits = spec.limits
    pairs: list[tuple[str, str | int]] = [
        *(("arg", word) for word in spec.argv),
        *(("env", f"{name}={value}") for name, value in spec.env),
        ("cwd", spec.cwd),
        ("uid", spec.uid),
        ("gid", spec.gid),
        ("wall_ms", limits.wall_ms),
        ("cpu_ms", limits.cpu_ms),
        ("output_bytes", limits.output_bytes),
        ("nofile", limits.open_files),
        ("fsize", limits.tmp_bytes + FSIZE_ROOM),
        ("artifact_dir", spec.artifacts_dir),
        ("artifact_bytes", limits.artifact_bytes),
        ("artifact_files", ARTIFACT_FILES),
        ("artifact_depth", ARTIFACT_DEPTH),
        *((("net", 1),) if spec.has_network else ()),
        *((("net_loopback", 1),) if spec.host_loopback else ()),
        *(("sensitive", glob) for glob in spec.sensitive),
        *(("tmp", mount.path) for mount in spec.mounts if mount.writable),
    ]
    record = b"".join(_pair(key, value) for key, value in pairs)
    if len(record) > FRAME_MAX:
        raise BackendBroken(
            f"command and environment together have {len(record)} bytes, at most {FRAME_MAX}",
            where="request",
        )
    return record


def _pair(key: str, value: str | int) -> bytes:
    data = str(value).encode("utf-8", "surrogateescape")
    if b"\0" in data:
        raise BackendBroken(f"a NUL byte cannot be passed to a program ({key})", where="request")
    return key.encode() + b"=" + data + b"\0"


def _file_frames(file: FileInput, spec: ContainerSpec) -> Iterator[bytes]:
    mount = home_of(file.path, spec.mounts)
    if mount is None:
        raise BackendBroken("lies in no directory of the sandbox", where=file.path)
    uid, gid = (spec.uid, spec.gid) if mount.writable else (0, 0)
    head = _entry(f"{file.mode:o}", uid, gid, file.path)
    room = FRAME_MAX - len(head)
    yield encode("W", head + file.content[:room])
    yield from encode_stream("A", file.content[room:])


def home_of(path: str, mounts: tuple[Mount, ...]) -> Mount | None:
    """The mount that `path` lies in, the innermost one."""
    homes = [mount for mount in mounts if is_within(path, mount.path)]
    return max(homes, key=lambda mount: len(mount.path), default=None)


def _entry(mode: str, uid: int, gid: int, path: str) -> bytes:
    return f"{mode} {uid} {gid} ".encode() + path.encode("utf-8", "surrogateescape") + b"\0"
