"""What a request would get, in the engine's own words, and which line grants it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from magicrune.admission import net_ceilings
from magicrune.errors import MagicRuneError, PolicyInvalid, PolicyViolation
from magicrune.netrule import NetRule
from magicrune.pipeline import prepare, rehearse
from magicrune.plainfile import open_plain
from magicrune.policy import load_policy
from magicrune.policy_text import MAX_BYTES, Positions, read_yaml

if TYPE_CHECKING:
    from magicrune.backends.select import Choice
    from magicrune.policy_model import Policy
    from magicrune.request import SpellRequest

_SOURCES: dict[str, tuple[str, ...]] = {
    "mounts (writable)": ("capabilities", "fs", "allow"),
    "mounts (read-only)": ("capabilities", "fs", "readonly"),
    "network": ("capabilities", "net", "allow"),
    "network (unsafe loopback)": ("capabilities", "net", "unsafe_host_loopback"),
    "network (resolvers)": ("capabilities", "net", "resolvers"),
    "net_connections": ("limits", "net_connections"),
    "net_open_connections": ("limits", "net_open_connections"),
    "net_sent_bytes": ("limits", "net_sent_bytes"),
    "net_received_bytes": ("limits", "net_received_bytes"),
    "net_names": ("limits", "net_names"),
    "net_queries": ("limits", "net_queries"),
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
    network = trace_network(request, policy, policy_path)
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
        "network": network,
        "sources": find_sources(policy_path),
    }


def trace_network(
    request: SpellRequest, policy: Policy, policy_path: Path
) -> list[dict[str, str | list[str]]]:
    """Each entry of `allow_net`, with the lines of the policy that cover it.

    Raises PolicyViolation for one that no line covers; the hint is the line to add, and where.
    """
    positions = _positions(policy_path)
    traced: list[dict[str, str | list[str]]] = []
    for number, entry in enumerate(request.allow_net):
        key, found = net_ceilings(NetRule.parse(entry), policy.capabilities.net)
        loc = ("capabilities", "net", key)
        if not found:
            near = next(each for each in (loc, loc[:2], loc[:1]) if each in positions)
            place = f"{policy_path}:{positions[near][0]}"
            raise PolicyViolation(
                f"{entry} is not granted by the policy",
                where=f"request.allow_net[{number}]",
                hint=f'to allow it, add to {".".join(loc)} ({place}) the line - "{entry}"',
            )
        lines = [_place((*loc, index), positions, policy_path) for index in found]
        traced.append({"entry": entry, "granted_by": f"{'.'.join(loc)}", "lines": lines})
    return traced


def find_sources(policy_path: Path) -> dict[str, str]:
    """``FILE:LINE`` of the policy for each control, or that it is the default of a key."""
    positions = _positions(policy_path)
    return {control: _place(loc, positions, policy_path) for control, loc in _SOURCES.items()}


def _positions(policy_path: Path) -> Positions:
    try:
        with open_plain(policy_path) as file:
            return read_yaml(file.read(MAX_BYTES + 1), source=str(policy_path))[1]
    except (OSError, ValueError) as error:
        raise PolicyInvalid(f"cannot be read: {error}", where=str(policy_path)) from error


def _place(loc: tuple[str | int, ...], positions: Positions, path: Path) -> str:
    if loc in positions:
        return f"{path}:{positions[loc][0]}"
    return f"default of {'.'.join(map(str, loc))}"
