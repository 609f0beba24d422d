"""What each outcome prints and ends with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from magicrune import cli
from magicrune.errors import Unexpected
from tests.unit.cli.calls import RED, SECRET, YELLOW, Call, Done


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
