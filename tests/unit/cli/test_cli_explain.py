"""``magicrune explain``: a screen by default, everything on demand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from magicrune.explain import _SOURCES
from magicrune.locations import shipped
from tests.unit.cli.calls import Call

POLICY = shipped("policies/default.policy.yml")
SCREEN = 24
REQUEST = (
    b'{"cmd": "cat x \\u001b[2J", "stdin": "abc", "timeout_sec": 7, '
    b'"files": [{"path": "/workspace/x", "content_b64": "aGk="}]}'
)


def test_a_screen_says_who_what_limits_network_and_backend(call: Call) -> None:
    done = call("explain", "-f", "-", "--backend", "wasi", stdin=REQUEST)
    lines = done.out.splitlines()
    assert done.code == 0
    assert len(lines) <= SCREEN
    assert max(map(len, lines)) < 200
    rows = dict(line.split(maxsplit=1) for line in lines if line)
    assert rows["command"] == "cat x \\x1b[2J"
    assert rows["policy"] == f"default ({POLICY})"
    assert rows["backend"] == "wasi"
    assert rows["input"] == "3 bytes of stdin, 1 files of 2 bytes"
    assert rows["time"].startswith("7 s, 10 s of processor")
    assert rows["memory"] == "512 MiB"
    assert rows["network"] == "none"


def test_full_names_each_controls_line(call: Call) -> None:
    out = call("explain", "-f", "-", "--backend", "wasi", "--full", stdin=REQUEST).out
    for control in _SOURCES:
        assert f"  {control} " in out
    number = next(
        number
        for number, line in enumerate(POLICY.read_text().splitlines(), 1)
        if line.strip().startswith("memory_mb:")
    )
    assert f"{POLICY}:{number}" in out
    assert "What wasi is told:" in out


def test_json_holds_all_of_it(call: Call) -> None:
    told = json.loads(call("explain", "-f", "-", "--backend", "wasi", "--json", stdin=REQUEST).out)
    assert {"limits", "mounts", "env", "network", "sources", "engine_words"} <= told.keys()
    assert told["limits"]["wall_ms"] == 7000


def test_a_destination_is_shown_with_the_line_that_grants_it(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = tmp_path / "net.policy.yml"
    text = POLICY.read_text().replace("    allow: []", '    allow: ["*.example.com:443"]', 1)
    assert "example.com" in text
    policy.write_text(text)
    request = b'{"cmd": "true", "allow_net": ["api.example.com:443"]}'
    words = ("explain", "-f", "-", "--policy", str(policy), "--backend", "fake")
    script = tmp_path / "script.json"
    script.write_text("{}")
    monkeypatch.setenv("MAGICRUNE_FAKE_OBSERVATION", str(script))
    out = call(*words, stdin=request).out
    assert f"network      api.example.com:443  granted by {policy}:" in out
