"""What mends a machine: lines of shell that a person can paste into a terminal.

What no command can do is a line that begins with ``#``. Nothing here runs anything.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

_ADMIN_PATH = "/usr/local/sbin:/usr/sbin:/sbin"
"""Where daemons lie that are not on an ordinary user's PATH."""
_SYSTEMD = Path("/run/systemd/system")
"""sd_booted(3) looks for it."""


def as_root(command: str) -> str:
    """`command` as this user has to type it."""
    return command if os.geteuid() == 0 else f"sudo {command}"


def install(*packages: str) -> str:
    """Gets Debian packages; elsewhere it says which."""
    names = " ".join(packages)
    if shutil.which("apt-get") is None:
        return f"# install {names} (the names of Debian's packages)"
    return as_root(f"apt-get install --yes {names}")


def in_turn(*steps: str) -> str:
    """All that is to be done, one step a line; empty ones are left out."""
    return "\n".join(step for step in steps if step)


def is_installed(program: str) -> bool:
    """Whether a program is there, be it one for root alone."""
    return shutil.which(program) is not None or shutil.which(program, path=_ADMIN_PATH) is not None


def has_systemd() -> bool:
    return _SYSTEMD.is_dir()


def own_program(name: str) -> str:
    """Where a program of ours lies: on PATH, else beside this Python."""
    return shutil.which(name) or str(Path(sys.executable).with_name(name))


def get_module(requirement: str) -> str:
    """Installs a Python package for the interpreter that we run in."""
    return f"{sys.executable} -m pip install '{requirement}'"


def raise_open_files(limit: int) -> str:
    """More descriptors for this shell and what it starts."""
    return as_root(f"prlimit --pid $$ --nofile={limit}:{limit}")
