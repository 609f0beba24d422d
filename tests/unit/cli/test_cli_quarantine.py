"""``magicrune quarantine purge``, and what the lists say where there is nothing."""

from __future__ import annotations

import errno
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.calls import RED, Call, Done

DAY = 86_400


def held(home: Path) -> list[Path]:
    return sorted((home / "quarantine").glob("r_*/[0-9]*"))


def age(place: Path, seconds: float) -> None:
    """As if the attempt had been put away that long ago."""
    path = place / "manifest.json"
    manifest = json.loads(path.read_text())
    path.write_text(json.dumps(manifest | {"stored_at": time.time() - seconds}))


@pytest.fixture
def two(fake: Callable[..., Done], tmp_path: Path) -> list[Path]:
    """Two attempts of a red run; the first is 10 days old."""
    for _ in range(2):
        assert fake(RED).code == 20
    places = held(tmp_path / "home")
    age(places[0], 10 * DAY)
    return places


def test_what_is_older_is_removed_and_the_rest_stays(call: Call, two: list[Path]) -> None:
    assert call("quarantine", "purge", "--older-than", "11d").out == "nothing to remove\n"
    done = call("quarantine", "purge", "--older-than", "9d")
    assert done.code == 0
    assert done.out.startswith(f"removed {two[0].parent.name}  #1 ")
    assert (two[0].exists(), two[1].exists()) == (False, True)
    rows = json.loads(call("quarantine", "purge", "--older-than", "0d", "--format", "json").out)
    assert [row["attempt"] for row in rows] == [2]
    assert call("quarantine", "list").out == "nothing is in quarantine\n"


def test_a_damaged_attempt_stays_and_is_named(call: Call, two: list[Path]) -> None:
    (two[0] / "manifest.json").write_text("{}")
    done = call("quarantine", "purge", "--older-than", "0m")
    assert done.code == 0
    assert str(two[0]) in done.err
    assert (two[0].exists(), two[1].exists()) == (True, False)


@pytest.mark.parametrize("style", ["human", "json"])
def test_a_list_goes_on_past_a_damaged_attempt(call: Call, two: list[Path], style: str) -> None:
    (two[0] / "manifest.json").unlink()
    done = call("quarantine", "list", "--format", style)
    assert done.code == 4
    assert f"MR-4301: {two[0].parent.name}/1: " in done.err
    if style == "json":
        assert [row["attempt"] for row in json.loads(done.out)] == [2]
    else:
        assert "#2 " in done.out
        assert "#1 " not in done.out
    (two[1] / "manifest.json").unlink()
    assert "nothing" not in call("quarantine", "list").out


def test_what_a_purge_cannot_remove_is_no_success(
    call: Call, two: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = os.rename

    def refuse_first(source: str, *rest: Any, **more: Any) -> None:
        if source == "1":
            raise OSError(errno.EROFS, "Read-only file system")
        rename(source, *rest, **more)

    monkeypatch.setattr(os, "rename", refuse_first)
    done = call("quarantine", "purge", "--older-than", "0d")
    assert done.code == 4
    assert f"MR-4301: {two[0]}: " in done.err
    assert "#2 " in done.out
    assert "#1 " not in done.out
    done = call("quarantine", "purge", "--older-than", "0d")
    assert (done.code, done.out) == (4, "")


def test_an_empty_directory_goes_when_no_run_can_be_using_it(call: Call, two: list[Path]) -> None:
    run = two[0].parent
    call("quarantine", "purge", "--older-than", "0d")
    assert list(run.iterdir()) == []
    os.utime(run, (time.time() - DAY, time.time() - DAY))
    call("quarantine", "purge", "--older-than", "0d")
    assert not run.exists()


def test_a_red_run_after_a_purge_is_put_away(
    call: Call, fake: Callable[..., Done], two: list[Path], tmp_path: Path
) -> None:
    call("quarantine", "purge", "--older-than", "0d")
    assert fake(RED).code == 20
    assert len(held(tmp_path / "home")) == 1


@pytest.mark.parametrize("wrong", ["", "30", "d", "-1d", "1w", "9" * 9 + "d", "1.5h"])
def test_an_age_that_is_none_is_told(call: Call, wrong: str) -> None:
    done = call("quarantine", "purge", "--older-than", wrong)
    assert (done.code, done.document["error"]["code"]) == (4, "MR-4002")
    assert "such as 30d" in done.document["error"]["message"]


def test_nothing_is_a_sentence(call: Call) -> None:
    assert call("runs", "list").out == "nothing was run yet: magicrune exec -f FILE\n"
    assert call("quarantine", "list").out == "nothing is in quarantine\n"
    assert call("quarantine", "list", "--format", "json").out == "[]\n"
    assert call("quarantine", "purge", "--older-than", "0d").out == "nothing to remove\n"


def test_each_option_says_what_it_is(call: Call) -> None:
    for path in (["exec"], ["publish"], ["consume"], ["result"], ["explain"], ["doctor"]):
        out = call(*path, "--help").out
        options = out.partition("Options:")[2].partition("\n\n")[0]
        assert "As for exec" not in out
        for line in options.strip().splitlines():
            assert len(line) <= 100
            if line.strip().startswith("-"):
                assert len(line.split("  ")) > 1 or line.endswith("]"), line
