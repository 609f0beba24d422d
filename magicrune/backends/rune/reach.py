"""Whether an engine's daemon answers at all, before its SDK is imported and tried.

The SDKs leave sockets open where nobody answers, and take a tenth of a second to say so.
"""

from __future__ import annotations

import errno
import os
import socket
from dataclasses import dataclass
from enum import StrEnum

_PATIENCE_S = 5.0
_UNIX = "unix://"


class Trouble(StrEnum):
    """Why nobody answers."""

    REMOTE = "remote"
    """Not a socket of this machine."""
    ABSENT = "absent"
    """No such socket."""
    DEAF = "deaf"
    """A socket that nobody listens at, or that does not answer."""
    FORBIDDEN = "forbidden"
    """The socket, or a directory above it, is not for this user."""


@dataclass(frozen=True, slots=True)
class Unreachable:
    """A daemon that takes no connections; `path` is empty where it is a remote one."""

    trouble: Trouble
    path: str
    detail: str


def find_trouble(address: str) -> Unreachable | None:
    """What is wrong with a daemon's address; None where it takes connections.

    Only sockets of this machine do: the channel to init is one as well.
    """
    if not address.startswith(_UNIX):
        detail = f"{address} is not a socket of this machine (unix://...)"
        return Unreachable(Trouble.REMOTE, "", detail)
    path = address.removeprefix(_UNIX)
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(_PATIENCE_S)
        try:
            probe.connect(path)
        except OSError as error:
            return _explain(path, error)
    return None


def _explain(path: str, error: OSError) -> Unreachable:
    said = f"{path}: {error.strerror or error}"
    if error.errno in (errno.EACCES, errno.EPERM):
        return Unreachable(Trouble.FORBIDDEN, path, said)
    if os.path.lexists(path):
        return Unreachable(Trouble.DEAF, path, f"{said}, nobody listens there")
    return Unreachable(Trouble.ABSENT, path, f"{said}, there is no such socket")
