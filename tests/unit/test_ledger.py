"""The ledger: every run has one row whose story is true, whoever dies and whenever."""

from __future__ import annotations

import os
import resource
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from magicrune import ledger as ledger_module
from magicrune import liveness
from magicrune.errors import LedgerFailed, LedgerUnusable
from magicrune.ledger import Ledger, RunRecord

RUN = "r_" + "5" * 32
KNOWN = {"request_sha256": "a" * 64, "policy_sha256": "b" * 64, "backend": "fake"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite3"


@pytest.fixture
def ledger(path: Path) -> Iterator[Ledger]:
    with Ledger(path) as opened:
        yield opened


def finish(ledger: Ledger, attempt: int, run_id: str = RUN, result: bytes | None = b"{}") -> None:
    ledger.finish(
        run_id,
        attempt,
        verdict="green",
        ending="exited",
        score=0,
        result_json=result,
        duration_ms=1.5,
    )


def only(ledger: Ledger, run_id: str = RUN) -> RunRecord:
    (record,) = ledger.run(run_id)
    return record


# -- the life of a row -----------------------------------------------------------------------


def test_a_run_is_begun_and_finished(ledger: Ledger) -> None:
    assert ledger.begin(RUN, **KNOWN, now=1000.0) == 1
    begun = only(ledger)
    assert (begun.state, begun.started_at, begun.ended_at) == ("running", 1000.0, None)
    finish(ledger, 1)
    record = only(ledger)
    assert (record.state, record.verdict, record.score) == ("finished", "green", 0)
    assert (record.ending, record.duration_ms, record.result) == ("exited", 1.5, b"{}")
    assert record.ended_at is not None


def test_attempts_count_up_for_each_run_id(ledger: Ledger) -> None:
    other = "r_" + "6" * 32
    assert [ledger.begin(RUN, **KNOWN) for _ in range(3)] == [1, 2, 3]
    assert ledger.begin(other, **KNOWN) == 1
    assert [record.attempt for record in ledger.run(RUN)] == [3, 2, 1]
    assert [record.run_id for record in ledger.runs(2)] == [other, RUN]
    assert ledger.run("r_" + "7" * 32) == ()


def test_our_failures_and_refusals_are_told(ledger: Ledger) -> None:
    attempt = ledger.begin(RUN, **KNOWN)
    ledger.fail(RUN, attempt, "MR-4102", "broke on \udcff")
    failed = only(ledger)
    assert (failed.state, failed.error_code) == ("failed", "MR-4102")
    assert failed.error_message == "broke on \\udcff"
    for _ in range(2):
        ledger.refuse(RUN, **KNOWN, error_code="MR-3001", message="no", result_json=b"{}")
    refused = ledger.run(RUN)[0]
    assert (refused.state, refused.attempt, refused.verdict) == ("refused", 0, "red")
    assert refused.ending == "policy_denied"
    assert ledger.begin(RUN, **KNOWN) == 2


def test_a_row_is_settled_once(ledger: Ledger) -> None:
    attempt = ledger.begin(RUN, **KNOWN)
    finish(ledger, attempt)
    for act in (
        lambda: finish(ledger, attempt),
        lambda: ledger.fail(RUN, attempt, "MR-4102", "late"),
        lambda: finish(ledger, 99),
        lambda: finish(ledger, 1, "r_" + "7" * 32),
    ):
        with pytest.raises(LedgerFailed, match="is not running"):
            act()
    assert only(ledger).state == "finished"


def test_the_database_itself_holds_the_rules(ledger: Ledger, path: Path) -> None:
    ledger.begin(RUN, **KNOWN)
    finish(ledger, ledger.begin(RUN, **KNOWN))
    with sqlite3.connect(path) as raw:
        for change in (
            "UPDATE runs SET state = 'running', ended_at = NULL WHERE attempt = 2",
            "UPDATE runs SET state = 'crashed' WHERE attempt = 2",
            "UPDATE runs SET state = 'finished', ended_at = 1 WHERE attempt = 1",
            "UPDATE runs SET state = 'failed', ended_at = 1 WHERE attempt = 1",
            "UPDATE runs SET state = 'paused' WHERE attempt = 1",
            "UPDATE runs SET score = 101 WHERE attempt = 2",
            "UPDATE runs SET verdict = 'blue' WHERE attempt = 2",
            "UPDATE runs SET attempt = 1 WHERE attempt = 2",
        ):
            with pytest.raises(sqlite3.IntegrityError):
                raw.execute(change)
        raw.execute("UPDATE runs SET state = 'crashed', ended_at = 1 WHERE attempt = 1")
    raw.close()


def test_results_of_long_ago_are_let_go(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_module, "KEPT_RESULTS", 3)
    for _ in range(5):
        finish(ledger, ledger.begin(RUN, **KNOWN))
    assert [record.result for record in ledger.run(RUN)] == [b"{}", b"{}", b"{}", None, None]
    assert all(record.result is None for record in ledger.runs())


def test_wrong_values_are_errors_not_tracebacks(ledger: Ledger) -> None:
    attempt = ledger.begin(RUN, **KNOWN)
    with pytest.raises(LedgerFailed) as caught:
        ledger.finish(
            RUN, attempt, verdict="blue", ending="x", score=0, result_json=None, duration_ms=1
        )
    assert caught.value.code == "MR-4302"
    assert only(ledger).state == "running"


# -- crashes ---------------------------------------------------------------------------------

_CRASHING = """
import os, signal, sys
from pathlib import Path
from magicrune.ledger import Ledger
run, where, path = sys.argv[1:]
ledger = Ledger(Path(path))
die = lambda: os.kill(os.getpid(), signal.SIGKILL)
known = dict(request_sha256="a" * 64, policy_sha256="b" * 64, backend="fake")
if where == "opened":
    die()
if where == "beginning":
    ledger._database.execute("BEGIN IMMEDIATE")
attempt = ledger.begin(run, **known)
if where in ("begun", "beginning"):
    die()
if where == "finishing":
    ledger._database.execute("BEGIN IMMEDIATE")
ledger.finish(run, attempt, verdict="green", ending="exited", score=0,
              result_json=b"x" * 100000, duration_ms=1.0)
die()
"""


@pytest.mark.parametrize(
    ("where", "states"),
    [
        ("opened", []),
        ("beginning", []),
        ("begun", ["crashed"]),
        ("finishing", ["crashed"]),
        ("finished", ["finished"]),
    ],
)
def test_a_killed_process_leaves_a_true_story(path: Path, where: str, states: list[str]) -> None:
    killed = subprocess.run(
        [sys.executable, "-c", _CRASHING, RUN, where, str(path)], check=False, timeout=60
    )
    assert killed.returncode == -signal.SIGKILL
    with Ledger(path) as ledger:
        records = ledger.run(RUN)
        assert [record.state for record in records] == states
        assert all(record.ended_at is not None for record in records)
        assert ledger.begin(RUN, **KNOWN) == len(states) + 1
        integrity = ledger._database.execute("PRAGMA integrity_check").fetchone()
        assert integrity == ("ok",)


def test_a_run_of_a_living_process_is_left_alone(path: Path, ledger: Ledger) -> None:
    attempt = ledger.begin(RUN, **KNOWN)
    with Ledger(path) as second:
        assert only(second).state == "running"
    finish(ledger, attempt)


@pytest.mark.parametrize(
    ("change", "gone"),
    [
        ({}, False),
        ({"started": 1}, True),
        ({"boot": "another boot"}, True),
        ({"namespace": "pid:[1]"}, False),
        ({"namespace": "pid:[1]", "pid": 2**22 + 1}, False),
        ({"pid": 2**22 + 1}, True),
        ({"pid": 2**22 + 1, "started": None}, True),
        ({"started": None}, False),
    ],
)
def test_liveness_is_not_fooled_by_reused_pids(change: dict[str, object], gone: bool) -> None:
    pid, started, boot, namespace = liveness.own_identity()
    own = {"pid": pid, "started": started, "boot": boot, "namespace": namespace}
    assert liveness.is_gone(tuple((own | change).values())) is gone  # type: ignore[arg-type]


def test_a_corpse_that_nobody_reaped_is_gone() -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    _, _, boot, namespace = liveness.own_identity()
    identity = (child.pid, liveness._started(child.pid), boot, namespace)
    assert liveness.is_gone(identity) is False
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert liveness.is_gone(identity) is True
    child.wait()


# -- several at once -------------------------------------------------------------------------

_WRITING = """
import sys
from pathlib import Path
from magicrune.ledger import Ledger
run, path = sys.argv[1:]
sys.stdin.read()
with Ledger(Path(path)) as ledger:
    for number in range(20):
        known = dict(request_sha256="a" * 64, policy_sha256="b" * 64, backend="fake")
        attempt = ledger.begin(run, **known)
        ledger.finish(run, attempt, verdict="green", ending="exited", score=0,
                      result_json=b"{}", duration_ms=1.0)
"""


def test_eight_processes_write_at_once(path: Path) -> None:
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", _WRITING, RUN, str(path)],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for _ in range(8)
    ]
    for writer in writers:  # all start together, on a ledger that does not exist yet
        assert writer.stdin is not None
        writer.stdin.close()
        writer.stdin = None
    for writer in writers:
        _, errors = writer.communicate(timeout=90)
        assert (writer.returncode, errors) == (0, b"")
    with Ledger(path) as ledger:
        records = ledger.run(RUN)
    assert sorted(record.attempt for record in records) == list(range(1, 161))
    assert {record.state for record in records} == {"finished"}


def test_the_first_opener_waits_for_another_first_opener(path: Path) -> None:
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN EXCLUSIVE")
    release = threading.Timer(0.2, other.execute, ["ROLLBACK"])
    release.start()
    with Ledger(path) as ledger:
        assert ledger.runs() == ()
    release.join()
    other.close()


def test_threads_share_a_ledger(ledger: Ledger) -> None:
    def work() -> None:
        for _ in range(10):
            finish(ledger, ledger.begin(RUN, **KNOWN))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(record.attempt for record in ledger.run(RUN)) == list(range(1, 41))


def test_two_ledgers_of_one_process_keep_their_locks(path: Path) -> None:
    """Closing any descriptor of a file drops all POSIX locks that its process holds on it.
    Without its lock, the next process to close the ledger would delete the log in use."""
    look = "import sys, pathlib, magicrune.ledger as l; p = pathlib.Path(sys.argv[1])\n"
    look += "with l.Ledger(p) as ledger: print(len(ledger.runs()))"

    def count() -> int:
        command = [sys.executable, "-c", look, str(path)]
        return int(subprocess.run(command, capture_output=True, check=True).stdout)

    with Ledger(path) as first:
        first.begin(RUN, **KNOWN)
        Ledger(path).close()
        assert count() == 1
        first.begin(RUN, **KNOWN)
        assert count() == 2


# -- files that cannot be used ----------------------------------------------------------------


def test_files_are_private(path: Path) -> None:
    before = os.umask(0)
    try:
        with Ledger(path) as ledger:
            ledger.begin(RUN, **KNOWN)
            modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    finally:
        os.umask(before)
    assert modes.pop(path.name) == 0o600
    assert set(modes.values()) == {0o600}
    path.chmod(0o644)
    Ledger(path).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_symlink_or_directory_is_refused(path: Path, tmp_path: Path) -> None:
    real = tmp_path / "real.sqlite3"
    Ledger(real).close()
    path.symlink_to(real)
    with pytest.raises(LedgerUnusable, match="regular file"):
        Ledger(path)
    path.unlink()
    path.mkdir()
    with pytest.raises(LedgerUnusable, match="regular file"):
        Ledger(path)


def test_a_missing_directory_is_told(tmp_path: Path) -> None:
    with pytest.raises(LedgerUnusable, match="No such file"):
        Ledger(tmp_path / "nowhere" / "ledger.sqlite3")


@pytest.mark.parametrize(
    "content", [b"not a database, " * 100, b"SQLite format 3\0" + b"\xff" * 4080]
)
def test_rubbish_is_told_with_a_way_out(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(LedgerUnusable) as caught:
        Ledger(path)
    assert "move the file away" in caught.value.hint
    assert not caught.value.retryable
    assert path.read_bytes() == content


def test_damage_inside_is_told(path: Path) -> None:
    with Ledger(path) as ledger:
        for _ in range(50):
            finish(ledger, ledger.begin(RUN, **KNOWN), result=b"x" * 2000)
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xa5" * (len(data) - 4096)
    path.write_bytes(data)
    with pytest.raises(LedgerUnusable), Ledger(path) as ledger:
        ledger.runs()


def test_a_newer_or_foreign_file_is_left_alone(path: Path) -> None:
    Ledger(path).close()
    with sqlite3.connect(path) as raw:
        raw.execute("PRAGMA user_version = 99")
    raw.close()
    with pytest.raises(LedgerUnusable, match="version 99"):
        Ledger(path)
    path.unlink()
    with sqlite3.connect(path) as raw:
        raw.execute("CREATE TABLE theirs (x)")
    raw.close()
    with pytest.raises(LedgerUnusable, match="not a ledger"):
        Ledger(path)


def test_a_locked_ledger_is_worth_a_retry(
    path: Path, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger._database.execute("PRAGMA busy_timeout = 0")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(LedgerFailed) as caught:
        ledger.begin(RUN, **KNOWN)
    assert caught.value.retryable
    other.execute("ROLLBACK")
    other.close()
    assert ledger.begin(RUN, **KNOWN) == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes to read-only files")
def test_a_read_only_ledger_is_told_as_another_user(path: Path) -> None:
    Ledger(path).close()
    path.parent.chmod(0o500)
    try:
        path.chmod(0o400)
        with pytest.raises(LedgerUnusable):
            Ledger(path)
    finally:
        path.parent.chmod(0o700)


def test_a_ledger_that_takes_no_more_is_told(path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        with pytest.raises(LedgerUnusable) as told:
            Ledger(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "room" in told.value.hint


def test_a_read_only_database_is_told(ledger: Ledger) -> None:
    ledger._database.execute("PRAGMA query_only = 1")
    with pytest.raises(LedgerUnusable) as caught:
        ledger.begin(RUN, **KNOWN)
    assert "writable" in caught.value.hint


def test_sqlite_is_loaded_only_when_a_ledger_is_opened() -> None:
    script = "import sys, magicrune.ledger; print('sqlite3' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert done.stdout == b"False\n"
