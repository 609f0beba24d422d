"""Whose it is, and what a sweep may remove: all that a killed run left, nothing of a living one."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from magicrune.backends.oci.sweep import find_orphans, remove_orphan
from magicrune.backends.rune import socket_dir
from magicrune.backends.rune.container import lower
from magicrune.backends.rune.seccomp import load
from magicrune.backends.rune.socket_dir import SocketDir, sweep_sockets
from magicrune.locations import state_dir
from magicrune.owner import is_gone, is_left, own, sign
from tests.conftest import make_spec

# Each ends itself, as by kill -9, in the middle of what it makes.
KILLED_IN_BUNDLE = """
import os, signal
from magicrune.backends.oci.engine import OciEngine
from magicrune.backends.rune import socket_dir
from magicrune.backends.rune.container import lower
from magicrune.backends.rune.engine import FoundImage
from magicrune.owner import own
from magicrune.backends.rune.seccomp import load
from tests.conftest import make_spec

engine = OciEngine()
engine._require = lambda *_: "runtime"
engine.words = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
container = lower(make_spec("true"), profile=load("default"), image="base", owner=own())
engine.start(container, FoundImage("/", "sha256:0"))
"""
KILLED_IN_SOCKETS = """
import os, signal
from magicrune.backends.rune import socket_dir

socket_dir.init_path = lambda: os.kill(os.getpid(), signal.SIGKILL)
socket_dir.SocketDir()
"""


def ended_owner() -> str:
    code = "from magicrune.owner import own; print(own())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    return done.stdout.strip()


def run_until_killed(code: str) -> None:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()


def test_an_owner_is_told_from_a_later_process_with_its_number() -> None:
    assert not is_gone(own())
    assert is_gone(ended_owner())
    pid, _, namespace = own().split("-")
    assert is_gone(f"{pid}-1-{namespace}")


def test_what_cannot_be_told_from_here_is_left_alone() -> None:
    pid, started, _ = ended_owner().split("-")
    assert not is_gone(f"{pid}-{started}-1")
    assert not is_gone("nonsense")
    assert not is_gone("")


def test_a_name_says_whose_it_is() -> None:
    assert not is_left(sign("a.name"))
    assert is_left(sign("a.name", ended_owner()))
    assert not is_left("a.name")
    assert not is_left("unsigned")


def test_only_what_ended_owners_made_is_an_orphan(tmp_path: Path) -> None:
    gone = ended_owner()
    bundle = tmp_path / sign("magicrune-bundle", gone)
    kept = tmp_path / "state" / sign("magicrune-kept-by-a-runtime", gone)
    others = [
        tmp_path / sign("magicrune-alive"),
        tmp_path / "magicrune-unsigned",
        tmp_path / sign("other", gone),
    ]
    for each in (bundle, kept, *others):
        each.mkdir(parents=True)
    (bundle / "config.json").write_text("{}")
    assert find_orphans(tmp_path) == (bundle.name, kept.name)
    assert remove_orphan(tmp_path, bundle.name, ())
    assert not remove_orphan(tmp_path, kept.name, ())  # without a runtime it stays, and is told
    assert find_orphans(tmp_path) == (kept.name,)
    assert all(each.exists() for each in others)


def test_a_bundle_is_found_whose_maker_was_killed_before_it_wrote_anything(home: Path) -> None:
    run_until_killed(KILLED_IN_BUNDLE)
    place = state_dir() / "oci"
    (left,) = find_orphans(place)
    assert left.startswith("magicrune-r-test-")
    assert not any((place / left).iterdir())
    assert remove_orphan(place, left, ())
    assert find_orphans(place) == ()


def test_a_socket_directory_is_found_whose_maker_was_killed_in_it(home: Path) -> None:
    run_until_killed(KILLED_IN_SOCKETS)
    (left,) = (state_dir() / "sockets").iterdir()
    with_owner = SocketDir()
    try:
        assert sweep_sockets() == (left.name,)
        assert with_owner.path.exists()
    finally:
        with_owner.remove()
    assert not any((state_dir() / "sockets").iterdir())


HOLDS = """
import time
from magicrune import owner
from magicrune.backends.rune import socket_dir

owner._namespace = lambda: "1"  # of another container, as far as anybody can tell
made = socket_dir.SocketDir()
print(made.path, flush=True)
time.sleep(60)
"""


def test_a_socket_directory_of_another_pid_namespace_goes_by_its_lock(home: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDS], stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        path = Path(other.stdout.readline().strip())
        assert not is_left(path.parent.name)
        assert sweep_sockets() == ()
        assert path.exists()
        other.kill()
    assert not is_left(path.parent.name)  # the name alone could not tell
    assert sweep_sockets() == (path.parent.name,)


def test_a_sweep_between_making_and_locking_takes_nothing_from_anybody(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock, swept = socket_dir._locked, []

    def sweep_first(place: Path) -> int | None:
        monkeypatch.setattr(socket_dir, "_locked", lock)
        swept.extend(sweep_sockets())
        return lock(place)

    monkeypatch.setattr(socket_dir, "_locked", sweep_first)
    made = SocketDir()
    try:
        assert len(swept) == 1
        assert made.path.exists()
        assert sweep_sockets() == ()
    finally:
        made.remove()


def test_the_name_of_a_container_is_fit_for_engines() -> None:
    container = lower(make_spec("true"), profile=load("default"), image="base", owner=own())
    # Docker's own pattern; runc and crun allow more. The file systems' limit is 255.
    assert re.fullmatch(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{1,150}", container.name)
    assert not is_left(container.name)
