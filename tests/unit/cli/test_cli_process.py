"""The process as a whole: pipes, disks, descriptors, signals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.calls import Call, Done


def _spawn(tmp_path: Path, *arguments: str, **more: Any) -> subprocess.Popen[bytes]:
    """The command in a process of its own, with the usual signals even where these tests
    run under nohup: a SIGHUP that is ignored there would stay ignored."""
    kept = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    try:
        return _start(tmp_path, *arguments, **more)
    finally:
        signal.signal(signal.SIGHUP, kept)


def _start(tmp_path: Path, *arguments: str, **more: Any) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "magicrune", *arguments],
        stdout=more.pop("stdout", subprocess.PIPE),
        stderr=subprocess.PIPE,
        env=os.environ | {"MAGICRUNE_HOME": str(tmp_path / "home")},
        **more,
    )


def test_a_reader_that_went_away_is_no_error_message(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    child = _spawn(tmp_path, "schema", "result", stdout=writing)
    os.close(writing)
    _, errors = child.communicate(timeout=60)
    assert (child.returncode, errors) == (128 + signal.SIGPIPE, b"")


def test_a_full_disk_is_our_failure(tmp_path: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        child = _spawn(tmp_path, "schema", "result", stdout=full)
        _, errors = child.communicate(timeout=60)
    assert child.returncode == 4
    assert errors.startswith(b"magicrune: MR-4003: stdout: cannot write")
    assert errors.count(b"\n") == 1


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_standard_streams_are_told_and_harm_nothing(
    tmp_path: Path, call: Call, closed: str
) -> None:
    request = tmp_path / "request.json"
    request.write_text('{"cmd": "true"}')
    out = tmp_path / "out.json"
    command = '"$1" -m magicrune exec -f "$2" --backend fake'
    for more, code in (("", 4 if ">&-" in closed.replace("2>&-", "") else 0), ('--out "$3"', 0)):
        done = subprocess.run(
            ["sh", "-c", f"{command} {more} {closed}", "sh", sys.executable, request, out],
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == code, done.stderr
        assert b"Traceback" not in done.stderr
    assert json.loads(out.read_text())["verdict"] == "green"
    rows = json.loads(call("runs", "list", "--format", "json").out)
    assert [row["state"] for row in rows] == ["finished", "finished"]


def test_a_closed_stdin_is_no_request(tmp_path: Path) -> None:
    done = subprocess.run(
        ["sh", "-c", '"$1" -m magicrune exec -f - <&-', "sh", sys.executable],
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, json.loads(done.stdout)["error"]["code"]) == (4, "MR-4002")


@pytest.mark.parametrize("kind", ["file", "nowhere", "writable by others", "symlink"])
def test_a_home_that_cannot_be_used_is_our_failure_and_told(
    fake: Callable[..., Done], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: str
) -> None:
    home = tmp_path / "elsewhere"
    if kind == "file":
        home.write_text("")
    elif kind == "nowhere":
        home = Path("/proc/nowhere")
    elif kind == "symlink":
        home.symlink_to(tmp_path)
    else:
        home.mkdir(mode=0o777)
        home.chmod(0o777)
    monkeypatch.setenv("MAGICRUNE_HOME", str(home))
    done = fake({"raises": "must not be run"})
    assert (done.code, done.document["error"]["code"]) == (4, "MR-4303")


@pytest.fixture
def waiting(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`exec` in the middle of a run: the fake backend waits for a script that never comes."""
    pipe = tmp_path / "script.fifo"
    os.mkfifo(pipe)
    request = tmp_path / "request.json"
    request.write_text('{"cmd": "true"}')
    os.environ["MAGICRUNE_FAKE_OBSERVATION"] = str(pipe)
    # A shell that starts the tests in the background has them ignore SIGINT.
    was = signal.signal(signal.SIGINT, signal.default_int_handler)
    child = _spawn(tmp_path, "exec", "-f", str(request), "--backend", "fake")
    signal.signal(signal.SIGINT, was)
    del os.environ["MAGICRUNE_FAKE_OBSERVATION"]
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and child.poll() is None:
        try:  # opening for writing works only when the child reads: it is inside the run
            descriptor = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
            break
        except OSError:
            time.sleep(0.02)
    else:
        raise AssertionError("the run never began")
    yield child
    os.close(descriptor)
    child.kill()
    child.wait()


@pytest.mark.parametrize(
    ("number", "state"),
    [
        (signal.SIGINT, "failed"),
        (signal.SIGTERM, "failed"),
        (signal.SIGHUP, "failed"),
        (signal.SIGKILL, "crashed"),
    ],
)
def test_a_run_that_is_interrupted_is_told_so_by_the_ledger(
    waiting: subprocess.Popen[bytes], call: Call, number: signal.Signals, state: str
) -> None:
    before = json.loads(call("runs", "list", "--format", "json").out)
    assert [row["state"] for row in before] == ["running"]
    waiting.send_signal(number)
    out, errors = waiting.communicate(timeout=60)
    assert out == b""
    assert b"Traceback" not in errors
    killed = number is signal.SIGKILL
    assert waiting.returncode == (-number if killed else 128 + number)
    after = json.loads(call("runs", "list", "--format", "json").out)
    assert [row["state"] for row in after] == [state]


def test_version_imports_nothing_heavy() -> None:
    heavy = "pydantic wasmtime yaml sqlite3 magicrune.policy magicrune.pipeline"
    probe = (
        "import sys; from magicrune.cli import main; main(['--version']);"
        f"print([m for m in {heavy.split()!r} if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"
