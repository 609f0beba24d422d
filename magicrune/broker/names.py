"""Addresses that stand for names inside a sandbox: one of each family for each name. Pure."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

from magicrune.hosts import Address
from magicrune.special import SYNTHETIC_4, SYNTHETIC_6


class Names:
    """The names of one run, in the order in which they were asked for."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._names: list[str] = []

    def __len__(self) -> int:
        return len(self._names)

    def __contains__(self, name: str) -> bool:
        return name in self._numbers

    def addresses_of(self, name: str) -> tuple[IPv4Address, IPv6Address]:
        """What stands for a canonical name; the same for the whole run."""
        number = self._numbers.get(name)
        if number is None:
            self._names.append(name)
            number = self._numbers[name] = len(self._names)
        return SYNTHETIC_4[number], SYNTHETIC_6[number]

    def name_of(self, address: Address) -> str | None:
        """The name that an address stands for; None: for none that was asked for."""
        base = SYNTHETIC_4 if isinstance(address, IPv4Address) else SYNTHETIC_6
        number = int(address) - int(base.network_address)
        if not 1 <= number <= len(self._names):
            return None
        return self._names[number - 1]

    def aliases(self) -> dict[str, str]:
        """Every address that stands for a name, and the name."""
        return {str(each): name for name in self._names for each in self.addresses_of(name)}
