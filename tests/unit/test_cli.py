"""The command line: documents, exit codes, signals, files; on the fake backend, in process."""

from __future__ import annotations

import io
import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from magicrune import cli, cli_output
from magicrune.errors import Unexpected

SECRET = "magicrune-test-secret"


@dataclass(frozen=True)
class Done:
    """What one call of the command line came to."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """stdout as the one JSON document that it must be."""
        assert self.out.endswith("\n")
        assert self.out.count("\n") == 1
        value: dict[str, Any] = json.loads(self.out)
        return value


Call = Callable[..., Done]


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("MAGICRUNE_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("MAGICRUNE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MAGICRUNE_UNSAFE_FAKE", "1")


@pytest.fixture
def call(capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch) -> Call:
    def run(*arguments: str, stdin: bytes = b"") -> Done:
        capfdbinary.readouterr()
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        code = cli.main(arguments)
        sys.stdout.flush()
        out, err = capfdbinary.readouterr()
        return Done(code, out.decode(), err.decode())

    return run


@pytest.fixture
def fake(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Done]:
    """Runs `exec` with the fake backend playing `script`."""

    def run(script: dict[str, Any], *arguments: str, request: object = None) -> Done:
        path = tmp_path / "script.json"
        path.write_text(json.dumps(script))
        monkeypatch.setenv("MAGICRUNE_FAKE_OBSERVATION", str(path))
        body = {"cmd": "true"} if request is None else request
        return call(
            "exec", "-f", "-", "--backend", "fake", *arguments, stdin=json.dumps(body).encode()
        )

    return run


RED = {
    "stdout": SECRET,
    "stderr": SECRET,
    "artifacts": [{"path": "/workspace/out/a", "content": SECRET}],
    "events": [
        {"at_ms": 1, "kind": "sensitive", "detail": {"path": "/workspace/.ssh/id", "op": "open"}},
        {"at_ms": 2, "kind": "connect", "detail": {"host": "evil.example.net", "port": 443}},
    ],
}
YELLOW = {
    "events": [{"at_ms": 1, "kind": "sensitive", "detail": {"path": "/x/.ssh/id", "op": "open"}}]
}


# --- documents and exit codes -------------------------------------------------------------


@pytest.mark.parametrize(
    ("script", "code", "verdict"), [({}, 0, "green"), (YELLOW, 10, "yellow"), (RED, 20, "red")]
)
def test_each_colour_has_its_exit_code(
    fake: Callable[..., Done], script: dict[str, Any], code: int, verdict: str
) -> None:
    done = fake(script)
    assert (done.code, done.document["verdict"]) == (code, verdict)
    assert done.document["backend"] == "fake"
    assert done.document["executed"] is True


def test_red_output_is_nowhere_but_in_quarantine(fake: Callable[..., Done], tmp_path: Path) -> None:
    for style in ("json", "human"):
        done = fake(RED, "--format", style)
        assert SECRET not in done.out + done.err
    home = tmp_path / "home"
    holders = {
        path.relative_to(home).parts[0]
        for path in home.rglob("*")
        if path.is_file() and SECRET.encode() in path.read_bytes()
    }
    assert holders == {"quarantine"}
    assert SECRET in fake({"stdout": SECRET}).out  # the probe can see it


def test_the_jobs_exit_code_is_not_ours(fake: Callable[..., Done]) -> None:
    done = fake({"exit_code": 3})
    assert (done.code, done.document["exit_code"]) == (0, 3)


def test_a_violation_is_a_result_that_was_not_executed(fake: Callable[..., Done]) -> None:
    done = fake({}, request={"cmd": "curl https://example.com"})
    assert done.code == 3
    assert done.document["executed"] is False
    assert done.document["error"]["code"] == "MR-3001"
    assert done.document["backend"] == "fake"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"cmd": ""}',
        b'{"cmd": 1}',
        b'{"cmd": "true", "cmd": "false"}',
        b'{"cmd": "true", "extra": 1}',
        b'{"cmd": "true", "timeout_sec": NaN}',
        b'{"cmd": "true", "files": [{"path": "/tmp/a", "content_b64": "%%"}]}',
        b'\xff{"cmd": "true"}',
        b"[" * 100_000,
        b'{"cmd": "\\ud800"}',
    ],
)
def test_a_bad_request_is_error_1_and_never_a_traceback(call: Call, body: bytes) -> None:
    done = call("exec", "-f", "-", "--backend", "fake", stdin=body)
    assert done.code == 1
    assert done.document["error"]["code"].startswith("MR-1")
    assert done.document["error"]["message"]
    assert "Traceback" not in done.err
    assert done.err.count("\n") == 1


def test_strict_wants_every_key(fake: Callable[..., Done]) -> None:
    assert fake({}).code == 0
    done = fake({}, "--strict")
    assert done.code == 1
    assert "missing" in done.document["error"]["message"]


def test_a_broken_sandbox_is_error_4_and_retryable(fake: Callable[..., Done]) -> None:
    done = fake({"raises": "boom"})
    assert done.code == 4
    assert done.document["error"]["code"] == "MR-4102"
    assert done.document["error"]["retryable"] is True
    assert "boom" in done.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["exec"],
        ["exec", "--nonsense"],
        ["exec", "-f", "-", "--timeout", "61"],
        ["exec", "-f", "-", "--timeout", "0"],
        ["exec", "-f", "-", "--seed", "x"],
        ["exec", "-f", "-", "--backend", "chroot"],
        ["nonsense"],
        ["schema", "nonsense"],
        ["exec", "-f", "-", "surplus"],
        [],
    ],
)
def test_a_wrong_command_line_is_error_4_never_2(call: Call, arguments: list[str]) -> None:
    done = call(*arguments)
    assert done.code == 4
    assert done.document["error"]["code"] == "MR-4002"


def test_a_missing_file_is_told(call: Call, tmp_path: Path) -> None:
    done = call("exec", "-f", str(tmp_path / "none.json"), "--backend", "fake")
    assert done.code in (1, 4)
    assert "none.json" in done.document["error"]["where"] + done.document["error"]["message"]


def test_a_bad_policy_names_file_and_line(call: Call, tmp_path: Path) -> None:
    policy = tmp_path / "bad.policy.yml"
    policy.write_text("version: 1\nnonsense: 2\n")
    for arguments in (
        ["exec", "-f", "-", "--backend", "fake", "--policy", str(policy)],
        ["policy", "check", str(policy)],
    ):
        done = call(*arguments, stdin=b'{"cmd": "true"}')
        assert done.code == 4
        assert done.document["error"]["code"] == "MR-4001"
        assert "bad.policy.yml:" in done.document["error"]["where"]


def test_an_exception_that_nothing_foresaw_is_no_traceback(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    def explode(_arguments: list[str]) -> int:
        raise ZeroDivisionError("x\ny")

    monkeypatch.setattr(cli, "_dispatch", explode)
    done = call("--version")
    assert done.code == 4
    assert done.document["error"]["code"] == Unexpected.code
    assert "explode" in done.document["error"]["where"]
    assert "Traceback" not in done.err
    assert done.err.count("\n") == 1
    monkeypatch.setenv("MAGICRUNE_DEBUG", "1")
    assert "Traceback" in call("--version").err


# --- options and environment --------------------------------------------------------------


def test_the_seed_option_stands_in_for_the_requests(fake: Callable[..., Done]) -> None:
    plain = fake({}, request={"cmd": "true", "seed": 1}).document
    other = fake({}, "--seed", "2", request={"cmd": "true", "seed": 1}).document
    same = fake({}, "--seed", "1", request={"cmd": "true", "seed": 1}).document
    assert (plain["seed"], other["seed"], same["seed"]) == (1, 2, 1)
    assert plain["run_id"] == same["run_id"] != other["run_id"]
    assert (plain["attempt"], same["attempt"]) == (1, 2)


def test_a_seed_out_of_range_is_refused(fake: Callable[..., Done]) -> None:
    for seed in ("-1", str(2**63)):
        assert fake({}, f"--seed={seed}").code == 4
    assert fake({}, f"--seed={2**63 - 1}").code == 0


def test_a_dry_run_does_all_but_the_run(
    fake: Callable[..., Done], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MAGICRUNE_DRY_RUN", "1")
    done = fake({"raises": "must not be run"}, "--timeout", "5")
    assert done.code == 0
    assert done.document["dry_run"] is True
    assert done.document["executed"] is False
    assert "verdict" not in done.document
    assert done.document["limits"]["wall_ms"] == 5000
    assert not (tmp_path / "home" / "ledger.sqlite3").exists()
    assert fake({}, request={"cmd": "curl https://example.com"}).code == 3
    assert fake({}, request={"cmd": 7}).code == 1


def test_a_dry_run_shows_no_value_of_the_environment(
    fake: Callable[..., Done], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAGICRUNE_DRY_RUN", "1")
    done = fake({}, request={"cmd": "true", "stdin": SECRET})
    assert SECRET not in done.out


@pytest.mark.parametrize("name", ["MAGICRUNE_DRY_RUN", "MAGICRUNE_FORCE_WASM"])
def test_a_switch_that_is_neither_on_nor_off_is_refused(
    fake: Callable[..., Done], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    for value, code in (("yes", 4), ("0", 0), ("", 0)):
        monkeypatch.setenv(name, value)
        assert fake({}).code == code


def test_force_wasm_contradicts_another_backend(
    fake: Callable[..., Done], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAGICRUNE_FORCE_WASM", "1")
    done = fake({})
    assert (done.code, done.document["error"]["code"]) == (4, "MR-4002")


def test_the_policy_comes_from_the_environment_unless_given(
    fake: Callable[..., Done], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MAGICRUNE_POLICY", str(tmp_path / "missing.policy.yml"))
    assert fake({}).code == 4
    assert fake({}, "--policy", "default").code == 0


def test_an_empty_policy_is_no_default(fake: Callable[..., Done]) -> None:
    """--policy "$STRICTER" with the variable unset."""
    done = fake({}, "--policy", "")
    assert (done.code, done.document["error"]["code"]) == (4, "MR-4001")


def test_the_fake_backend_needs_its_switch(
    fake: Callable[..., Done], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MAGICRUNE_UNSAFE_FAKE")
    done = fake({})
    assert (done.code, done.document["error"]["code"]) == (4, "MR-4101")


# --- --out --------------------------------------------------------------------------------


def test_out_takes_the_document_and_leaves_stdout_empty(
    fake: Callable[..., Done], tmp_path: Path
) -> None:
    out = tmp_path / "result.json"
    out.write_text("old")
    out.chmod(0o644)
    done = fake({"stdout": "hi"}, "--out", str(out))
    assert (done.code, done.out) == (0, "")
    assert json.loads(out.read_text())["stdout"] == "hi"
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "home",
        "result.json",
        "script.json",
    ]


def test_out_takes_errors_too_so_that_no_old_result_is_mistaken(
    fake: Callable[..., Done], tmp_path: Path
) -> None:
    out = tmp_path / "result.json"
    assert fake({}, "--out", str(out)).code == 0
    done = fake({"raises": "boom"}, "--out", str(out))
    assert (done.code, done.out) == (4, "")
    assert json.loads(out.read_text())["error"]["code"] == "MR-4102"
    assert "boom" in done.err


@pytest.mark.parametrize("kind", ["symlink", "dangling", "directory", "fifo", "nowhere", "dots"])
def test_out_that_is_no_regular_file_is_refused_before_the_run(
    fake: Callable[..., Done], tmp_path: Path, kind: str
) -> None:
    victim, out = tmp_path / "victim", tmp_path / "result.json"
    victim.write_text("keep")
    if kind == "symlink":
        out.symlink_to(victim)
    elif kind == "dangling":
        out.symlink_to(tmp_path / "made-by-us")
    elif kind == "directory":
        out.mkdir()
    elif kind == "fifo":
        os.mkfifo(out)
    elif kind == "nowhere":
        out = tmp_path / "none" / "result.json"
    else:
        out = tmp_path / ".."
    done = fake({"raises": "must not be run"}, "--out", str(out))
    assert (done.code, done.document["error"]["code"]) == (4, "MR-4003")
    assert victim.read_text() == "keep"
    assert not (tmp_path / "made-by-us").exists()


def test_an_unfinished_out_file_is_removed(tmp_path: Path) -> None:
    with cli_output.open_sink(str(tmp_path / "x")):
        assert len(list(tmp_path.iterdir())) == 1
    assert list(tmp_path.iterdir()) == []


# --- what a person sees -------------------------------------------------------------------

HOSTILE = "\x1b[2J\x1b]0;title\x07\x9b31m\u202eevil\u200b\r\x08"


def test_a_report_lets_no_control_sequence_through(fake: Callable[..., Done]) -> None:
    script = {
        "stdout": f"first {HOSTILE}\nsecond",
        "stderr": HOSTILE,
        "artifacts": [{"path": f"/workspace/out/{HOSTILE}", "content": ""}],
        "events": [{"at_ms": 0, "kind": "denied", "detail": {"op": HOSTILE, "target": HOSTILE}}],
    }
    for style in ("human", "json"):
        done = fake(script, "--format", style)
        assert "first" in done.out
        for text in (done.out, done.err):
            assert not [c for c in text if c != "\n" and not c.isprintable()]


def test_an_error_lets_no_control_sequence_through(call: Call) -> None:
    done = call("exec", "-f", f"/nonexistent/{HOSTILE}", "--backend", "fake")
    assert done.code in (1, 4)
    for text in (done.out, done.err):
        assert not [c for c in text if c != "\n" and not c.isprintable()]


def test_a_summary_goes_to_a_terminal_only(
    fake: Callable[..., Done], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert fake(YELLOW).err == ""
    monkeypatch.setattr("magicrune.cli_exec._is_watched", lambda: True)
    done = fake(YELLOW)
    assert done.document["verdict"] == "yellow"
    assert "yellow" in done.err
    assert "secret-read" in done.err
    assert " ms" in done.err


def test_a_report_says_verdict_and_output(fake: Callable[..., Done]) -> None:
    done = fake({"stdout": "one\ntwo\n", "exit_code": 5}, "--format", "human")
    assert done.out.startswith("green: risk 0/100, exited, exit code 5")
    assert "one\ntwo\n" in done.out


# --- other commands -----------------------------------------------------------------------


def test_version_and_help(call: Call) -> None:
    done = call("--version")
    assert done.code == 0
    assert done.out.startswith("magicrune 0.")
    for path in ([], ["exec"], ["runs"], ["runs", "show"], ["quarantine", "release"], ["schema"]):
        done = call(*path, "--help")
        assert done.code == 0
        assert "Usage: magicrune" in done.out


@pytest.mark.parametrize("name", ["request", "result", "policy"])
def test_schema_prints_json(call: Call, name: str) -> None:
    done = call("schema", name)
    assert done.code == 0
    assert json.loads(done.out)["type"] == "object"


def test_policy_check_accepts_the_shipped_one(call: Call) -> None:
    done = call("policy", "check", "default")
    assert done.code == 0
    assert ": ok (policy_id default" in done.out


def test_runs_are_listed_and_shown(fake: Callable[..., Done], call: Call) -> None:
    assert call("runs", "list", "--format", "json").out == "[]\n"
    one = fake(YELLOW).document
    fake({"raises": "boom"}, request={"cmd": "false"})
    fake({}, request={"cmd": "curl https://example.com"})
    rows = json.loads(call("runs", "list", "--format", "json").out)
    assert {row["state"] for row in rows} == {"finished", "failed", "refused"}
    assert one["run_id"] in call("runs", "list").out
    shown = json.loads(call("runs", "show", one["run_id"], "--format", "json").out)
    assert shown[0]["verdict"] == "yellow"
    assert "yellow" in call("runs", "show", one["run_id"]).out
    missing = call("runs", "show", "r_" + "0" * 32)
    assert missing.code == 4


def test_quarantine_is_listed_shown_and_released_on_purpose(
    fake: Callable[..., Done], call: Call, tmp_path: Path
) -> None:
    run = fake(RED).document["run_id"]
    assert run in call("quarantine", "list").out
    assert json.loads(call("quarantine", "list", "--format", "json").out)
    for style in ("human", "json"):
        shown = call("quarantine", "show", run, "--format", style)
        assert shown.code == 0
        assert SECRET not in shown.out
    target = tmp_path / "released"
    done = call("quarantine", "release", run, "--to", str(target))
    assert done.code == 0
    kept = [path for path in target.rglob("*") if path.is_file()]
    assert any(path.read_bytes() == SECRET.encode() for path in kept)
    again = call("quarantine", "release", run, "--to", str(target))
    assert again.code == 4


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_code_is_printed(call: Call, shell: str) -> None:
    done = call("completion", shell)
    assert done.code == 0
    assert "_MAGICRUNE_COMPLETE" in done.out


def test_completion_offers_commands_and_options(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("_MAGICRUNE_COMPLETE", "bash_complete")
    for words, at, offered in (
        ("magicrune ", "1", "exec"),
        ("magicrune exec --fo", "2", "--format"),
    ):
        monkeypatch.setenv("COMP_WORDS", words)
        monkeypatch.setenv("COMP_CWORD", at)
        assert offered in call().out


# --- the process as a whole ---------------------------------------------------------------


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
