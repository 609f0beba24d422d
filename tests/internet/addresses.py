"""Who lives where. A slot is a number that no other internet on this machine has."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from ipaddress import IPv6Address, ip_address

ZONE = "net.example"


@dataclass(frozen=True)
class Addresses:
    """11.0.0.0/8 and 2dff::/16 are no special range and are routed nowhere from here."""

    slot: int

    def public4(self, host: int) -> str:
        return f"11.77.{self.slot}.{host}"

    def public6(self, host: int) -> str:
        return str(IPv6Address(f"2dff:77:{self.slot:x}::{host:x}"))

    @property
    def executor4(self) -> str:
        """This machine's own, on the wire to the internet; a gateway in the hosts' eyes."""
        return self.public4(1)

    @property
    def executor6(self) -> str:
        return self.public6(1)

    @property
    def web4(self) -> str:
        return self.public4(10)

    @property
    def web6(self) -> str:
        return self.public6(10)

    @property
    def other4(self) -> str:
        """A site that the tests allow to nobody."""
        return self.public4(11)

    @property
    def other6(self) -> str:
        return self.public6(11)

    @property
    def resolver4(self) -> str:
        return self.public4(53)

    @property
    def resolver6(self) -> str:
        return self.public6(53)

    @property
    def plain4(self) -> str:
        """The container on the plain bridge: the positive control."""
        return self.public4(100)

    @property
    def plain6(self) -> str:
        return self.public6(100)

    @property
    def inner4(self) -> str:
        return f"10.77.{self.slot}.10"

    @property
    def inner6(self) -> str:
        return f"fd77:{self.slot:x}::10"

    @cached_property
    def special(self) -> dict[str, str]:
        """One address of each special range that Linux lets a host have, by a short name."""
        n = self.slot
        inner = (10 << 24) + (77 << 16) + (n << 8) + 10
        high, low = inner >> 16, inner & 0xFFFF
        texts = {
            "private10": self.inner4,
            "private172": f"172.31.{n}.10",
            "private192": f"192.168.{200 + n % 50}.{n}",
            "cgnat": f"100.64.77.{n}",
            "linklocal": f"169.254.77.{n}",
            "documentation1": f"198.51.100.{n}",
            "documentation2": f"203.0.113.{n}",
            "benchmark": f"198.18.77.{n}",
            "reserved": f"240.77.0.{n}",
            "protocols": f"192.0.0.{n}",
            "relay6to4": f"192.88.99.{n}",
            "ula": self.inner6,
            "sitelocal": f"fec0:77:{n:x}::10",
            "documentation6": f"2001:db8:77:{n:x}::10",
            "nat64": f"64:ff9b::{high:x}:{low:x}",
            "nat64local": f"64:ff9b:1::{high:x}:{low:x}",
            "sixtofour": f"2002:{high:x}:{low:x}::1",
            "teredo": f"2001:0:77:{n:x}::10",
            "discard": f"100::77:{n:x}",
            "compatible": f"::{high:x}:{low:x}",
        }
        return {name: str(ip_address(text)) for name, text in texts.items()}

    @property
    def hosts4(self) -> list[str]:
        """All IPv4 addresses of the internet's servers."""
        public = [self.public4(host) for host in (10, 11, 12, 53, *range(20, 28))]
        return [*public, *(each for each in self.special.values() if ":" not in each)]

    @property
    def hosts6(self) -> list[str]:
        public = [self.public6(host) for host in (10, 11, 12, 53, *range(20, 28))]
        return [*public, *(each for each in self.special.values() if ":" in each)]


METADATA4 = "169.254.169.254"
METADATA6 = "fd00:ec2::254"
"""The clouds' metadata services: one address on any machine, so `Internet.metadata()` lends it."""
LINK_LOCAL = {"servers": "fe80::77:10", "executor": "fe80::77:1", "plain": "fe80::77:100"}
