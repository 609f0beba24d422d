"""Attacks on a container from inside, each with its positive control.

A probe is a Python program that prints ``yes`` where it gets what it wants. In a sandbox of
ours it must not; in a container of the same image by the same runtime, with what should hold it
taken away (`Weaker`), it must: else the probe proves nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from magicrune.backends.oci.hierarchy import read_hierarchy
from magicrune.errors import SandboxLost
from magicrune.observation import Ending, EventKind, Observation
from tests.attacks.weaker import HEAD, Config, Weaken, Weaker, root, unfiltered
from tests.conftest import make_spec
from tests.engines import container_backend, lanes

LANES = lanes(("oci-runc", "oci-crun", "docker", "podman"), ("oci-rootless-crun",))


def number(call: int, *args: str) -> str:
    """A probe: a system call by its number (x86_64) is not refused."""
    return f"r, e = call({', '.join((str(call), *args))}); told(r >= 0 or e not in REFUSED)"


def opens(path: str, mode: str = "r+b") -> str:
    return f"f = open({path!r}, {mode!r}, buffering=0); told(True)"


def reads(path: str) -> str:
    return f"told(len(open({path!r}, 'rb').read(1)) == 1)"


def group_file(one: str, two: str) -> str:
    """A file of the sandbox's own control group, on a host with version 1 or 2."""
    return f"/sys/fs/cgroup/{two if read_hierarchy().version == 2 else one}"


def above_own_groups(config: Config) -> None:
    """Root that sees the whole tree of control groups."""
    root(config)
    spaces = config["linux"]["namespaces"]
    config["linux"]["namespaces"] = [each for each in spaces if each["type"] != "cgroup"]


RELEASE_AGENT = """
libc.mount(b'c', b'/tmp', b'cgroup', 0, b'memory')
told('release_agent' in os.listdir('/tmp') and open('/tmp/release_agent', 'r+') is not None)
"""
INTERFACE = """
import fcntl, struct
up = b'lo'.ljust(16, bytes(1)) + struct.pack('h', 1) + bytes(14)
fcntl.ioctl(socket.socket(), 0x8914, up); told(True)
"""
OF_PARENT = "if os.fork() == 0:\n    {act}\n    os._exit(0)\nos.wait()"
PROBES: dict[str, tuple[str, Weaken]] = {
    "mount": ('told(libc.mount(b"n", b"/tmp", b"tmpfs", 0, None) == 0)', root),
    "user_namespace": ("told(libc.unshare(0x10000000) == 0)", unfiltered),
    "mount_namespace": ("told(libc.unshare(0x20000) == 0)", root),
    "setns": ("f = os.open('/proc/self/ns/uts', 0); told(libc.setns(f, 0) == 0)", root),
    "chroot": ("os.chroot('/tmp'); told(True)", root),
    "ptrace": (OF_PARENT.format(act="told(libc.ptrace(0, 0, 0, 0) == 0)"), unfiltered),
    "init_environ": (OF_PARENT.format(act=reads("/proc/1/environ")), unfiltered),
    "init_fds": (OF_PARENT.format(act="told(os.listdir('/proc/1/fd'))"), unfiltered),
    "init_root": (OF_PARENT.format(act="told(os.listdir('/proc/1/root'))"), unfiltered),
    "init_memory": (OF_PARENT.format(act=opens("/proc/1/mem", "rb")), root),
    "init_limits": (
        OF_PARENT.format(act="import resource; resource.prlimit(1, 7, (9, 9)); told(True)"),
        unfiltered,
    ),
    "device_node": ("os.mknod('/tmp/n', 0o20666, os.makedev(1, 1)); told(True)", root),
    "priority": ("os.setpriority(os.PRIO_PROCESS, 0, 0); told(True)", unfiltered),
    "priority_of_init": ("os.setpriority(os.PRIO_PROCESS, 1, 19); told(True)", unfiltered),
    "keyring": (number(248, "b'user'", "b'k'", "b'v'", "1", "-2"), unfiltered),
    "core_pattern": (opens("/proc/sys/kernel/core_pattern"), root),
    "kernel_symbols": (reads("/proc/kallsyms"), root),
    "cgroup_move": (opens(group_file("memory/cgroup.procs", "cgroup.procs"), "wb"), root),
    "cgroup_limit": (opens(group_file("memory/memory.limit_in_bytes", "memory.max")), root),
    "release_agent": (opens(group_file("memory/notify_on_release", "cgroup.freeze")), root),
    "sys_write": (opens("/sys/kernel/mm/transparent_hugepage/enabled"), root),
    "bpf": (number(321, "0", "b''.ljust(64)", "48"), root),
    "perf_event": (number(298, "b''.ljust(128)", "0", "-1", "-1", "0"), root),
    "open_by_handle": (number(304, "-100", "b''.ljust(64)", "0"), root),
    "personality": (number(135, "0x40000"), unfiltered),
    "process_vm_write": (number(311, "os.getpid()", "0", "0", "0", "0", "0"), unfiltered),
    "clock": (number(227, "99", "0"), root),
    "packet_socket": ("socket.socket(17, socket.SOCK_RAW); told(True)", root),
    "raw_socket": ("socket.socket(2, socket.SOCK_RAW, 1); told(True)", root),
    "new_file_system": (number(430, "b'tmpfs'", "0"), root),
    "copy_of_the_tree": (number(428, "-100", "b'/'", "1"), root),
    "pivot_root": (number(155, "b'/tmp'", "b'/tmp'"), root),
    "unmount": ("told(libc.umount2(b'/tmp', 2) == 0)", root),
    "init_descriptor": (
        OF_PARENT.format(act="told(call(438, call(434, 1, 0)[0], 0, 0)[0] >= 0)"),
        root,
    ),
    "init_memory_by_call": (number(310, "1", "0", "0", "0", "0", "0"), root),
    "other_block_device": ("os.mknod('/tmp/d', 0o60666, os.makedev(7, 0)); told(True)", root),
    "key_of_session": (number(250, "0", "-3", "1"), unfiltered),
    "key_by_helper": (number(249, "b'user'", "b'k'", "0", "0"), unfiltered),
    "release_agent_of_the_host": (RELEASE_AGENT, above_own_groups),
    "overcommit": (opens("/proc/sys/vm/overcommit_memory"), root),
    "host_name": ("socket.sethostname('another'); told(True)", root),
    "page_faults": (number(323, "0"), root),
    "interface": (INTERFACE, root),
    "vsock": ("socket.socket(40, socket.SOCK_STREAM); told(True)", unfiltered),
}


@pytest.fixture(params=LANES)
def attack(
    request: pytest.FixtureRequest, home: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Observation]:
    backend = container_backend(request.param, monkeypatch)

    def run(probe: str, **options: Any) -> Observation:
        files = {"/workspace/probe.py": (HEAD + probe).encode()}
        return backend.run(make_spec("python3 probe.py", files=files, **options))

    return run


@pytest.mark.parametrize("name", PROBES)
def test_probe_gets_nothing(name: str, attack: Callable[..., Observation]) -> None:
    seen = attack(PROBES[name][0])
    assert seen.ending in (Ending.EXITED, Ending.SIGNALLED)
    assert b"yes" not in seen.stdout, seen.stdout


@pytest.mark.skipif(os.geteuid() != 0, reason="the probes are the same; root's run proves them")
@pytest.mark.parametrize("name", PROBES)
def test_probe_works_where_it_may(name: str, weaker: Weaker) -> None:
    probe, weaken = PROBES[name]
    assert weaker.run(probe, weaken).startswith("yes")


SEEN_AS_DENIED = ("mount", "user_namespace", "setns", "ptrace", "keyring", "bpf", "perf_event")


@pytest.mark.parametrize("name", SEEN_AS_DENIED)
def test_what_is_refused_is_in_the_record(name: str, attack: Callable[..., Observation]) -> None:
    seen = attack(PROBES[name][0])
    assert EventKind.DENIED in {event.kind for event in seen.events}, seen.events


def test_killing_init_is_refused_and_told(attack: Callable[..., Observation]) -> None:
    probe = "for s in (9, 15, 19):\n    try: os.kill(1, s)\n    except OSError: pass\nprint('on')"
    seen = attack(probe)
    assert seen.stdout == b"on\n"
    assert EventKind.SIGNAL in {event.kind for event in seen.events}


def test_stopping_everything_stops_no_clock(attack: Callable[..., Observation]) -> None:
    everybody = "try: os.kill(-1, 19)\nexcept OSError: pass\n"
    seen = attack(everybody + "os.kill(os.getpid(), 19)", wall_ms=1500)
    assert seen.ending is Ending.TIMEOUT


def test_taking_memory_from_init_is_never_harmless(attack: Callable[..., Observation]) -> None:
    probe = """
try: open('/proc/self/oom_score_adj', 'w').write('0')
except OSError: pass
for _ in range(4): os.fork()
x = []
while True: x.append(bytearray(1 << 20))
"""
    try:
        seen = attack(probe, memory_bytes=64 << 20, wall_ms=8000)
    except SandboxLost:
        return  # the kernel took init
    assert any(e.detail.get("limit") == "memory" for e in seen.events)


def test_many_at_once_in_memory_and_output(attack: Callable[..., Observation]) -> None:
    probe = """
while True:
    try: os.fork()
    except OSError: pass
    os.write(1, b'x' * 65536)
"""
    seen = attack(probe, pids=16, output_bytes=1 << 20, wall_ms=5000)
    assert seen.ending in (Ending.OUTPUT_LIMIT, Ending.TIMEOUT)
    assert len(seen.stdout) <= 1 << 20


def test_terminals_are_bounded(attack: Callable[..., Observation]) -> None:
    """The machine has 4096 for all. The control: those that are granted can be used."""
    probe = """
import pty
one, other = pty.openpty()
os.write(one, b"x\\n"); print(os.read(other, 9), os.ttyname(other))
more = []
try:
    while len(more) < 200: more.append(os.open("/dev/ptmx", os.O_RDWR | os.O_NOCTTY))
except OSError as error: print(len(more), error.errno)
"""
    seen = attack(probe, open_files=400)
    assert seen.stdout == b"b'x\\n' /dev/pts/0\n63 28\n", seen.stdout + seen.stderr
