"""What mends a container that an engine or a runtime would not start, by what it said."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from magicrune.remedy import in_turn, raise_open_files

if TYPE_CHECKING:
    from magicrune.backends.rune.container import Container

_FILES_MIN = 1024
"""That of most shells; a policy may grant more."""


def how_to_start(said: str, container: Container) -> str:
    """`said` is the engine's or the runtime's own word; empty where it is not known."""
    if "RLIMIT_NOFILE" in said:
        return raise_open_files(max(_FILES_MIN, container.open_files))
    if "runtime name" in said or "unknown runtime" in said:
        return how_to_name(container.oci_runtime or "NAME")
    return ""


def how_to_name(runtime: str) -> str:
    """What makes `runtime` known to Docker."""
    entry = json.dumps({"runtimes": {runtime: {"path": f"/usr/bin/{runtime}"}}})
    return in_turn(
        f"# in /etc/docker/daemon.json: {entry}, then restart dockerd;",
        "# or another runtime.oci_runtime in the policy",
    )
