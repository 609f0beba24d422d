"""The outer seccomp profiles: read, checked, and put into the words of each engine."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from errno import ENOSYS
from functools import cache
from typing import Any, Final, NoReturn

from magicrune.errors import JsonInvalid, SeccompProfileInvalid
from magicrune.locations import shipped
from magicrune.strictjson import Json, read_limited

ALLOW, TRACE, ERRNO = "SCMP_ACT_ALLOW", "SCMP_ACT_TRACE", "SCMP_ACT_ERRNO"
ARCHITECTURES: Final = {"x86_64": "SCMP_ARCH_X86_64", "aarch64": "SCMP_ARCH_AARCH64"}
"""Machine names of uname(2) → libseccomp's. No 32-bit ways in: they have other numbers."""
MAX_BYTES = 256 << 10
_PROFILE_KEYS = {"defaultAction", "defaultErrnoRet", "archMap", "syscalls"}
_RULE_KEYS = {"names", "action", "errnoRet", "args", "comment"}
_ARG_KEYS = {"index", "value", "valueTwo", "op"}
_OPERATORS = {"SCMP_CMP_EQ", "SCMP_CMP_MASKED_EQ"}
_ERRNO_MAX = 4095
"""The largest number that the kernel takes as an errno (MAX_ERRNO)."""
_NAME = re.compile(r"[a-z_][a-z0-9_]{0,63}")


@dataclass(frozen=True, slots=True)
class Argument:
    """A condition on one argument of a call."""

    index: int
    value: int
    value_two: int
    op: str


@dataclass(frozen=True, slots=True)
class Rule:
    """What these calls get where the condition holds; `errno` where they are refused."""

    names: tuple[str, ...]
    action: str
    errno: int | None
    args: tuple[Argument, ...]


@dataclass(frozen=True, slots=True)
class Profile:
    """A checked profile. Whatever no rule names gets `default_errno`."""

    name: str
    default_errno: int
    rules: tuple[Rule, ...]
    text: str
    sha256: str
    """Of the shipped file, byte for byte."""

    def refusal(self, call: str) -> int | None:
        """The errno that `call` gets whatever its arguments and without a watch; None where
        it is allowed, or some of its arguments are."""
        for rule in self.rules:
            if call in rule.names:
                if rule.args or rule.action == ALLOW:
                    return None
                return rule.errno or ENOSYS  # of a traced call without a tracer: seccomp(2)
        return self.default_errno

    def records(self, call: str) -> bool:
        """Whether the watch is asked about `call` whatever its arguments: what is refused
        with an errno is refused before the watch (seccomp(2), precedence of actions)."""
        rules = [rule for rule in self.rules if call in rule.names]
        return bool(rules) and all(rule.action != ERRNO for rule in rules)

    def docker_json(self) -> str:
        """For Docker's and Podman's ``--security-opt seccomp=`` (compact, one line)."""
        return json.dumps(json.loads(self.text), separators=(",", ":"))

    def oci(self, arch: str) -> dict[str, Any]:
        """``linux.seccomp`` of the OCI runtime specification, for one machine.

        Raises SeccompProfileInvalid where the profile does not know the machine.
        """
        return _oci_profile(self, arch)


@cache
def _oci_profile(profile: Profile, arch: str) -> dict[str, Any]:
    """Made once: 218 rules took 1 ms of each run."""
    if arch not in ARCHITECTURES:
        _refuse(profile.name, f"has no rules for the machine {arch!r}")
    return {
        "defaultAction": ERRNO,
        "defaultErrnoRet": profile.default_errno,
        "architectures": [ARCHITECTURES[arch]],
        # Stated, since an engine may switch processor mitigations off by itself if not.
        "flags": [],
        "syscalls": [_oci_rule(rule) for rule in profile.rules],
    }


@cache
def load(name: str) -> Profile:
    """The shipped profile ``policies/seccomp/NAME.json``.

    Raises SeccompProfileInvalid where it is missing, unreadable or not safe to use.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_-]{0,31}", name):
        _refuse(name, "is no name of a profile")
    path = shipped(f"policies/seccomp/{name}.json")
    try:
        data = read_limited(path, max_bytes=MAX_BYTES)
    except JsonInvalid as error:
        raise SeccompProfileInvalid(error.message, where=error.where) from error
    return parse(name, data)


def parse(name: str, data: bytes) -> Profile:
    """The profile in `data`. Raises SeccompProfileInvalid naming what is wrong."""
    document = _read(name, data)
    fields = _object(document, _PROFILE_KEYS, _PROFILE_KEYS, name)
    if fields["defaultAction"] != ERRNO:
        _refuse(f"{name}.defaultAction", f"must be {ERRNO}: what is not named is refused")
    _check_machines(fields["archMap"], f"{name}.archMap")
    entries = fields["syscalls"]
    if not isinstance(entries, list) or not entries:
        _refuse(f"{name}.syscalls", "is not a list of rules")
    rules = tuple(_rule(entry, f"{name}.syscalls[{i}]") for i, entry in enumerate(entries))
    _check_rules(rules, name)
    return Profile(
        name=name,
        default_errno=_number(fields["defaultErrnoRet"], 1, _ERRNO_MAX, f"{name}.defaultErrnoRet"),
        rules=rules,
        text=data.decode(),
        sha256=hashlib.sha256(data).hexdigest(),
    )


def _read(name: str, data: bytes) -> Json:
    """The document. By the interpreter's own reader: strictjson's took 18 of the 60 ms of a
    run, and what it refuses beyond this (depth, numbers) cannot pass the checks of `parse`."""

    def pairs(found: list[tuple[str, Json]]) -> dict[str, Json]:
        if len(dict(found)) != len(found):
            raise ValueError("a key is given twice")
        return dict(found)

    try:
        document: Json = json.loads(data, object_pairs_hook=pairs)
    except (ValueError, RecursionError) as error:
        raise SeccompProfileInvalid(f"is not JSON: {error}", where=f"{name}.json") from error
    return document


def _check_machines(value: Json, where: str) -> None:
    wanted = [{"architecture": arch, "subArchitectures": []} for arch in ARCHITECTURES.values()]
    if value != wanted:
        _refuse(where, "must name x86_64 and aarch64, without 32-bit ways in")


def _check_rules(rules: tuple[Rule, ...], where: str) -> None:
    if not any(rule.action == ALLOW for rule in rules):
        _refuse(where, "allows no call: nothing could run")
    plain: set[str] = set()
    for rule in rules:
        twice = plain.intersection(rule.names)
        if twice and not rule.args:
            _refuse(where, f"decides {sorted(twice)[0]} twice")
        plain.update(() if rule.args else rule.names)
    for rule in rules:
        if rule.args and (both := plain.intersection(rule.names)):
            # libseccomp drops the conditions of a call that is also decided without any.
            _refuse(where, f"decides {sorted(both)[0]} with and without conditions")
    traced = any(rule.action == TRACE for rule in rules)
    if traced and any(rule.action == ALLOW and "ptrace" in rule.names for rule in rules):
        _refuse(where, "allows ptrace, by which a job could let its own traced calls through")


def _rule(value: Json, where: str) -> Rule:
    fields = _object(value, _RULE_KEYS, {"names", "action"}, where)
    names, action = fields["names"], fields["action"]
    if not isinstance(names, list) or not names:
        _refuse(f"{where}.names", "is not a list of calls")
    for name in names:
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            _refuse(f"{where}.names", "holds something that is no name of a call")
    if action not in (ALLOW, TRACE, ERRNO):
        _refuse(f"{where}.action", f"must be {ALLOW}, {TRACE} or {ERRNO}")
    if (action == ERRNO) != ("errnoRet" in fields):
        _refuse(f"{where}.errnoRet", f"must be there with {ERRNO}, and only then")
    errno = None
    if action == ERRNO:  # 0 would tell the program that the call was done
        errno = _number(fields["errnoRet"], 1, _ERRNO_MAX, f"{where}.errnoRet")
    if not isinstance(fields.get("comment", ""), str):
        _refuse(f"{where}.comment", "is not text")
    return Rule(tuple(map(str, names)), str(action), errno, _arguments(fields, where))


def _arguments(fields: dict[str, Json], where: str) -> tuple[Argument, ...]:
    if "args" not in fields:
        return ()
    entries = fields["args"]
    if not isinstance(entries, list) or not entries:
        _refuse(f"{where}.args", "is not a list of conditions (leave it out for none)")
    found = tuple(_argument(entry, f"{where}.args[{i}]") for i, entry in enumerate(entries))
    if len({argument.index for argument in found}) != len(found):
        # Engines make such conditions alternatives, each by itself.
        _refuse(f"{where}.args", "has two conditions on one argument")
    return found


def _argument(value: Json, where: str) -> Argument:
    fields = _object(value, _ARG_KEYS, _ARG_KEYS, where)
    op = fields["op"]
    if op not in _OPERATORS:
        _refuse(f"{where}.op", "must be SCMP_CMP_EQ or SCMP_CMP_MASKED_EQ")
    return Argument(
        index=_number(fields["index"], 0, 5, f"{where}.index"),
        value=_number(fields["value"], 0, 2**64 - 1, f"{where}.value"),
        value_two=_number(fields["valueTwo"], 0, 2**64 - 1, f"{where}.valueTwo"),
        op=str(op),
    )


def _oci_rule(rule: Rule) -> dict[str, Any]:
    entry: dict[str, Any] = {"names": list(rule.names), "action": rule.action}
    if rule.errno is not None:
        entry["errnoRet"] = rule.errno
    if rule.args:
        entry["args"] = [
            {"index": a.index, "value": a.value, "valueTwo": a.value_two, "op": a.op}
            for a in rule.args
        ]
    return entry


def _object(value: Json, known: set[str], required: set[str], where: str) -> dict[str, Json]:
    if not isinstance(value, dict):
        _refuse(where, "is not an object")
    if unknown := value.keys() - known:
        _refuse(where, f"has the unknown key {sorted(unknown)[0]!r}")
    if missing := required - value.keys():
        _refuse(where, f"lacks {sorted(missing)[0]!r}")
    return value


def _number(value: Json, least: int, most: int, where: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        _refuse(where, f"is not a whole number from {least} to {most}")
    return value


def _refuse(where: str, message: str) -> NoReturn:
    raise SeccompProfileInvalid(message, where=where)
