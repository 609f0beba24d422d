"""Controls of what can be seen and written, read back: mounts, devices, kernel paths. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from magicrune.observation import ControlReading

if TYPE_CHECKING:
    from magicrune.backends.rune.container import Container, TmpFs

Measured = Mapping[str, Any]

_DEVICES = frozenset({(1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0), (5, 2)})
"""null, zero, full, random, urandom, tty, ptmx: linux/Documentation/admin-guide/devices.txt."""
_PTS_MAJOR = 136
_ROOTS_OWN = ("/dev", "/sys/fs/cgroup")
"""File systems in memory that runtimes make, 0755 and root's; the second holds the mount
points of version 1 control groups, and runtimes leave it writable."""
_PAGE = 65536
"""The largest page size of the machines we know; limits are rounded to pages."""
_OPEN = frozenset({"readable", "unread"})


def read_file_system(stage: Measured, wanted: Container) -> Iterator[ControlReading]:
    """The root, private file systems, and that nothing else is writable."""
    yield ControlReading(
        "rootfs",
        "read-only mount",
        "read-only",
        "read-only" if stage.get("rootfs_readonly") is True else "not read-only",
        stage.get("rootfs_readonly") is True,
    )
    mounts = [mount for mount in stage.get("mounts") or () if isinstance(mount, Mapping)]
    sizes = [_tmpfs_fault(mount, mounts) for mount in wanted.tmpfs]
    yield ControlReading(
        "mounts",
        "tmpfs with size and inode limits, nosuid, nodev",
        ", ".join(f"{m.path} <= {m.size_bytes} bytes, {m.inodes} inodes" for m in wanted.tmpfs),
        "; ".join(fault for fault in sizes if fault) or "as wanted",
        not any(sizes),
    )
    others = [_text(mount) for mount in mounts if _is_foreign(mount, wanted)]
    yield ControlReading(
        "filesystem",
        "mount namespace",
        "nothing of the host, nothing else writable",
        ", ".join(others) or f"{len(mounts)} mounts, none foreign or writable",
        bool(mounts) and not others,
    )


def _tmpfs_fault(wanted: TmpFs, mounts: Iterable[Measured]) -> str:
    """What is wrong with a file system that the job may fill; empty where nothing is."""
    found = [mount for mount in mounts if mount.get("path") == wanted.path]
    if not found:
        return f"{wanted.path} missing"
    top = found[-1]  # mounted last, so what the job sees
    flags = set(top.get("options", ())) | set(top.get("super", ()))
    size = _size(_option(flags, "size"))
    inodes = _size(_option(flags, "nr_inodes"))
    lacking = {"nosuid", "nodev", *(() if wanted.exec else ("noexec",))} - flags
    if top.get("type") != "tmpfs" or lacking:
        return f"{wanted.path} {top.get('type')} without {sorted(lacking)}"
    if size is None or size > wanted.size_bytes + _PAGE:
        return f"{wanted.path} size {size}"
    if inodes is None or inodes > wanted.inodes:
        return f"{wanted.path} inodes {inodes}"
    return ""


def _option(options: Iterable[str], name: str) -> str | None:
    prefix = name + "="
    return next((each[len(prefix) :] for each in options if each.startswith(prefix)), None)


def _size(text: str | None) -> int | None:
    """A size as the kernel writes it in mountinfo (``32768k``, ``10001``)."""
    if text is None:
        return None
    unit = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30}.get(text[-1:].lower(), 1)
    digits = text[:-1] if unit > 1 else text
    return int(digits) * unit if digits.isdigit() else None


def _is_foreign(mount: Measured, wanted: Container) -> bool:
    """Whether the job might write there, and should not."""
    path, kind = str(mount.get("path")), str(mount.get("type"))
    if path in {each.path for each in wanted.tmpfs}:
        return False
    if "ro" in mount.get("options", ()) or "ro" in mount.get("super", ()):
        return False
    if kind == "tmpfs" and (path in _ROOTS_OWN or path in wanted.masked_paths):
        return False  # root's, and the job is not root: the kernel refuses by owner
    if kind in ("proc", "mqueue", "devpts"):
        return False  # `readonly_paths` and the rlimit msgqueue judge them
    # Rootless runtimes bind the usual device nodes; `devices` judges those.
    return not (path.startswith("/dev/") and kind in ("devtmpfs", "tmpfs"))


def _text(mount: Measured) -> str:
    return f"{mount.get('path')} {mount.get('type')} {','.join(mount.get('options', ()))}"[:120]


def read_devices(stage: Measured) -> ControlReading:
    """Device nodes that can be seen."""
    found = stage.get("devices")
    strange = [
        f"{each.get('path')} {each.get('type')} {each.get('major')}:{each.get('minor')}"
        for each in found or ()
        if each.get("type") != "c"
        or (
            (each.get("major"), each.get("minor")) not in _DEVICES
            and each.get("major") != _PTS_MAJOR
        )
    ]
    return ControlReading(
        "devices",
        "device nodes below /dev",
        "null zero full random urandom tty ptmx",
        ", ".join(strange) or f"{len(found or ())} nodes, none else",
        isinstance(found, list) and not strange,
    )


def read_kernel_paths(stage: Measured, wanted: Container) -> Iterator[ControlReading]:
    """Masked and read-only paths of the kernel."""
    paths = stage.get("paths") or {}
    open_paths = [path for path in wanted.masked_paths if paths.get(path, "unread") in _OPEN]
    yield ControlReading(
        "masked_paths",
        "mounts over them",
        f"{len(wanted.masked_paths)} paths of the kernel say nothing",
        ", ".join(f"{p} {paths.get(p)}" for p in open_paths) or "absent, empty or refused",
        not open_paths,
    )
    states = stage.get("readonly") or {}
    checked = (*wanted.readonly_paths, "/sys")
    writable = [path for path in checked if states.get(path) not in ("ro", "absent")]
    yield ControlReading(
        "readonly_paths",
        "read-only mounts",
        f"{len(checked)} paths of the kernel cannot be written",
        ", ".join(f"{p} {states.get(p)}" for p in writable) or "read-only or absent",
        not writable,
    )
