"""The command line on the fake backend, in process, with a home of its own."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from magicrune import cli
from tests.unit.cli.calls import Call, Done


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
