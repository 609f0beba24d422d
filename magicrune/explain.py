"""What a request would get, in the engine's own words, and which line grants it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from magicrune.errors import MagicRuneError, PolicyInvalid
from magicrune.pipeline import prepare, rehearse
from magicrune.policy import load_policy
from magicrune.policy_text import MAX_BYTES, Positions, read_yaml

if TYPE_CHECKING:
    from magicrune.backends.select import Choice
    from magicrune.request import SpellRequest

_SOURCES: dict[str, tuple[str, ...]] = {
    "mounts (writable)": ("capabilities", "fs", "allow"),
    "mounts (read-only)": ("capabilities", "fs", "readonly"),
    "network": ("capabilities", "net", "allow"),
    "environment (allowed)": ("capabilities", "env", "allow"),
    "environment (refused)": ("capabilities", "env", "deny"),
    "cpu_time": ("limits", "cpu_ms"),
    "memory": ("limits", "memory_mb"),
    "wall_time": ("limits", "wall_sec"),
    "processes": ("limits", "pids"),
    "output": ("limits", "output_bytes"),
    "disk": ("limits", "tmp_mb"),
    "files": ("limits", "files"),
    "open_files": ("limits", "open_files"),
    "artifacts": ("limits", "artifact_bytes"),
    "cpu_rate": ("limits", "cpus"),
    "backend": ("runtime", "backends"),
    "image": ("runtime", "image"),
    "image_digest": ("runtime", "image_digest"),
    "oci_runtime": ("runtime", "oci_runtime"),
    "seccomp": ("runtime", "seccomp"),
    "seccomp (unsafe)": ("runtime", "unsafe_seccomp"),
    "secrets watched": ("sensitive",),
}
"""Each control, and the key of a policy that it comes from."""


def explain(
    request: SpellRequest,
    policy_path: Path,
    choice: Choice,
    *,
    seed: int | None = None,
    timeout_sec: int | None = None,
) -> dict[str, Any]:
    """A document for a person: effective grant, the engine's words, sources. Runs nothing.

    Raises PolicyViolation, PolicyInvalid. An engine that has no words (no image yet) says
    why in `engine_words`.
    """
    policy = load_policy(policy_path)
    backend = choice.backend
    document = rehearse(request, policy, backend, seed=seed, timeout_sec=timeout_sec)
    spec = prepare(request, policy, seed=seed, timeout_sec=timeout_sec)
    words = getattr(backend, "explain", None)
    try:
        engine_words = None if words is None else words(spec)
    except MagicRuneError as error:
        engine_words = {"unknown": str(error), "code": error.code}
    del document["dry_run"]
    return document | {
        "passed_over": list(choice.passed_over),
        "image": spec.image,
        "image_digest": spec.image_digest,
        "seccomp": spec.seccomp,
        "engine_words": engine_words,
        "sources": find_sources(policy_path),
    }


def find_sources(policy_path: Path) -> dict[str, str]:
    """``FILE:LINE`` of the policy for each control, or that it is the default of a key."""
    try:
        with policy_path.open("rb") as file:
            _, positions = read_yaml(file.read(MAX_BYTES + 1), source=str(policy_path))
    except OSError as error:
        raise PolicyInvalid(f"cannot be read: {error}", where=str(policy_path)) from error
    return {control: _place(loc, positions, policy_path) for control, loc in _SOURCES.items()}


def _place(loc: tuple[str, ...], positions: Positions, path: Path) -> str:
    if loc in positions:
        return f"{path}:{positions[loc][0]}"
    return f"default of {'.'.join(loc)}"
