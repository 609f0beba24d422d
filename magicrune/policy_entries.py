"""What one entry of a policy's lists may be: directories, destinations, names, patterns."""

from __future__ import annotations

import re
from ipaddress import IPv4Network
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from magicrune.errors import PatternInvalid
from magicrune.hosts import read_resolver
from magicrune.netrule import NetRule
from magicrune.pathrule import compile_globs, compile_names, is_within, parse_tree
from magicrune.special import SYNTHETIC_4, SYNTHETIC_6, is_loopback_rule

_SYSTEM_TREES = (
    *("/bin", "/boot", "/dev", "/etc", "/proc", "/run", "/sbin", "/sys", "/usr"),
    *("/var/run", "/var/lock"),
)
"""The image's own: a mount there would replace programs or what the kernel shows."""
_LIBRARIES = re.compile(r"/lib[0-9x]*(/.*)?", re.DOTALL)


def _listed(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


def _plain(error: PatternInvalid) -> ValueError:
    return ValueError(f"{error.message} ({error.hint})" if error.hint else error.message)


def _check_tree(value: str) -> str:
    try:
        tree = parse_tree(value)
    except PatternInvalid as error:
        raise _plain(error) from None
    system = [each for each in _SYSTEM_TREES if tree == each or is_within(tree, each)]
    if system or _LIBRARIES.fullmatch(tree):
        raise ValueError(f"{value} belongs to the image (grant a directory such as /workspace/**)")
    return value


def _read_net(value: str) -> NetRule:
    try:
        return NetRule.parse(value)
    except PatternInvalid as error:
        raise _plain(error) from None


def _check_net(value: str) -> str:
    rule = _read_net(value)
    if is_loopback_rule(rule):
        raise ValueError(
            f"{value} is loopback: the job's own needs no entry "
            "(the executor's is unsafe_host_loopback)"
        )
    network = rule.network
    reserved = SYNTHETIC_4 if isinstance(network, IPv4Network) else SYNTHETIC_6
    if network is not None and network.subnet_of(reserved):  # type: ignore[arg-type]
        raise ValueError(f"{value} lies in {reserved}, which stands for names inside a sandbox")
    return value


def _check_loopback(value: str) -> str:
    rule = _read_net(value)
    if rule.network is None or not is_loopback_rule(rule):
        raise ValueError(f"{value} is not loopback (write 127.0.0.1:PORT or [::1]:PORT)")
    return value


def _check_resolver(value: str) -> str:
    try:
        read_resolver(value)
    except PatternInvalid as error:
        raise _plain(error) from None
    return value


def _check_name_glob(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_*?\[\]!-]{1,255}", value):
        raise ValueError(f"{value!r} is not a pattern of variable names")
    try:
        compile_names([value])
    except PatternInvalid as error:
        raise _plain(error) from None
    return value


def _check_glob(value: str) -> str:
    try:
        compile_globs([value])
    except PatternInvalid as error:
        raise _plain(error) from None
    return value


def _check_default(value: object) -> object:
    if value == "allow":
        raise ValueError("allowing all is not possible: a policy lists what it grants (write deny)")
    return value


Listed = BeforeValidator(_listed)
Trees = Annotated[
    tuple[Annotated[str, AfterValidator(_check_tree)], ...], Listed, Field(max_length=100)
]
Nets = Annotated[
    tuple[Annotated[str, AfterValidator(_check_net)], ...], Listed, Field(max_length=1000)
]
Loopbacks = Annotated[
    tuple[Annotated[str, AfterValidator(_check_loopback)], ...], Listed, Field(max_length=100)
]
Resolvers = Annotated[
    tuple[Annotated[str, AfterValidator(_check_resolver)], ...], Listed, Field(max_length=10)
]
Names = Annotated[
    tuple[Annotated[str, AfterValidator(_check_name_glob)], ...], Listed, Field(max_length=1000)
]
Deny = Annotated[Literal["deny"], BeforeValidator(_check_default)]


Globs = Annotated[
    tuple[Annotated[str, AfterValidator(_check_glob)], ...], Listed, Field(max_length=1000)
]
