"""What a person does so that Docker can be used here. Reads a little, changes nothing."""

from __future__ import annotations

import grp
import os
from pathlib import Path

from magicrune.backends.oci.delegation import how_to_delegate
from magicrune.backends.oci.hierarchy import Hierarchy
from magicrune.backends.rune.reach import Trouble, Unreachable, find_trouble
from magicrune.remedy import as_root, has_systemd, in_turn, install, is_installed
from magicrune.subids import user_name

VARIABLE = "DOCKER_HOST"
SOCKET = "unix:///var/run/docker.sock"
_GROUP = "docker"
_TLS = "DOCKER_TLS_VERIFY"
"""Of a daemon far away: the SDK wants certificates then, and does not use the socket."""


def how_to_reach(found: Unreachable, hierarchy: Hierarchy) -> str:
    """What lets this user reach a daemon, given what is wrong with the address in use."""
    if os.environ.get(_TLS) and found.trouble is Trouble.DEAF:
        return f"unset {_TLS}"
    named = bool(os.environ.get(VARIABLE))
    if named:
        usual = find_trouble(SOCKET)
        rest = "" if usual is None else _how_to_reach(usual)
        return in_turn(f"unset {VARIABLE}", rest)
    own = f"unix://{_runtime_dir()}/docker.sock"
    if os.geteuid() != 0 and hierarchy.version == 2 and find_trouble(own) is None:
        return f"export {VARIABLE}={own}"
    return _how_to_reach(found)


def how_to_hold(hierarchy: Hierarchy) -> str:
    """What lets the daemon of an ordinary user limit memory, processes and processors."""
    if hierarchy.version == 2:
        return in_turn(how_to_delegate(hierarchy), "systemctl --user restart docker")
    return in_turn(
        "# Docker of an ordinary user limits nothing on control groups of version 1;",
        "# oci (crun, runc) does, and root's Docker does:",
        f"unset {VARIABLE}",
    )


def _how_to_reach(found: Unreachable) -> str:
    if found.trouble is Trouble.FORBIDDEN:
        return _how_to_enter(found.path)
    missing = "" if is_installed("dockerd") else install("docker.io")
    return in_turn(missing, restart())


def restart() -> str:
    """Starts the daemon of root, or starts it again."""
    if has_systemd():
        return as_root("systemctl enable docker && ") + as_root("systemctl restart docker")
    return as_root("sh -c 'cd / && nohup dockerd >/var/log/dockerd.log 2>&1 &'")


def _how_to_enter(path: str) -> str:
    """Rights for the socket: those of its group."""
    try:
        number = Path(path).stat().st_gid
        group, members = grp.getgrgid(number)[0], grp.getgrgid(number)[3]
    except (OSError, KeyError):
        return f"# the directory of {path} is not for user {user_name()}"
    warning = f"# whoever is in group {_GROUP} can become root"
    join = as_root(f"usermod --append --groups {_GROUP} {user_name()}")
    if number == 0:
        make = as_root(f"groupadd --force {_GROUP}")
        return in_turn(warning, make, "# end dockerd", restart(), join, f"newgrp {_GROUP}")
    if user_name() in members:
        return in_turn("# or log in again", f"newgrp {group}")
    return in_turn(warning, join.replace(f" {_GROUP} ", f" {group} "), f"newgrp {group}")


def _runtime_dir() -> str:
    return os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.geteuid()}"
