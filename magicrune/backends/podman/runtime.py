"""``magicrune-runtime``: runc with limits, for the Podman of an ordinary user on cgroup version 1.

There Podman leaves all limits out. Its service is started with this program as its runtime
(``podman --runtime``); for containers of ours, which say their limits in an annotation, it puts
runc into the control group that root gave to the user, and gives it the limits.
Everything else goes to runc as it is.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from magicrune.backends.oci.delegation import Delegation, Groups, find_delegation, remove_group
from magicrune.backends.oci.hierarchy import read_hierarchy
from magicrune.backends.podman.create import LIMITS
from magicrune.backends.rune.container import OWNER_LABEL
from magicrune.owner import sign

NAME = "magicrune-runtime"
_RUNC = "runc"


def main() -> int:
    """As a runtime: what Podman asks for, by runc."""
    words = sys.argv[1:]
    hierarchy = read_hierarchy()
    delegation = find_delegation(hierarchy) if hierarchy.version == 1 else None
    if delegation is not None and "create" in words and "--bundle" in words:
        return _create(words, Path(words[words.index("--bundle") + 1]), delegation)
    if delegation is not None and "delete" in words:
        return _delete(words, delegation)
    return _run(words, None)


def _create(words: list[str], bundle: Path, delegation: Delegation) -> int:
    path = bundle / "config.json"
    config = json.loads(path.read_bytes())
    told = config.get("annotations") or {}
    if LIMITS not in told or config["linux"].get("resources", {}).get("memory"):
        return _run(words, None)
    resources = json.loads(told[LIMITS])
    if not read_hierarchy().counts_swap:
        del resources["memory"]["swap"]
    config["linux"]["resources"] = resources
    path.write_text(json.dumps(config))
    groups = Groups(delegation, sign(f"magicrune-{words[-1][:24]}", str(told[OWNER_LABEL])))
    groups.make_bare()
    done = _run(words, groups)
    if done:
        groups.remove()
    return done


def _delete(words: list[str], delegation: Delegation) -> int:
    """runc removes its own group in ours; then ours."""
    done = _run(words, None)
    for above in delegation.directories:
        for place in above.glob(f"magicrune-{words[-1][:24]}.*"):
            remove_group(place)
    return done


def _run(words: list[str], groups: Groups | None) -> int:
    # Everything that conmon gave goes on to runc: streams, descriptors, environment.
    return subprocess.run(  # noqa: S603 - the caller's words; one thread
        [_RUNC, *words],
        close_fds=False,
        check=False,
        preexec_fn=groups.join if groups is not None else None,
    ).returncode


if __name__ == "__main__":
    sys.exit(main())
