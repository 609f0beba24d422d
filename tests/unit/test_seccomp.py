"""The outer seccomp profiles: what is shipped, and what the loader refuses to take."""

from __future__ import annotations

import copy
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from magicrune.backends.rune.seccomp import ALLOW, ERRNO, TRACE, Profile, load, parse
from magicrune.errors import SeccompProfileInvalid

ROOT = Path(__file__).resolve().parents[2]
PROFILES = ("default", "strict", "loose")
NEVER = (
    "mount umount2 pivot_root chroot unshare setns bpf perf_event_open userfaultfd keyctl add_key "
    "request_key io_uring_setup io_uring_enter clone3 kexec_load init_module finit_module "
    "delete_module open_by_handle_at name_to_handle_at quotactl acct swapon reboot settimeofday "
    "clock_settime adjtimex iopl ioperm modify_ldt syslog move_pages fanotify_init fsopen "
    "move_mount open_tree mount_setattr memfd_secret sethostname"
).split()
NEEDED_BY_INIT = (
    "process_vm_readv pidfd_open pidfd_getfd seccomp close_range setfsuid setfsgid setresuid "
    "setresgid setgroups capset prctl kill statfs openat"
).split()


def actions(profile: Profile, call: str) -> set[str]:
    return {rule.action for rule in profile.rules if call in rule.names}


def refused_by_init() -> set[str]:
    """Calls that init's own filter always refuses, from its source."""
    source = (ROOT / "images" / "rune-init" / "src" / "denied.c").read_text()
    table = source[source.index("denied[] = {") : source.index("enum { DENIED")]
    return set(re.findall(r"EPERM_\((\w+)\)", table)) | set(re.findall(r', "(\w+)"', table))


def test_files_are_what_their_families_say() -> None:
    script = ROOT / "scripts" / "seccomp_profiles.py"
    done = subprocess.run(
        [sys.executable, script, "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", PROFILES)
def test_shipped_profile_loads(name: str) -> None:
    profile = load(name)
    assert profile.name == name
    assert re.fullmatch("[0-9a-f]{64}", profile.sha256)
    assert json.loads(profile.docker_json()) == json.loads(profile.text)


@pytest.mark.parametrize("name", PROFILES)
@pytest.mark.parametrize("call", NEVER)
def test_dangerous_call_is_never_allowed(name: str, call: str) -> None:
    assert ALLOW not in actions(load(name), call)


@pytest.mark.parametrize("name", PROFILES)
@pytest.mark.parametrize("call", NEEDED_BY_INIT)
def test_init_has_what_it_needs(name: str, call: str) -> None:
    assert ALLOW in actions(load(name), call)


@pytest.mark.parametrize("name", ["default", "strict"])
def test_what_init_records_is_left_to_its_watch(name: str) -> None:
    """ERRNO would win over init's notification and hide the attempt."""
    refused = refused_by_init()
    assert len(refused) > 50
    for call in refused - set(NEEDED_BY_INIT):
        assert actions(load(name), call) == {TRACE}, call


@pytest.mark.parametrize("name", ["default", "strict"])
def test_only_what_init_refuses_is_traced(name: str) -> None:
    """What init lets go on would go on past the outer profile as well."""
    by_argument = {"clone", "mknod", "mknodat", "socket", "ioctl", "personality"}
    traced = {call for rule in load(name).rules if rule.action == TRACE for call in rule.names}
    assert traced - by_argument <= refused_by_init() | {"listns"}


@pytest.mark.parametrize("name", PROFILES)
def test_each_rule_gives_its_reason(name: str) -> None:
    for rule in json.loads(load(name).text)["syscalls"]:
        assert len(rule["comment"]) > 20


def test_strict_is_part_of_default_and_default_of_loose() -> None:
    def allowed(name: str) -> set[str]:
        return {c for rule in load(name).rules if rule.action == ALLOW for c in rule.names}

    assert allowed("strict") < allowed("default") < allowed("loose")


@pytest.mark.parametrize(
    ("arch", "wanted"), [("x86_64", "SCMP_ARCH_X86_64"), ("aarch64", "SCMP_ARCH_AARCH64")]
)
def test_oci_form_has_one_architecture_and_no_words_of_docker(arch: str, wanted: str) -> None:
    oci = load("default").oci(arch)
    assert oci["architectures"] == [wanted]
    assert oci["defaultAction"] == ERRNO
    assert oci["flags"] == []
    keys = {key for rule in oci["syscalls"] for key in rule}
    assert keys <= {"names", "action", "errnoRet", "args"}


def test_unknown_machine_is_refused() -> None:
    with pytest.raises(SeccompProfileInvalid, match="riscv64"):
        load("default").oci("riscv64")


GOOD: dict[str, Any] = {
    "defaultAction": ERRNO,
    "defaultErrnoRet": 38,
    "archMap": [
        {"architecture": "SCMP_ARCH_X86_64", "subArchitectures": []},
        {"architecture": "SCMP_ARCH_AARCH64", "subArchitectures": []},
    ],
    "syscalls": [{"names": ["read"], "action": ALLOW, "comment": "reading"}],
}


def test_small_good_profile_is_taken() -> None:
    assert parse("x", json.dumps(GOOD).encode()).rules[0].names == ("read",)


def _arg(index: int) -> dict[str, Any]:
    return {"index": index, "value": 1, "valueTwo": 1, "op": "SCMP_CMP_MASKED_EQ"}


def _more(*rules: dict[str, Any]) -> Callable[[dict[str, Any]], None]:
    return lambda p: p["syscalls"].extend(rules)


BAD: dict[str, Callable[[dict[str, Any]], object]] = {
    "unknown key": lambda p: p.update(extra=1),
    "defaultAction": lambda p: p.update(defaultAction=ALLOW),
    "lacks 'defaultAction'": lambda p: p.pop("defaultAction"),
    "defaultErrnoRet": lambda p: p.update(defaultErrnoRet=0),
    "32-bit": lambda p: p["archMap"][0].update(subArchitectures=["SCMP_ARCH_X32"]),
    "list of rules": lambda p: p.update(syscalls=[]),
    "allows no call": lambda p: p["syscalls"][0].update(action=TRACE),
    "action": lambda p: p["syscalls"][0].update(action="SCMP_ACT_LOG"),
    "unknown key 'includes'": lambda p: p["syscalls"][0].update(includes={}),
    "list of calls": lambda p: p["syscalls"][0].update(names=[]),
    "no name of a call": lambda p: p["syscalls"][0].update(names=["read "]),
    "errnoRet": _more({"names": ["a"], "action": ERRNO}),
    "from 1 to": _more({"names": ["a"], "action": ERRNO, "errnoRet": 0}),
    "only then": lambda p: p["syscalls"][0].update(errnoRet=1),
    "list of conditions": lambda p: p["syscalls"][0].update(args=[]),
    "two conditions": lambda p: p["syscalls"][0].update(args=[_arg(0), _arg(0)]),
    "index": lambda p: p["syscalls"][0].update(args=[_arg(6)]),
    "twice": _more({"names": ["read"], "action": TRACE}),
    "with and without": _more({"names": ["read"], "action": TRACE, "args": [_arg(0)]}),
    "ptrace": _more({"names": ["ptrace"], "action": ALLOW}, {"names": ["mount"], "action": TRACE}),
}


@pytest.mark.parametrize("message", BAD)
def test_bad_profile_is_refused(message: str) -> None:
    document = copy.deepcopy(GOOD)
    BAD[message](document)
    with pytest.raises(SeccompProfileInvalid, match=re.escape(message)) as caught:
        parse("x", json.dumps(document).encode())
    assert caught.value.exit_code == 4


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b'{"a":1,"a":1}', b"\xff"])
def test_bytes_that_are_no_profile_are_refused(data: bytes) -> None:
    with pytest.raises(SeccompProfileInvalid):
        parse("x", data)


@pytest.mark.parametrize("name", ["missing", "../default", "Default", ""])
def test_missing_profile_is_refused(name: str) -> None:
    with pytest.raises(SeccompProfileInvalid):
        load(name)
