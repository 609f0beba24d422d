"""Files that are none, and places that are taken: an error at once, never a hang."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from magicrune import cli

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "samples/ok.json"


def command(*words: str, stdin: str = "", **more: str) -> tuple[int, dict[str, str]]:
    done = subprocess.run(
        [sys.executable, "-m", "magicrune", *words],
        env={**os.environ, "MAGICRUNE_DRY_RUN": "1", **more},
        input=stdin,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert "Traceback" not in done.stderr
    return done.returncode, json.loads(done.stdout).get("error", {})


@pytest.fixture
def strange(home: Path, tmp_path: Path) -> Iterator[Path]:
    """A directory with one of each kind."""
    (tmp_path / "directory.yml").mkdir()
    os.mkfifo(tmp_path / "pipe.yml")
    (tmp_path / "endless.yml").symlink_to("/dev/zero")
    (tmp_path / "loop.yml").symlink_to("loop.yml")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket.yml"))
        yield tmp_path


KINDS = ("directory", "pipe", "endless", "socket", "loop", "absent")


@pytest.mark.parametrize("kind", KINDS)
def test_no_file_as_request(strange: Path, kind: str) -> None:
    for words in (["exec", "-f"], ["explain", "-f"], ["publish"]):
        code, error = command(*words, str(strange / f"{kind}.yml"))
        assert (code, error["code"], error["where"]) == (1, "MR-1002", f"{strange}/{kind}.yml")
        assert error["message"]


@pytest.mark.parametrize("kind", KINDS)
def test_no_file_as_policy(strange: Path, kind: str) -> None:
    policy = str(strange / f"{kind}.yml")
    for words in (
        ["exec", "-f", str(SAMPLE), "--policy", policy],
        ["explain", "-f", str(SAMPLE), "--policy", policy],
        ["policy", "check", policy],
    ):
        code, error = command(*words)
        assert (code, error["code"]) == (4, "MR-4001")
        assert policy in error["where"]


@pytest.mark.parametrize("kind", ["directory", "pipe", "endless", "socket", "loop"])
def test_no_file_as_target(strange: Path, kind: str) -> None:
    code, error = command("exec", "-f", str(SAMPLE), "--out", str(strange / f"{kind}.yml"))
    assert (code, error["code"]) == (4, "MR-4003")
    assert error["message"].endswith("not a file")


def test_stdin_is_read_and_an_endless_one_is_not_read_for_ever(home: Path) -> None:
    assert command("exec", "-f", "-", stdin='{"cmd": "true"}') == (0, {})
    with Path("/dev/zero").open("rb") as zero:
        done = subprocess.run(
            [sys.executable, "-m", "magicrune", "exec", "-f", "-"],
            stdin=zero,
            capture_output=True,
            timeout=30,
            check=False,
        )
    assert done.returncode == 1
    assert b"larger than" in done.stdout


def test_what_is_read_is_not_written_over(home: Path, tmp_path: Path) -> None:
    request = tmp_path / "request.json"
    request.write_text('{"cmd": "true"}')
    policy = tmp_path / "own.policy.yml"
    policy.write_text((ROOT / "policies/default.policy.yml").read_text())
    other = tmp_path / "other"
    os.link(request, other)
    for target in (request, policy, other):
        words = ["exec", "-f", str(request), "--policy", str(policy), "--out", str(target)]
        code, error = command(*words)
        assert (code, error["code"], error["message"]) == (4, "MR-4003", "is what the run reads")
    assert request.read_text() == '{"cmd": "true"}'


@pytest.mark.parametrize(
    "place", ["quarantine/r.json", "quarantine/../ledger.sqlite3", "cache/x", "ledger.sqlite3-wal"]
)
def test_our_own_places_are_not_written_to(
    home: Path, tmp_path: Path, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for each in ("quarantine", "cache"):
        (home / each).mkdir(parents=True, mode=0o700)
    home.chmod(0o700)
    (tmp_path / "way").symlink_to(home)
    for target in (home / place, tmp_path / "way" / place):
        code, error = command("exec", "-f", str(SAMPLE), "--out", str(target))
        assert (code, error["code"]) == (4, "MR-4003")
        assert "own" in error["message"]
    monkeypatch.setenv("MAGICRUNE_DRY_RUN", "1")
    assert cli.main(["exec", "-f", str(SAMPLE), "--out", str(home / "mine.json")]) == 0


NOBODY = 3_999_999


@pytest.mark.parametrize("home_is", [None, "", "relative"])
@pytest.mark.parametrize(
    "words",
    [
        ["exec", "-f", str(SAMPLE)],
        ["runs", "list"],
        ["quarantine", "list"],
        ["images", "list"],
        ["images", "build"],
        ["images", "remove", "base"],
    ],
)
def test_a_user_without_a_home_is_told_what_to_set(
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    words: list[str],
    home_is: str | None,
) -> None:
    for name in ("MAGICRUNE_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    if home_is is not None:
        monkeypatch.setenv("HOME", home_is)
    monkeypatch.setenv("XDG_CACHE_HOME", "not/absolute")
    monkeypatch.setattr(os, "getuid", lambda: NOBODY)
    code = cli.main(words)
    error = json.loads(capfd.readouterr().out)["error"]
    assert (code, error["code"], error["hint"]) == (4, "MR-4303", "set MAGICRUNE_HOME")


@pytest.mark.parametrize(
    "words", [["consume"], ["publish", str(SAMPLE)], ["result", f"r_{'0' * 32}"]]
)
def test_a_missing_client_of_the_queue_names_the_package(
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    words: list[str],
) -> None:
    monkeypatch.setitem(sys.modules, "nats", None)
    assert cli.main(words) == 4
    error = json.loads(capfd.readouterr().out)["error"]
    assert error["code"] == "MR-4601"
    assert "pip install 'nats-py" in error["hint"]


def test_a_home_whose_name_is_no_text_is_told(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "magicrune", "exec", "-f", str(SAMPLE)],
        env={**os.environ, "MAGICRUNE_HOME": f"{tmp_path}/\udc80"},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, json.loads(done.stdout)["error"]["code"]) == (4, "MR-4303")
