"""Network namespaces, wires and routes; made by ``ip``, gone with the namespaces."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from tests.engines import absent
from tests.internet.addresses import LINK_LOCAL, METADATA4, METADATA6, Addresses

Made = TypeVar("Made")
_SLOTS = range(1, 50)
_LOCKS = Path("/run/lock")
_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def ip(*words: str, netns: str = "", check: bool = True) -> None:
    prefix = ["ip", "-n", netns] if netns else ["ip"]
    done = subprocess.run([*prefix, *words], capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise RuntimeError(f"ip {' '.join(words)}: {done.stderr}")


def within(netns: str, act: Callable[[], Made]) -> Made:
    """`act()` in a thread of its own that is in `netns`: its sockets stay there."""
    made: list[Made] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            enter(netns)
            made.append(act())
        except BaseException as error:  # noqa: BLE001 - raised again by who waits
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return made[0]


def enter(netns: str) -> None:
    """Moves the calling thread into `netns`, for good."""
    with Path(f"/run/netns/{netns}").open() as file:
        if _libc.setns(file.fileno(), _CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f"setns {netns}")


@contextmanager
def slot() -> Iterator[int]:
    """A number that is ours until we end, however we end; leftovers under it are removed."""
    if os.geteuid() or not all(map(shutil.which, ("ip", "git", "openssl"))):
        absent("the test internet needs root, iproute2, git and openssl: sh scripts/engines.sh")
    _LOCKS.mkdir(parents=True, exist_ok=True)
    for number in _SLOTS:
        with (_LOCKS / f"magicrune-internet-{number}").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            yield number
            return
    raise RuntimeError("no slot for a test internet is free")


@contextmanager
def wires(addresses: Addresses) -> Iterator[tuple[str, str]]:
    """The namespaces (servers, plain): a bridge with the servers' addresses, this machine and
    the plain container's place on it, with routes of this machine to each address alone."""
    servers, plain = f"mr{addresses.slot}", f"mr{addresses.slot}p"
    _remove(servers, plain)
    try:
        _lay(addresses, servers, plain)
        yield servers, plain
    finally:
        _remove(servers, plain)


def _remove(*names: str) -> None:
    for name in names:
        ip("netns", "del", name, check=False)
        ip("link", "del", name, check=False)  # our end, where the namespace lives on in a process


def _lay(addresses: Addresses, servers: str, plain: str) -> None:
    for name in (servers, plain):
        ip("netns", "add", name)
        ip("link", "set", "lo", "up", netns=name)
    within(plain, lambda: Path("/proc/sys/net/ipv4/ping_group_range").write_text("0 2147483647"))
    ip("link", "add", "br0", "type", "bridge", netns=servers)
    _link_local("br0", LINK_LOCAL["servers"], servers)
    ip("link", "set", "br0", "up", netns=servers)
    ip("link", "add", servers, "type", "veth", "peer", "host", "netns", servers)
    ip("link", "add", "plain", "netns", servers, "type", "veth", "peer", "eth0", "netns", plain)
    for port in ("host", "plain"):
        ip("link", "set", port, "master", "br0", "up", netns=servers)
    for text in addresses.hosts4:
        ip("addr", "add", f"{text}/32", "dev", "br0", netns=servers)
    for text in addresses.hosts6:
        ip("-6", "addr", "add", f"{text}/128", "dev", "br0", "nodad", netns=servers)
    _link_local(servers, LINK_LOCAL["executor"], "")
    _link_local("eth0", LINK_LOCAL["plain"], plain)
    _attach(addresses, "", servers, (addresses.executor4, addresses.executor6))
    _attach(addresses, plain, "eth0", (addresses.plain4, addresses.plain6))
    back4, back6 = addresses.public4(0) + "/24", addresses.public6(0) + "/64"
    ip("route", "add", back4, "dev", "br0", netns=servers)
    ip("-6", "route", "add", back6, "dev", "br0", netns=servers)
    ip("route", "add", "default", "dev", "eth0", netns=plain)
    ip("-6", "route", "add", "default", "dev", "eth0", netns=plain)


def _link_local(device: str, address: str, netns: str) -> None:
    """That address and no other: the kernel makes one up for each device that is up."""
    ip("link", "set", device, "addrgenmode", "none", netns=netns)
    ip("-6", "addr", "add", f"{address}/64", "dev", device, "nodad", netns=netns)


def _attach(addresses: Addresses, netns: str, device: str, own: tuple[str, str]) -> None:
    """Addresses and routes of a neighbour of the servers."""
    ip("addr", "add", own[0] + "/24", "dev", device, netns=netns)
    ip("-6", "addr", "add", own[1] + "/64", "dev", device, "nodad", netns=netns)
    ip("link", "set", device, "up", netns=netns)
    for text in addresses.special.values():
        version = "-6" if ":" in text else "-4"
        ip(version, "route", "add", text, "dev", device, netns=netns)


@contextmanager
def metadata(addresses: Addresses) -> Iterator[None]:
    """While it is open, this machine's way to the metadata addresses leads to the servers."""
    servers, device = f"mr{addresses.slot}", f"mr{addresses.slot}"
    with (_LOCKS / "magicrune-internet-metadata").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with contextlib.ExitStack() as undo:
            for version, text in (("-4", METADATA4), ("-6", METADATA6)):
                bits = "32" if version == "-4" else "128"
                nodad = [] if version == "-4" else ["nodad"]
                words = [f"{text}/{bits}", "dev", "br0", *nodad]
                ip(version, "addr", "replace", *words, netns=servers)
                ip(version, "route", "replace", text, "dev", device)
                undo.callback(ip, version, "route", "del", text, "dev", device)
            yield
