"""The other commands, as a person calls them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.cli.calls import RED, SECRET, YELLOW, Call, Done


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


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["exce"], "did you mean magicrune exec?"),
        (["zzz"], "magicrune --help"),
        (["runs"], "magicrune runs --help"),
        (["exec", "-f", ""], "- reads stdin"),
    ],
)
def test_a_mistake_gets_advice(call: Call, words: list[str], hint: str) -> None:
    error = call(*words).document["error"]
    assert error["hint"] == hint


def test_an_empty_out_is_told(call: Call) -> None:
    error = call("exec", "-f", "x.json", "--out", "").document["error"]
    assert (error["code"], error["where"]) == ("MR-4003", "--out")
