"""Where a job may connect to: one matcher for names, wildcards, addresses and ports.

Syntax and every decision about it stand in docs/policy.md, "Network entries".
"""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from magicrune.errors import PatternInvalid
from magicrune.hosts import (
    MAX_TEXT,
    Address,
    Destination,
    canonical_host,
    canonical_name,
    ends_in_number,
    parse_destination,
    read_ipv6,
    short,
    split_port,
)

__all__ = ["ANY_PORT", "Destination", "NetRule", "parse_destination"]

Network = IPv4Network | IPv6Network

ANY_PORT = (1, 65535)

_PORTS = re.compile(r"([1-9][0-9]{0,4})(?:-([1-9][0-9]{0,4}))?")
_PREFIX = re.compile(r"0|[1-9][0-9]{0,2}")
_PLAIN = "write HOST or HOST:PORT, without a path"
_MAPPED = IPv6Network("::ffff:0:0/96")
_COMPATIBLE = IPv6Network("::/96")
_LOOPBACK6 = IPv6Address("::1")

_REGISTRY_LABELS = """
ac co com edu ed firm gen go gob gouv gov gv id info ltd me mil ne net nhs nom or org plc
police sch school web
"""
_REGISTRIES = frozenset(_REGISTRY_LABELS.split())
"""Under a two-letter country code these are registries, not owners: ``*.co.uk``."""
_SHARED_NAMES = """
amazonaws.com appspot.com azureedge.net azurewebsites.net blogspot.com cloudfront.net
core.windows.net firebaseapp.com fly.dev github.io githubusercontent.com gitlab.io
herokuapp.com netlify.app ngrok-free.app ngrok.app ngrok.io onrender.com pages.dev r2.dev
readthedocs.io s3.amazonaws.com trycloudflare.com vercel.app web.app windows.net workers.dev
"""
_SHARED = frozenset(_SHARED_NAMES.split())
"""Anybody gets a name under these, so a wildcard over one allows everybody's."""


@dataclass(frozen=True, slots=True)
class NetRule:
    """One entry of an allowlist: hosts and ports.

    Either `name` is set (with `wildcard`: all names below it, not itself) or `network`.
    """

    text: str
    name: str | None
    wildcard: bool
    network: Network | None
    ports: tuple[int, int]

    @classmethod
    def parse(cls, text: str, *, where: str = "") -> NetRule:
        """Reads ``NAME``, ``*.NAME``, ``ADDRESS`` or ``CIDR``, each with ``:PORT[-PORT]``.

        IPv6 with a port is bracketed. Raises PatternInvalid, whose hint gives the
        accepted spelling where there is one.
        """
        try:
            return _parse(text)
        except PatternInvalid as error:
            raise PatternInvalid(error.message, where=where, hint=error.hint) from None

    def matches(self, host: str, port: int) -> bool:
        """Whether a connection to `host` (name or address literal) and `port` is allowed.

        A name is never matched by an address entry, nor an address by a name entry.
        What cannot be read matches nothing.
        """
        return self.ports[0] <= port <= self.ports[1] and self.matches_host(host)

    def matches_host(self, host: str) -> bool:
        """The same where the port is not known."""
        try:
            found = canonical_host(host)
        except PatternInvalid:
            return False
        return self.matches_canonical(found)

    def matches_canonical(self, found: str | Address) -> bool:
        """The same for what `canonical_host` gave."""
        if isinstance(found, str):
            return self._matches_name(found)
        return self.network is not None and _reachable(found) and found in self.network

    def _matches_name(self, name: str) -> bool:
        if self.name is None:
            return False
        return name.endswith("." + self.name) if self.wildcard else name == self.name

    def covers(self, other: NetRule) -> bool:
        """Whether everything that `other` matches is matched by this one, too."""
        if not (self.ports[0] <= other.ports[0] and other.ports[1] <= self.ports[1]):
            return False
        if other.network is not None:
            return self.network is not None and _holds(self.network, other.network)
        if other.name is None:
            return False
        if other.wildcard and self.wildcard and other.name == self.name:
            return True
        return self._matches_name(other.name) and self.wildcard >= other.wildcard

    def __str__(self) -> str:
        return self.text


def _holds(outer: Network, inner: Network) -> bool:
    if isinstance(outer, IPv4Network):
        return isinstance(inner, IPv4Network) and inner.subnet_of(outer)
    return isinstance(inner, IPv6Network) and inner.subnet_of(outer)


def _reachable(address: Address) -> bool:
    """False for what is no destination of its own, whatever network it lies in.

    Linux takes the unspecified address for loopback, so 0.0.0.0/0 must not match it as
    if it were some remote host; IPv4-compatible IPv6 is long gone (RFC 4291).
    """
    if address.is_unspecified:
        return False
    return address == _LOOPBACK6 or isinstance(address, IPv4Address) or address not in _COMPATIBLE


def _parse(text: str) -> NetRule:
    _check_shape(text)
    host, ports_text = split_port(text)
    ports = ANY_PORT if ports_text is None else _parse_ports(ports_text)
    if host.startswith("["):
        host = host[1:-1] if host.endswith("]") else host
        if ":" not in host or "[" in host:
            raise PatternInvalid(f"{short(text)}: brackets hold one IPv6 address or CIDR")
    if ":" in host or "/" in host:
        return NetRule(text, None, False, _parse_network(host), ports)
    wildcard = host.startswith("*.")
    bare = host.removeprefix("*.")
    if "*" in bare:
        raise PatternInvalid(
            f"{short(text)} is not a wildcard that we have", hint="write *.NAME, with no other *"
        )
    name = canonical_name(bare)
    if ends_in_number(name):
        if wildcard:
            raise PatternInvalid(f"{short(text)} is no name", hint="use CIDR for addresses")
        return NetRule(text, None, False, _parse_network(bare), ports)
    if wildcard:
        _check_wildcard(name, text)
    return NetRule(text, name, wildcard, None, ports)


def _check_shape(text: str) -> None:
    if not text or len(text) > MAX_TEXT:
        raise PatternInvalid(f"network entry is empty or longer than {MAX_TEXT} characters")
    if any(c.isspace() or not c.isprintable() for c in text):
        raise PatternInvalid(f"{short(text)} has a space or a control character")
    if "://" in text:
        raise PatternInvalid(f"{short(text)} is a URL", hint=_PLAIN)
    if "@" in text:
        raise PatternInvalid(f"{short(text)} has a user name", hint=_PLAIN)
    if "%" in text:
        raise PatternInvalid(f"{short(text)} has a zone or an escape", hint=_PLAIN)


def _check_wildcard(name: str, text: str) -> None:
    labels = name.split(".")
    registry = len(labels) == 2 and len(labels[1]) == 2 and labels[0] in _REGISTRIES
    if len(labels) < 2 or registry or name in _SHARED:
        raise PatternInvalid(
            f"{short(text)} is too broad: anybody can have a name under {name}",
            hint="name the hosts, or a domain of one owner: *.example.com",
        )


def _parse_ports(text: str) -> tuple[int, int]:
    found = _PORTS.fullmatch(text)
    low = int(found[1]) if found else 0
    high = int(found[2]) if found and found[2] else low
    if not 1 <= low <= high <= 65535:
        raise PatternInvalid(
            f"{short(text)} is not a port or range from 1 to 65535",
            hint="write :443 or :8080-8090; leave it out for any port",
        )
    return low, high


def _parse_network(text: str) -> Network:
    base, slash, prefix = text.partition("/")
    if slash and not re.fullmatch(r"[0-9./]+|[0-9a-fA-F:./]+", text):
        raise PatternInvalid(f"{short(text)} is neither a host nor a CIDR entry", hint=_PLAIN)
    address: Address = read_ipv6(base) if ":" in base else _read_plain_ipv4(base)
    length: int = address.max_prefixlen
    if slash:
        if not _PREFIX.fullmatch(prefix) or int(prefix) > length:
            raise PatternInvalid(
                f"{short(text)} is not a CIDR entry", hint="write ADDRESS/BITS, without a path"
            )
        length = int(prefix)
    network = _network(address, length)
    if network.network_address != address:
        raise PatternInvalid(f"{short(text)} has host bits set", hint=f"write {network}")
    if isinstance(network, IPv6Network) and network.subnet_of(_MAPPED):
        mapped = IPv4Address(int(network.network_address) & 0xFFFFFFFF)
        network = _network(mapped, length - 96)
    _check_reachable(network, text)
    return network


def _network(address: Address, length: int) -> Network:
    if isinstance(address, IPv4Address):
        return IPv4Network((address, length), strict=False)
    return IPv6Network((address, length), strict=False)


def _read_plain_ipv4(text: str) -> IPv4Address:
    try:
        return IPv4Address(text)
    except ValueError:
        hint = ""
        with contextlib.suppress(PatternInvalid):
            meant = canonical_host(text)
            hint = f"write {meant}" if isinstance(meant, IPv4Address) else ""
        raise PatternInvalid(f"{short(text)} is not a plain IPv4 address", hint=hint) from None


def _check_reachable(network: Network, text: str) -> None:
    if isinstance(network, IPv6Network) and network.subnet_of(_COMPATIBLE):
        if network.network_address == _LOOPBACK6:
            return
        raise PatternInvalid(
            f"{short(text)} is unspecified or IPv4-compatible IPv6", hint="write the IPv4 address"
        )
    if network.network_address.is_unspecified and network.prefixlen == network.max_prefixlen:
        raise PatternInvalid(f"{short(text)} is no destination", hint="write 0.0.0.0/0 for all")
