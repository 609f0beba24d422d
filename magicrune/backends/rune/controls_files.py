"""Controls of what can be seen and written, read back: mounts, devices, kernel paths. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from magicrune.backends.rune.container import HOSTS, INIT_DIR, RESOLV_CONF, TERMINALS
from magicrune.observation import ControlReading

if TYPE_CHECKING:
    from magicrune.backends.rune.container import Container, TmpFs

Measured = Mapping[str, Any]

_DEVICES = frozenset({(1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0), (5, 2)})
"""null, zero, full, random, urandom, tty, ptmx: linux/Documentation/admin-guide/devices.txt."""
_PTS_MAJOR = 136
_NODES = ("null", "zero", "full", "random", "urandom", "tty")
"""Rootless runtimes bind these from the host's /dev, being unable to make nodes."""
_GROUPS = "/sys/fs/cgroup"
_KERNELS = {
    "/proc": "proc",
    "/sys": "sysfs",
    "/dev": "tmpfs",
    "/dev/pts": "devpts",
    "/dev/mqueue": "mqueue",
}
_ENGINES_MASKED = ("/sys/dev/block", "/sys/fs/selinux")
"""Podman masks them besides ours; the second where the kernel has SELinux."""
_PAGE = 65536
"""The largest page size of the machines we know; limits are rounded to pages."""
_OPEN = frozenset({"readable", "unread"})


def read_file_system(
    stage: Measured, wanted: Container, own_mounts: Sequence[str]
) -> Iterator[ControlReading]:
    """The root, private file systems, and that nothing else is mounted."""
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
    own = (INIT_DIR, HOSTS, *((RESOLV_CONF,) if wanted.network else ()), *own_mounts)
    others = [_text(mount) for mount in mounts if not _is_expected(mount, wanted, own)]
    yield ControlReading(
        "filesystem",
        "mount namespace",
        "what a container needs, nothing else of the host or writable",
        ", ".join(others) or f"{len(mounts)} mounts, each of them known",
        bool(mounts) and not others,
    )


def read_terminals(stage: Measured) -> ControlReading:
    """How many pseudo-terminals it may take of the machine's."""
    mounts = [mount for mount in stage.get("mounts") or () if isinstance(mount, Mapping)]
    found = [mount for mount in mounts if mount.get("type") == "devpts"]
    most = [_size(_option(mount.get("super", ()), "max")) for mount in found]
    return ControlReading(
        "terminals",
        "devpts of its own with a limit",
        f"<= {TERMINALS} pseudo-terminals",
        ", ".join(
            f"{mount.get('path')} max {count}" for mount, count in zip(found, most, strict=True)
        )
        or "no devpts",
        bool(mounts) and all(count is not None and count <= TERMINALS for count in most),
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


def _is_expected(mount: Measured, wanted: Container, own: Sequence[str]) -> bool:
    """Whether it is one of those that make the container; whatever is not known is foreign."""
    path, root, kind = (str(mount.get(key)) for key in ("path", "root", "type"))
    readonly = "ro" in mount.get("options", ()) or "ro" in mount.get("super", ())
    if path in {each.path for each in wanted.tmpfs}:
        return True  # `mounts` judges it
    if path == "/" or path in own:  # the image, init, the engine's /etc/hostname and the like
        return readonly
    if path in (*wanted.masked_paths, *_ENGINES_MASKED):
        below = readonly and kind == "proc" and root == path.removeprefix("/proc")
        return _is_mask(root, kind, readonly=readonly) or below  # Podman: /proc/asound is both
    return _is_kernels(path, root, kind, readonly=readonly, wanted=wanted)


def _is_kernels(path: str, root: str, kind: str, *, readonly: bool, wanted: Container) -> bool:
    """A file system of the kernel, where one belongs."""
    if path in wanted.readonly_paths:
        return readonly and kind == "proc" and root == path.removeprefix("/proc")
    if path == _GROUPS and kind == "tmpfs":
        return root == "/"  # of version 1; left writable, but root's, and the job is not root
    if path == _GROUPS or path.startswith(_GROUPS + "/"):
        hidden = path != _GROUPS and _is_mask(root, kind, readonly=readonly)
        return (readonly and kind in ("cgroup", "cgroup2")) or hidden
    if path.startswith("/dev/") and path.removeprefix("/dev/") in _NODES:
        return kind in ("devtmpfs", "tmpfs") and root == path.removeprefix("/dev")
    return root == "/" and _KERNELS.get(path) == kind


def _is_mask(root: str, kind: str, *, readonly: bool) -> bool:
    """An empty file system over a directory, or /dev/null over a file."""
    if root == "/null":
        return kind in ("devtmpfs", "tmpfs")
    return root == "/" and kind == "tmpfs" and readonly


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
