"""Whose container it is, and what a sweep may remove."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from magicrune.backends.oci.sweep import find_orphans, remove_orphan
from magicrune.backends.rune.container import OWNER_LABEL
from magicrune.backends.rune.owner import is_gone, own


def bundle(home: Path, name: str, owner: str | None) -> Path:
    place = home / f"magicrune-{name}"
    place.mkdir()
    if owner is not None:
        (place / "config.json").write_text(json.dumps({"annotations": {OWNER_LABEL: owner}}))
    return place


def ended_owner() -> str:
    code = "from magicrune.backends.rune.owner import own; print(own())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    return done.stdout.strip()


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


def test_only_bundles_of_ended_owners_are_orphans(tmp_path: Path) -> None:
    gone = bundle(tmp_path, "gone", ended_owner())
    bundle(tmp_path, "alive", own())
    bundle(tmp_path, "young", None)
    old = bundle(tmp_path, "old", None)
    os.utime(old, (1, 1))
    (tmp_path / "state").mkdir()
    assert list(find_orphans(tmp_path)) == [gone, old]
    assert remove_orphan(gone, tmp_path / "state", ())
    assert not gone.exists()
