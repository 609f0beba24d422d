"""Which addresses are the executor's own, asked of its kernel."""

from __future__ import annotations

import errno
import socket
from ipaddress import IPv4Address

from magicrune.hosts import Address

EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
"""What the kernel says where this process or machine has no more."""
_NOT_OURS = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}


def is_own_address(address: Address) -> bool:
    """Whether the executor's machine has the address: whether a socket can be bound to it.

    What cannot be found out counts as its own. Raises OSError where nothing can be tried
    (EXHAUSTED).
    """
    family = socket.AF_INET if isinstance(address, IPv4Address) else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as probe:
            probe.bind((str(address), 0))
    except OSError as error:
        if error.errno in EXHAUSTED:
            raise
        return error.errno not in _NOT_OURS
    return True
