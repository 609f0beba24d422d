"""Whether an engine's daemon answers at all, before its SDK is imported and tried.

The SDKs leave sockets open where nobody answers, and take a tenth of a second to say so.
"""

from __future__ import annotations

import socket
from pathlib import Path

_PATIENCE_S = 5.0
_UNIX = "unix://"


def why_unreachable(address: str) -> str:
    """What is wrong with a daemon's address; empty where it takes connections.

    Only sockets of this machine are: the channel to init is one as well.
    """
    if not address.startswith(_UNIX):
        return f"{address} is not a socket of this machine (unix://...)"
    path = address.removeprefix(_UNIX)
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(_PATIENCE_S)
        try:
            probe.connect(path)
        except OSError as error:
            found = "" if Path(path).exists() else ", there is no such socket"
            return f"{path}: {error.strerror or error}{found}"
    return ""
