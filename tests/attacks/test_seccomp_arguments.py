"""Each rule of the seccomp profiles that judges by an argument, tried on the kernel.

The calls are made from the profiles themselves: one that the rule speaks of, the same with
other upper halves of its arguments (the kernel looks at the lower), and beside each rule that
allows, one that is a bit off and refused. What is allowed is answered as without a filter,
what is refused with the errno that the profile names.
"""

from __future__ import annotations

import copy
import json
import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from errno import ENOSYS
from pathlib import Path
from typing import Any

import pytest

from magicrune.backends.oci.engine import OciEngine
from magicrune.backends.oci.hierarchy import read_hierarchy
from magicrune.backends.rune.backend import ContainerBackend
from magicrune.backends.rune.seccomp import ALLOW, Argument, Profile, Rule, load
from tests.conftest import make_spec
from tests.engines import container_backend, lanes

PROFILES = ("default", "strict", "loose")
LANES = lanes(("oci-crun",), ())
NUMBERS = {
    "chmod": 90,
    "clone": 56,
    "fchmod": 91,
    "fchmodat": 268,
    "fchmodat2": 452,
    "ioctl": 16,
    "mknod": 133,
    "mknodat": 259,
    "personality": 135,
    "prctl": 157,
    "socket": 41,
    "socketpair": 53,
}
"""Of x86_64. A rule with arguments for a call that is not here has no test, which fails."""
LOW, HIGH, BAD = 0xFFFFFFFF, 0x5EAD0000_00000000, 0xFFFFFFFF_FFFFFFFF
PROBE = """
import ctypes, json, os, signal, sys
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
found = []
for number, *args in json.loads(sys.argv[1]):
    child = os.fork()
    if child == 0:
        for each in range(3): os.close(each)
        signal.setitimer(signal.ITIMER_REAL, 2)
        result = libc.syscall(ctypes.c_long(number), *map(ctypes.c_ulong, args))
        os._exit(ctypes.get_errno() if result == -1 else 0)
    found.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
print(json.dumps(found))
"""


@dataclass(frozen=True, slots=True)
class Try:
    """A call, and what the profile says to it: an errno, or None where it is allowed."""

    call: str
    args: tuple[int, ...]
    answer: int | None


def matches(rule: Rule, args: tuple[int, ...]) -> bool:
    return all(
        args[each.index] & each.value == each.value_two
        if each.op == "SCMP_CMP_MASKED_EQ"
        else args[each.index] == each.value
        for each in rule.args
    )


def make(profile: Profile, call: str, args: tuple[int, ...]) -> Try:
    rules = [rule for rule in profile.rules if call in rule.names and matches(rule, args)]
    assert len(rules) <= 1, f"{call}{args} is decided twice"
    if not rules:
        return Try(call, args, profile.default_errno)
    return Try(call, args, None if rules[0].action == ALLOW else rules[0].errno or ENOSYS)


def spoken_of(rule: Rule) -> tuple[int, ...]:
    """Bad pointers and descriptors otherwise: what is let through does nothing."""
    args = [BAD] * 6
    for each in rule.args:
        args[each.index] = each.value_two if each.op == "SCMP_CMP_MASKED_EQ" else each.value
    return tuple(args)


def changed(args: tuple[int, ...], argument: Argument, bits: int) -> tuple[int, ...]:
    found = list(args)
    found[argument.index] ^= bits
    return tuple(found)


def near(profile: Profile, call: str, rule: Rule, argument: Argument) -> Try:
    """One bit off, and refused."""
    for bit in range(32):
        if argument.value >> bit & 1:
            one = make(profile, call, changed(spoken_of(rule), argument, 1 << bit))
            if one.answer is not None:
                return one
    raise AssertionError(f"{call}: nothing beside {argument} is refused")


def tries(profile: Profile) -> Iterator[Try]:
    for rule in profile.rules:
        for call in rule.names if rule.args else ():
            yield make(profile, call, spoken_of(rule))
            for argument in rule.args:
                if argument.value == LOW:
                    yield make(profile, call, changed(spoken_of(rule), argument, HIGH))
                if rule.action == ALLOW:
                    yield near(profile, call, rule, argument)


def answers(place: Path, seccomp: dict[str, Any] | None, wanted: list[Try]) -> list[int]:
    """As init runs, but with the right to make namespaces: else the kernel refuses what the
    profile refuses, and one could not tell who it was."""
    engine = OciEngine("crun")
    config = engine.words(*ContainerBackend(engine).prepare(make_spec("true")))
    calls = json.dumps([[NUMBERS[each.call], *each.args] for each in wanted])
    config["process"]["args"] = ["python3", "-c", PROBE, calls]
    for names in config["process"]["capabilities"].values():
        names.append("CAP_SYS_ADMIN")
    config["linux"].pop("seccomp")
    if seccomp is not None:
        config["linux"]["seccomp"] = seccomp
    del config["linux"]["cgroupsPath"]
    (place / "config.json").write_text(json.dumps(config))
    words = ["crun", "run", "--bundle", str(place), f"arguments-{uuid.uuid4().hex}"]
    if read_hierarchy().unified_beside:  # which crun takes for version 2
        script = 'umount /sys/fs/cgroup/unified && exec "$@"'
        words = ["unshare", "-m", "--propagation", "private", "sh", "-c", script, "-", *words]
    done = subprocess.run(words, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stderr
    told: list[int] = json.loads(done.stdout)
    return told


def wrong(wanted: list[Try], told: list[int], free: list[int]) -> list[str]:
    """Where the kernel says otherwise than the profile, or where one could not tell."""
    found = []
    for each, answer, without in zip(wanted, told, free, strict=True):
        expected = without if each.answer is None else each.answer
        if answer != expected:
            found.append(f"{each.call}{each.args}: {answer}, not {expected}")
        elif without == (ENOSYS if each.answer is None else each.answer):
            found.append(f"{each.call}{each.args}: {without} without a filter as well")
    return found


@pytest.mark.parametrize("lane", LANES)
@pytest.mark.parametrize("name", PROFILES)
def test_each_rule_by_its_argument(
    name: str, lane: str, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    container_backend(lane, monkeypatch)
    profile = load(name)
    wanted = list(tries(profile))
    judged = {call for rule in profile.rules if rule.args for call in rule.names}
    for call in judged:  # the control of both kinds
        assert {each.answer is None for each in wanted if each.call == call} == {True, False}
    free = answers(tmp_path, None, wanted)
    assert not wrong(wanted, answers(tmp_path, profile.oci("x86_64"), wanted), free)


@pytest.mark.parametrize("lane", LANES)
@pytest.mark.parametrize("call", ["ioctl", "prctl", "socket"])
def test_a_rule_that_is_missing_or_too_wide_is_seen(
    call: str, lane: str, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    container_backend(lane, monkeypatch)
    profile = load("default")
    wanted = [each for each in tries(profile) if each.call == call]
    free = answers(tmp_path, None, wanted)
    rules = [rule for rule in profile.oci("x86_64")["syscalls"] if call in rule["names"]]
    for change in ({"syscalls": [{"names": [call], "action": ALLOW}]}, {"syscalls": rules[1:]}):
        others = [r for r in profile.oci("x86_64")["syscalls"] if call not in r["names"]]
        lesser = copy.deepcopy(profile.oci("x86_64"))
        lesser["syscalls"] = others + change["syscalls"]
        assert wrong(wanted, answers(tmp_path, lesser, wanted), free)
