"""What a person does so that Podman can be used here. Reads a little, changes nothing."""

from __future__ import annotations

import os
from pathlib import Path

from magicrune.backends.oci.delegation import find_delegation, how_to_delegate
from magicrune.backends.oci.hierarchy import Hierarchy
from magicrune.backends.oci.userns import why_not
from magicrune.backends.rune.reach import Trouble, Unreachable, find_trouble
from magicrune.remedy import as_root, has_systemd, in_turn, install, is_installed, own_program

VARIABLE = "CONTAINER_HOST"
RUNTIME = "magicrune-runtime"
"""podman/runtime.py"""


def usual_address() -> str:
    """Where the service of this user listens."""
    own = os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.geteuid()}"
    place = "/run" if os.geteuid() == 0 else own
    return f"unix://{place}/podman/podman.sock"


def how_to_reach(found: Unreachable, hierarchy: Hierarchy) -> str:
    """What gives this user a service, given what is wrong with the address in use."""
    if not os.environ.get(VARIABLE):
        return _how_to_have(found, hierarchy)
    usual = find_trouble(usual_address())
    rest = "" if usual is None else _how_to_have(usual, hierarchy)
    return in_turn(f"unset {VARIABLE}", rest)


def how_to_hold(hierarchy: Hierarchy) -> str:
    """What lets a service that runs limit memory, processes and processors."""
    if os.geteuid() != 0 and hierarchy.version == 2:
        restart = "systemctl --user restart podman.socket" if has_systemd() else ""
        return in_turn(how_to_delegate(hierarchy), restart)
    return in_turn(_how_to_end(), _how_to_start(hierarchy))


def _how_to_have(found: Unreachable, hierarchy: Hierarchy) -> str:
    if found.trouble is Trouble.FORBIDDEN:
        return f"# {found.path} is not for this user: whose is it?"
    missing = "" if is_installed("podman") else install("podman")
    namespace = "" if os.geteuid() == 0 else why_not()[1]
    return in_turn(missing, namespace, _how_to_start(hierarchy))


def _how_to_start(hierarchy: Hierarchy) -> str:
    """The service, told what it needs on this host's control groups."""
    user = os.geteuid() != 0
    if hierarchy.version == 2 and has_systemd():
        return f"systemctl{' --user' if user else ''} enable --now podman.socket"
    needs_runc = hierarchy.version == 1 and (user or hierarchy.unified_beside)
    groups = ""
    options = ""
    if needs_runc and user:
        groups = "" if find_delegation(hierarchy) else how_to_delegate(hierarchy)
        options = f" --cgroup-manager cgroupfs --runtime {own_program(RUNTIME)}"
    elif needs_runc:  # crun 1.8 takes a hybrid host for version 2
        options = " --runtime runc"
    missing = install("runc") if needs_runc and not is_installed("runc") else ""
    address = usual_address()
    place = Path(address.removeprefix("unix://")).parent
    service = f"podman{options} system service --time=0 {address}"
    start = f"mkdir -p {place} && (cd / && nohup {service} >/dev/null 2>&1 &)"
    return in_turn(missing, groups, _how_to_have_place(place.parent), start)


def _how_to_have_place(place: Path) -> str:
    """A directory that is made when a person logs in, and is not there without that."""
    if os.geteuid() == 0 or place.is_dir():
        return ""
    return as_root(f"install -d -o {os.geteuid()} -m 700 {place}")


def _how_to_end() -> str:
    if has_systemd():
        return f"systemctl{'' if os.geteuid() == 0 else ' --user'} stop podman.socket podman"
    return f"while pkill -u {os.geteuid()} -f '^[^ ]*podman .*system service'; do sleep 1; done"
