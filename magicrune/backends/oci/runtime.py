"""Whether a runtime that a policy names can be spoken with: init gets our socket from it."""

from __future__ import annotations

import subprocess
from pathlib import Path

from magicrune.errors import BackendUnavailable

_PATIENCE_S = 20.0
_OPTION = "preserve-fds"


def require_descriptors(runtime: str) -> None:
    """Raises BackendUnavailable for a runtime whose ``run`` hands no descriptor to a container,
    by what its help says (crun, runc and youki have the option, gVisor's runsc has not)."""
    try:
        told = subprocess.run(  # noqa: S603 - the runtime that we found
            [runtime, "run", "--help"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PATIENCE_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BackendUnavailable(
            f"cannot be asked for its options: {error}", where=runtime
        ) from error
    if _OPTION.encode() not in told.stdout + told.stderr:
        name = Path(runtime).name
        raise BackendUnavailable(
            f"{name} hands no socket to a container: its run has no --{_OPTION}",
            where="runtime.oci_runtime of the policy",
            hint=f"# crun or runc; or the backend docker, where the daemon has {name}",
        )
