"""What a crash left of OCI containers: found by their bundles, removed with their owner gone."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from magicrune.backends.rune.container import OWNER_LABEL
from magicrune.backends.rune.owner import is_gone

_YOUNG_S = 10.0
"""A bundle may be without its configuration for so long: it is being made."""
_PATIENCE_S = 10.0


def find_orphans(home: Path) -> Iterator[Path]:
    """Bundles below `home` whose owner has ended."""
    for bundle in sorted(home.glob("magicrune-*")):
        try:
            config = json.loads((bundle / "config.json").read_bytes())
            orphan = is_gone(str(config["annotations"][OWNER_LABEL]))
        except (OSError, ValueError, KeyError, TypeError):
            orphan = _age(bundle) > _YOUNG_S
        if orphan:
            yield bundle


def remove_orphan(bundle: Path, state: Path, runtimes: Iterable[str]) -> bool:
    """Ends the container of a bundle if it lives, and removes both; whether all is gone."""
    for runtime in runtimes:
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            subprocess.run(  # noqa: S603 - a runtime that we found
                [runtime, "--root", str(state), "delete", "--force", bundle.name],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_PATIENCE_S,
                check=False,
            )
    shutil.rmtree(bundle, ignore_errors=True)
    return not bundle.exists() and not (state / bundle.name).exists()


def _age(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except OSError:
        return 0.0
