"""What a person sees: nothing of it is interpreted by the terminal."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.unit.cli.calls import YELLOW, Call, Done

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
