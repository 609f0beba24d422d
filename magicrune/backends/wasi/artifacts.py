"""What a finished job left in its artifacts directory."""

from __future__ import annotations

import hashlib

from magicrune.backends.wasi.lookup import Last
from magicrune.backends.wasi.nodes import Directory, Node, RegularFile
from magicrune.backends.wasi.vfs import Vfs
from magicrune.backends.wasi.wasi_abi import WasiError
from magicrune.observation import Artifact

DEPTH_MAX = 16
COUNT_MAX = 1000


def collect_artifacts(
    vfs: Vfs, directory: str, bytes_max: int
) -> tuple[tuple[Artifact, ...], tuple[tuple[str, str], ...]]:
    """Regular files below `directory`, by path, and (path, reason) of what is left out.

    Symlinks are never followed. Files past `bytes_max` in all are named without content.
    """
    try:
        top = vfs.node_at(directory, Last.ENTRY)
    except WasiError:
        return (), ()
    if not isinstance(top, Directory):
        return (), ((directory, f"not a directory ({top.filetype.name.lower()})"),)
    found: list[tuple[str, Node]] = []
    skipped: list[tuple[str, str]] = []
    _list(top, "", 0, found, skipped)
    artifacts: list[Artifact] = []
    left = bytes_max
    for path, node in sorted(found, key=lambda pair: pair[0]):
        if not isinstance(node, RegularFile):
            skipped.append((path, f"not a regular file ({node.filetype.name.lower()})"))
        elif len(artifacts) >= COUNT_MAX:
            skipped.append((path, f"more than {COUNT_MAX} files"))
        else:
            content = bytes(node.data)
            digest = hashlib.sha256(content).hexdigest()
            fits = len(content) <= left
            left -= len(content) if fits else 0
            artifacts.append(Artifact(path, len(content), digest, content if fits else None))
    return tuple(artifacts), tuple(skipped[:COUNT_MAX])


def _list(
    node: Node, path: str, depth: int, found: list[tuple[str, Node]], skipped: list[tuple[str, str]]
) -> None:
    if not isinstance(node, Directory):
        found.append((path, node))
        return
    if depth > DEPTH_MAX:
        skipped.append((path, f"deeper than {DEPTH_MAX} directories"))
        return
    for name, child in node.entries.items():
        _list(child, f"{path}/{name}" if path else name, depth + 1, found, skipped)
