"""Address ranges that are not plain internet: which they are, and what opens them.

A range is reached only by a rule that lies within it, so `0.0.0.0/0` opens none of them.
Admission, rules and the broker all ask here, so they cannot disagree.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from magicrune.errors import PatternInvalid
from magicrune.hosts import Address, canonical_host
from magicrune.netrule import NetRule, Network

__all__ = [
    "SPECIAL_RANGES",
    "SYNTHETIC_4",
    "SYNTHETIC_6",
    "SpecialRange",
    "canonical_address",
    "covers",
    "find_range",
    "is_loopback_rule",
    "is_one_address",
    "is_synthetic",
    "reaches",
]


@dataclass(frozen=True, slots=True)
class SpecialRange:
    """Addresses with one meaning; `name` says it to a person."""

    network: Network
    name: str
    source: str
    """Where the range is set down."""


def _range(network: str, name: str, source: str) -> SpecialRange:
    kind = IPv6Network if ":" in network else IPv4Network
    return SpecialRange(kind(network), name, source)


SPECIAL_RANGES: tuple[SpecialRange, ...] = (
    _range("0.0.0.0/8", "this network", "RFC 791"),
    _range("10.0.0.0/8", "private", "RFC 1918"),
    _range("100.64.0.0/10", "shared (CGNAT)", "RFC 6598"),
    _range("127.0.0.0/8", "loopback", "RFC 1122"),
    _range("168.63.129.16/32", "metadata (Azure)", "Azure, IP address 168.63.129.16"),
    _range("169.254.0.0/16", "link-local, metadata", "RFC 3927"),
    _range("172.16.0.0/12", "private", "RFC 1918"),
    _range("192.0.0.0/24", "IETF protocols", "RFC 6890"),
    _range("192.0.2.0/24", "documentation", "RFC 5737"),
    _range("192.88.99.0/24", "6to4 relay", "RFC 7526"),
    _range("192.168.0.0/16", "private", "RFC 1918"),
    _range("198.18.0.0/15", "benchmarking", "RFC 2544"),
    _range("198.51.100.0/24", "documentation", "RFC 5737"),
    _range("203.0.113.0/24", "documentation", "RFC 5737"),
    _range("224.0.0.0/4", "multicast", "RFC 5771"),
    _range("240.0.0.0/4", "reserved", "RFC 1112"),
    _range("255.255.255.255/32", "broadcast", "RFC 919"),
    _range("::/3", "not global unicast", "RFC 4291"),
    _range("::/96", "IPv4-compatible, unspecified", "RFC 4291"),
    _range("::1/128", "loopback", "RFC 4291"),
    _range("::ffff:0:0/96", "IPv4-mapped", "RFC 4291"),
    _range("::ffff:0:0:0/96", "IPv4-translated", "RFC 2765"),
    _range("64:ff9b::/96", "IPv4 by NAT64", "RFC 6052"),
    _range("64:ff9b:1::/48", "IPv4 by NAT64, local", "RFC 8215"),
    _range("100::/64", "discard", "RFC 6666"),
    _range("2001::/23", "IETF protocols, Teredo, benchmarking, ORCHID", "RFC 2928"),
    _range("2001:db8::/32", "documentation", "RFC 3849"),
    _range("2002::/16", "6to4", "RFC 3056"),
    _range("3fff::/20", "documentation", "RFC 9637"),
    _range("4000::/2", "not global unicast", "RFC 4291"),
    _range("5f00::/16", "segment routing", "RFC 9602"),
    _range("8000::/1", "not global unicast", "RFC 4291"),
    _range("fc00::/7", "unique local, metadata", "RFC 4193"),
    _range("fe80::/10", "link-local", "RFC 4291"),
    _range("fec0::/10", "site-local", "RFC 3879"),
    _range("ff00::/8", "multicast", "RFC 4291"),
)
"""After the IANA IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890), with what
IANA does not hold: multicast, translations, a cloud's metadata at a public address."""

SYNTHETIC_4 = IPv4Network("198.18.0.0/15")
SYNTHETIC_6 = IPv6Network("fdff:6d61:6769:63::/64")
"""What granted names resolve to inside a sandbox. Nothing of ours ever dials them."""

_LOOPBACK_4 = IPv4Network("127.0.0.0/8")
_LOOPBACK_6 = IPv6Network("::1/128")


def find_range(
    address: Address, table: Iterable[SpecialRange] = SPECIAL_RANGES
) -> SpecialRange | None:
    """The smallest special range that `address` lies in."""
    return _smallest(each for each in table if address in each.network)


def is_synthetic(address: Address) -> bool:
    """Whether it stands for a name, inside a sandbox only."""
    return address in SYNTHETIC_4 or address in SYNTHETIC_6


def reaches(
    rule: NetRule,
    host: str | Address,
    port: int | None,
    table: Iterable[SpecialRange] = SPECIAL_RANGES,
) -> bool:
    """Whether `rule` allows that destination; any port where `port` is None.

    Unlike `NetRule.matches`, an address of a special range needs a rule within that range.
    `host` may be a name or an address literal. What cannot be read is allowed by nothing.
    """
    try:
        found = canonical_host(host) if isinstance(host, str) else host
    except PatternInvalid:
        return False
    if port is not None and not rule.ports[0] <= port <= rule.ports[1]:
        return False
    if not rule.matches_canonical(found):
        return False
    if isinstance(found, str):
        return True
    special = find_range(found, table)
    return special is None or _within(rule.network, special.network)


def covers(ceiling: NetRule, wish: NetRule) -> bool:
    """Whether all that `wish` reaches is reached by `ceiling`, too.

    Stricter than `NetRule.covers`: `10.0.0.0/8` opens what `0.0.0.0/0` does not.
    """
    if not ceiling.covers(wish):
        return False
    if wish.network is None:
        return True
    special = _smallest(each for each in SPECIAL_RANGES if _within(wish.network, each.network))
    return special is None or _within(ceiling.network, special.network)


def is_loopback_rule(rule: NetRule) -> bool:
    """Whether the rule is about a machine's own loopback only."""
    if rule.name is not None:
        return rule.name == "localhost" or rule.name.endswith(".localhost")
    return _within(rule.network, _LOOPBACK_4) or _within(rule.network, _LOOPBACK_6)


def is_one_address(rule: NetRule) -> bool:
    """Whether the rule names a single address, and no name."""
    return rule.network is not None and rule.network.num_addresses == 1


def _smallest(ranges: Iterable[SpecialRange]) -> SpecialRange | None:
    return max(ranges, key=lambda each: each.network.prefixlen, default=None)


def _within(inner: Network | None, outer: Network) -> bool:
    if isinstance(outer, IPv4Network):
        return isinstance(inner, IPv4Network) and inner.subnet_of(outer)
    return isinstance(inner, IPv6Network) and inner.subnet_of(outer)


def canonical_address(address: Address) -> Address:
    """IPv4-mapped IPv6 as the IPv4 that the kernel would connect to."""
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return IPv4Address(address.ipv4_mapped)
    return address
