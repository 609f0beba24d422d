"""One layer: a canonical tar, how it is unpacked, and whether a tree still equals it.

Canonical: sorted by name, owner 0:0 without names, one time for all, regular files,
directories and symlinks only. The same files give the same bytes and the same digest.
"""

from __future__ import annotations

import hashlib
import os
import stat
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from magicrune.errors import ImageBuildFailed, ImageDamaged

EPOCH = 1686355200
"""The time of every file, 2023-06-10 00:00 UTC (the day Debian 12 came out)."""

_CHUNK = 1 << 20
_ROOT_MODE = 0o755
_LABELS = {"security.selinux", "security.ima", "security.evm"}
"""Extended attributes that the host puts on every file by itself."""


def digest_of(path: Path) -> str:
    """``sha256:`` and the hex digest of the file's bytes. Raises OSError."""
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


def write_layer(source: Path, target: Path) -> None:
    """Rewrites the tar `source` as the canonical tar `target`.

    Raises ImageBuildFailed where it holds what no image may hold: devices, setuid, setgid
    or sticky bits, files that others can write, extended attributes, foreign owners, names
    that leave the root or lie below a symlink.
    """
    try:
        with (
            tarfile.open(source, "r:", errorlevel=2) as old,
            tarfile.open(target, "x:", format=tarfile.PAX_FORMAT) as new,
        ):
            for name, member in sorted(_checked(old).items()):
                content = old.extractfile(member) if member.isreg() or member.islnk() else None
                new.addfile(_canonical(name, member, old), content)
    except (OSError, tarfile.TarError, KeyError) as error:
        raise ImageBuildFailed(f"the layer cannot be rewritten: {error}") from error


def unpack(layer: Path, root: Path) -> None:
    """Unpacks a canonical tar into the new directory `root`; the files are the caller's.

    Raises ImageDamaged where the tar is not one that `write_layer` made.
    """
    directories = {"": _ROOT_MODE}
    try:
        root.mkdir(0o700)
        with tarfile.open(layer, "r:", errorlevel=2) as tar:
            for name, member in _entries(tar, directories):
                _unpack_one(tar, member, root / name)
        for name in sorted(directories, reverse=True):
            (root / name).chmod(directories[name])
            os.utime(root / name, (EPOCH, EPOCH))
    except (OSError, tarfile.TarError) as error:
        raise ImageDamaged(f"cannot be unpacked: {error}", where=str(layer)) from error


def compare(layer: Path, root: Path) -> None:
    """Makes sure that the tree `root` is what `layer` says: names, types, modes, contents,
    link targets; one owner, no extended attributes.

    Raises ImageDamaged that names the first difference.
    """
    seen = {""}
    try:
        top = root.lstat()
        owner = (top.st_uid, top.st_gid)
        if top.st_mode != stat.S_IFDIR | _ROOT_MODE:
            raise ImageDamaged(f"has mode {top.st_mode:o}", where=str(root))
        with tarfile.open(layer, "r:", errorlevel=2) as tar:
            for name, member in _entries(tar, {"": _ROOT_MODE}):
                path = root / name
                if difference := _difference(tar, member, path, owner):
                    raise ImageDamaged(difference, where=str(path))
                seen.add(name)
    except (OSError, tarfile.TarError) as error:
        raise ImageDamaged(
            f"cannot be compared with its layer: {error}", where=str(root)
        ) from error
    for name in _names_in(root):
        if name not in seen:
            raise ImageDamaged("is not in the layer", where=str(root / name))


def _checked(tar: tarfile.TarFile) -> dict[str, tarfile.TarInfo]:
    members: dict[str, tarfile.TarInfo] = {}
    for member in tar:
        name = member.name.removeprefix("./").rstrip("/")
        if name in ("", ".") or name.startswith("dev/"):  # engines mount their own /dev
            continue
        if reason := _forbidden(name, member) or ("is there twice" if name in members else ""):
            raise ImageBuildFailed(reason, where=f"/{name}")
        members[name] = member
    for name in members:
        parent = name.rpartition("/")[0]
        if parent and not (parent in members and members[parent].isdir()):
            raise ImageBuildFailed("does not lie in a directory", where=f"/{name}")
    return members


def _forbidden(name: str, member: tarfile.TarInfo) -> str:
    """Why no layer may hold `member`; empty where it may."""
    if name.startswith("/") or any(part in ("", ".", "..") for part in name.split("/")):
        return "is not a plain path"
    if not (member.isreg() or member.isdir() or member.issym() or member.islnk()):
        return "is a device, a pipe or something unknown"
    if (member.uid, member.gid) != (0, 0):
        return f"belongs to {member.uid}:{member.gid}, not to root"
    if not member.issym() and member.mode & 0o7022:
        return f"is setuid, setgid, sticky or writable by others (mode {member.mode:o})"
    if any("xattr" in key.lower() or "acl" in key.lower() for key in member.pax_headers):
        return "has extended attributes"
    return ""


def _canonical(name: str, member: tarfile.TarInfo, tar: tarfile.TarFile) -> tarfile.TarInfo:
    """`member` as it stands in a layer; a hard link becomes a file of its own."""
    info = tarfile.TarInfo(name)
    info.mtime = EPOCH
    if member.issym():
        info.type, info.linkname, info.mode = tarfile.SYMTYPE, member.linkname, 0o777
    elif member.isdir():
        info.type, info.mode = tarfile.DIRTYPE, member.mode
    else:
        while member.islnk():
            member = tar.getmember(member.linkname)
        info.mode, info.size = member.mode, member.size
    return info


def _entries(
    tar: tarfile.TarFile, directories: dict[str, int]
) -> Iterator[tuple[str, tarfile.TarInfo]]:
    """Members in order; what `write_layer` cannot have written raises ImageDamaged.

    `directories` gets name and mode of each directory: nothing may lie elsewhere than in them.
    """
    last = ""
    for member in tar:
        name = member.name
        parent = name.rpartition("/")[0]
        if name <= last or parent not in directories or member.islnk() or _forbidden(name, member):
            raise ImageDamaged("the layer is not in canonical form", where=f"/{name}")
        if member.isdir():
            directories[name] = member.mode
        last = name
        yield name, member


def _unpack_one(tar: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
    if member.isdir():
        path.mkdir(0o700)  # its own mode follows when all is in it
        return
    if member.issym():
        path.symlink_to(member.linkname)
    else:
        with path.open("xb") as file:
            for chunk in _chunks(tar.extractfile(member)):
                file.write(chunk)
            os.fchmod(file.fileno(), member.mode)
    os.utime(path, (EPOCH, EPOCH), follow_symlinks=False)


def _difference(
    tar: tarfile.TarFile, member: tarfile.TarInfo, path: Path, owner: tuple[int, int]
) -> str:
    """What of `path` is not as in the layer; empty where nothing is."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return "is missing"
    kind = stat.S_IFLNK if member.issym() else stat.S_IFDIR if member.isdir() else stat.S_IFREG
    if found.st_mode != kind | member.mode:
        return f"has type and mode {found.st_mode:o}, not {kind | member.mode:o}"
    if (found.st_uid, found.st_gid) != owner:
        return "belongs to another user or group than the image"
    if set(os.listxattr(path, follow_symlinks=False)) - _LABELS:
        return "has extended attributes"
    if member.issym():
        same = str(path.readlink()) == member.linkname
    else:
        same = member.isdir() or _same_content(tar.extractfile(member), path)
    return "" if same else "has another content than in the layer"


def _same_content(wanted: IO[bytes] | None, path: Path) -> bool:
    with path.open("rb") as file:
        for chunk in _chunks(wanted):
            if file.read(len(chunk)) != chunk:
                return False
        return not file.read(1)


def _chunks(file: IO[bytes] | None) -> Iterator[bytes]:
    while file is not None and (chunk := file.read(_CHUNK)):
        yield chunk


def _names_in(root: Path) -> Iterator[str]:
    left = [""]
    while left:
        here = left.pop()
        with os.scandir(root / here) as entries:
            for entry in entries:
                name = f"{here}/{entry.name}" if here else entry.name
                yield name
                if entry.is_dir(follow_symlinks=False):
                    left.append(name)
