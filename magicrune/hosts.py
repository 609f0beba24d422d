"""One spelling for each host: names as lower-case ASCII, addresses as addresses.

Pure text and numbers: nothing is resolved here. The decisions about odd spellings stand
in docs/policy.md, "Network entries".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

from magicrune.errors import PatternInvalid

Address = IPv4Address | IPv6Address

MAX_TEXT = 300
"""The longest name (253, RFC 1035), brackets, prefix and ports fit."""
MAX_NAME = 253

_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER_LABEL = re.compile(r"[0-9]+|0x[0-9a-f]*")
_SCHEME_PORTS = {
    "http": 80,
    "https": 443,
    "ws": 80,
    "wss": 443,
    "ftp": 21,
    "ftps": 990,
    "ssh": 22,
    "sftp": 22,
    "scp": 22,
    "git": 9418,
    "git+http": 80,
    "git+https": 443,
    "git+ssh": 22,
    "rsync": 873,
    "telnet": 23,
}
"""Default ports as registered with IANA."""


@dataclass(frozen=True, slots=True)
class Destination:
    """What a program was told to connect to. `port` is None where it was not said."""

    host: str
    """As `canonical_host` spells it."""
    port: int | None

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port is None else f"{host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """The job's own machine: nothing leaves the sandbox."""
        try:
            host = canonical_host(self.host)
        except PatternInvalid:  # made by hand, of something that no reader would take
            return False
        if isinstance(host, str):
            return host == "localhost" or host.endswith(".localhost")
        return host.is_loopback


def canonical_host(text: str) -> str | Address:
    """The lower-case ASCII name without trailing dot, or the address, that `text` means.

    Odd IPv4 spellings (octal, hex, integer, short) are read as the C library does, since
    a program that is given one connects there; IPv4-mapped IPv6 becomes IPv4. Raises
    PatternInvalid for what is neither a name nor an address.
    """
    if len(text) > MAX_TEXT:
        raise PatternInvalid(f"host is longer than {MAX_TEXT} characters")
    if text.startswith("[") and text.endswith("]") and ":" in text:
        text = text[1:-1]
    if ":" in text:
        address = read_ipv6(text)
        return address.ipv4_mapped or address
    name = canonical_name(text)
    if not ends_in_number(name):
        return name
    loose = read_loose_ipv4(name)
    if loose is None:
        raise PatternInvalid(f"{short(text)} is neither a name nor an address")
    return loose


def canonical_name(text: str) -> str:
    """A DNS name as lower-case ASCII (IDNA 2008 after UTS 46 mapping), no trailing dot.

    Underscores are allowed (they occur in DNS). Raises PatternInvalid.
    """
    name = text.lower() if text.isascii() else _to_ascii(text)
    name = name.removesuffix(".")
    labels = name.split(".")
    if len(name) > MAX_NAME or not all(_LABEL.fullmatch(label) for label in labels):
        raise PatternInvalid(f"{short(text)} is not a host name or address")
    for label in labels:
        if label.startswith("xn--"):
            _check_alabel(label, text)
    return name


def _to_ascii(text: str) -> str:
    import idna  # here: its tables are slow to load, and most names need none

    try:
        return idna.encode(text, uts46=True, std3_rules=True, transitional=False).decode("ascii")
    except UnicodeError as error:  # idna.IDNAError is one
        raise PatternInvalid(f"{short(text)} is not a valid international name: {error}") from None


def _check_alabel(label: str, text: str) -> None:
    import idna

    try:
        idna.ulabel(label)
    except UnicodeError as error:
        raise PatternInvalid(f"{short(text)} is not a valid international name: {error}") from None


def ends_in_number(name: str) -> bool:
    """Whether the last label is a number: such a host is an IPv4 address or nothing."""
    return _NUMBER_LABEL.fullmatch(name.rpartition(".")[2]) is not None


def read_loose_ipv4(name: str) -> IPv4Address | None:
    """What inet_aton(3) makes of `name`: 1 to 4 parts, each decimal, octal or hex."""
    parts = name.split(".")
    if len(parts) > 4 or not all(_NUMBER_LABEL.fullmatch(part) for part in parts):
        return None
    try:
        numbers = [_read_number(part) for part in parts]
    except ValueError:  # 08, 0x
        return None
    *heads, last = numbers
    if any(head > 255 for head in heads) or last >= 256 ** (5 - len(parts)):
        return None
    total = last
    for position, head in enumerate(heads):
        total += head << (24 - 8 * position)
    return IPv4Address(total)


def _read_number(part: str) -> int:
    if part.startswith("0x"):
        return int(part[2:], 16)
    return int(part, 8) if part.startswith("0") else int(part)


def read_ipv6(text: str) -> IPv6Address:
    """An IPv6 address in any of its spellings, without zone. Raises PatternInvalid."""
    if "%" in text or not text.isascii():
        raise PatternInvalid(f"{short(text)} has a zone or is not ASCII")
    try:
        return IPv6Address(text)
    except ValueError:
        raise PatternInvalid(f"{short(text)} is not an IPv6 address") from None


def split_port(text: str) -> tuple[str, str | None]:
    """``HOST:PORT`` or ``[IPv6]:PORT`` in two; more than one bare colon is IPv6 alone."""
    if text.startswith("["):
        host, bracket, rest = text.partition("]")
        if rest and not rest.startswith(":"):
            raise PatternInvalid(f"{short(text)} has more after the bracket than a port")
        return host + bracket, rest[1:] if rest else None
    if text.count(":") == 1:
        host, _, port = text.partition(":")
        return host, port
    return text, None


def parse_destination(text: str) -> Destination:
    """What ``HOST``, ``HOST:PORT``, ``[IPv6]:PORT`` or a URL of a program's argument means.

    User names, paths and queries are skipped; the scheme gives the port where none is
    written. Raises PatternInvalid where no host can be read.
    """
    scheme, mark, rest = text.partition("://")
    port: int | None = None
    if mark:
        port = _SCHEME_PORTS.get(scheme.lower())
        if port is None:
            raise PatternInvalid(f"{short(text)} is not a URL of the network")
        text = rest
    authority = re.split(r"[/?#\\]", text, maxsplit=1)[0].rpartition("@")[2]
    host, written = split_port(authority)
    if written:
        if not re.fullmatch(r"[0-9]{1,10}", written) or int(written) > 65535:
            raise PatternInvalid(f"{short(written)} is not a port")
        port = int(written)
    return Destination(str(canonical_host(host)), port)


def read_resolver(text: str) -> tuple[Address, int]:
    """Address and port of a DNS server: ``ADDRESS``, ``IPv4:PORT`` or ``[IPv6]:PORT``.

    Raises PatternInvalid.
    """
    host, port = split_port(text)
    if port is not None and (not re.fullmatch(r"[1-9][0-9]{0,4}", port) or int(port) > 65535):
        raise PatternInvalid(f"{short(text)} has no port from 1 to 65535")
    try:
        address = ip_address(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        raise PatternInvalid(
            f"{short(text)} is not the address of a DNS server", hint="write ADDRESS or ADDRESS:53"
        ) from None
    if address.is_unspecified or address.is_multicast or "%" in host:
        raise PatternInvalid(f"{short(text)} is no server's address")
    return address, 53 if port is None else int(port)


def short(text: str) -> str:
    """`text` quoted, and cut where it is long: for messages."""
    return repr(text if len(text) <= 60 else text[:57] + "...")
