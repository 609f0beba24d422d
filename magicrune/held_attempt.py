"""One attempt in quarantine: written whole, and read back only as its manifest says.

The layout is described in quarantine.py.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from magicrune.errors import QuarantineFailed
from magicrune.heldfile import make_directory, open_directory, read_file, sync, write_file
from magicrune.observation import Observation

MANIFEST_VERSION = "1"
_MANIFEST_MAX = 64 * 1024 * 1024
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True)
class Held:
    """One attempt in quarantine; `size` counts the bytes of output and artifacts."""

    run_id: str
    attempt: int
    stored_at: float
    """Seconds since 1970."""
    size: int
    artifacts: int


def write_attempt(
    opened: contextlib.ExitStack,
    here: int,
    run_id: str,
    attempt: int,
    observation: Observation,
    result_json: bytes,
) -> None:
    """Fills the new, empty directory `here`. Raises QuarantineFailed, OSError."""
    make_directory(here, "artifacts")
    blobs = open_directory(opened, here, "artifacts")
    artifacts = []
    for number, artifact in enumerate(observation.artifacts, 1):
        blob = None if artifact.content is None else f"{number:04}"
        if artifact.content is not None and blob is not None:
            _check_content(artifact.path, artifact.content, artifact.size, artifact.sha256)
            write_file(blobs, blob, artifact.content)
        artifacts.append(
            {"blob": blob, "path": artifact.path, "size": artifact.size, "sha256": artifact.sha256}
        )
    manifest = {
        "schema_version": MANIFEST_VERSION,
        "run_id": run_id,
        "attempt": attempt,
        "stored_at": round(time.time(), 3),
        "ending": observation.ending.value,
        "exit_code": observation.exit_code,
        "stdout": _describe(observation.stdout, observation.stdout_truncated),
        "stderr": _describe(observation.stderr, observation.stderr_truncated),
        "result": _describe(result_json, False),
        "artifacts": artifacts,
        "artifacts_skipped": [list(skipped) for skipped in observation.artifacts_skipped],
    }
    write_file(here, "stdout", observation.stdout)
    write_file(here, "stderr", observation.stderr)
    write_file(here, "result.json", result_json)
    write_file(here, "manifest.json", json.dumps(manifest, indent=1).encode() + b"\n")
    sync(blobs)
    sync(here)


def _describe(data: bytes, truncated: bool) -> dict[str, Any]:
    return {"size": len(data), "sha256": _hash(data), "truncated": truncated}


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _check_content(name: str, content: bytes, size: int, sha256: str) -> None:
    if len(content) != size or _hash(content) != sha256:
        raise QuarantineFailed("content does not fit its size and SHA-256", where=name)


def write_release(
    opened: contextlib.ExitStack, parent: int, name: str, files: list[tuple[str, bytes]]
) -> None:
    """Fills the new directory `name` in `parent` with what checked_files() gave."""
    here = open_directory(opened, parent, name)
    make_directory(here, "artifacts")
    blobs = open_directory(opened, here, "artifacts")
    for path, content in files:
        folder, _, base = path.rpartition("/")
        write_file(blobs if folder else here, base, content)
    sync(blobs)
    sync(here)


def read_manifest(
    opened: contextlib.ExitStack, run: int, run_id: str, attempt: str
) -> dict[str, Any]:
    """What the directory `attempt` of a run says it holds; it must be that run's."""
    try:
        here = open_directory(opened, run, attempt)
        manifest = json.loads(read_file(here, "manifest.json", _MANIFEST_MAX))
    except (OSError, ValueError, RecursionError) as error:
        raise QuarantineFailed(
            "is damaged: its manifest cannot be read",
            where=f"{run_id}/{attempt}",
            hint="move this directory out of the quarantine",
        ) from error
    if not isinstance(manifest, dict) or manifest.get("schema_version") != MANIFEST_VERSION:
        raise QuarantineFailed("manifest is of an unknown version", where=f"{run_id}/{attempt}")
    if manifest["run_id"] != run_id or str(manifest["attempt"]) != attempt:
        raise QuarantineFailed("manifest is of another run", where=f"{run_id}/{attempt}")
    return manifest


def summarise(manifest: dict[str, Any]) -> Held:
    """A manifest in short."""
    artifacts = manifest["artifacts"]
    parts = [manifest["stdout"], manifest["stderr"], *artifacts]
    return Held(
        run_id=manifest["run_id"],
        attempt=manifest["attempt"],
        stored_at=float(manifest["stored_at"]),
        size=sum(int(part["size"]) for part in parts),
        artifacts=len(artifacts),
    )


def checked_files(
    opened: contextlib.ExitStack, here: int, manifest: dict[str, Any]
) -> Iterator[tuple[str, bytes]]:
    """(name in the release, content) of everything, each checked against the manifest."""
    for name, key in (("stdout", "stdout"), ("stderr", "stderr"), ("result.json", "result")):
        yield name, _read_checked(here, name, manifest[key])
    blobs = open_directory(opened, here, "artifacts")
    for number, entry in enumerate(manifest["artifacts"], 1):
        if entry["blob"] is None:
            continue
        if entry["blob"] != f"{number:04}":
            raise QuarantineFailed("manifest names a blob that we did not write")
        content = _read_checked(blobs, entry["blob"], entry)
        yield f"artifacts/{entry['blob']}-{_harmless(entry['path'])}", content
    yield "manifest.json", json.dumps(manifest, indent=1).encode() + b"\n"


def _read_checked(directory: int, name: str, entry: dict[str, Any]) -> bytes:
    content = read_file(directory, name, int(entry["size"]))
    _check_content(name, content, entry["size"], entry["sha256"])
    return content


def _harmless(path: str) -> str:
    """The last part of `path` in letters, digits, ``.``, ``_`` and ``-``, at most 80."""
    return _UNSAFE.sub("_", path.rpartition("/")[2])[-80:] or "_"
