"""What a crash left of OCI containers: found by their names, removed with their owner gone."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from magicrune.owner import is_left

_PATIENCE_S = 10.0


def find_orphans(home: Path) -> tuple[str, ...]:
    """Names of containers whose owner has ended: of their bundles, and of what the runtimes
    keep of them in ``state``."""
    places = (*home.glob("magicrune-*"), *(home / "state").glob("magicrune-*"))
    return tuple(sorted({place.name for place in places if is_left(place.name)}))


def remove_orphan(home: Path, name: str, runtimes: Iterable[str]) -> bool:
    """Ends a container if it lives, and removes it and its bundle; whether all is gone."""
    bundle, state = home / name, home / "state"
    for runtime in runtimes:
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            subprocess.run(  # noqa: S603 - a runtime that we found
                [runtime, "--root", str(state), "delete", "--force", name],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_PATIENCE_S,
                check=False,
            )
    shutil.rmtree(bundle, ignore_errors=True)
    return not bundle.exists() and not (state / name).exists()
