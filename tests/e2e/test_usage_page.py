"""docs/usage.md: its examples run as written, in order; it names every option there is."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from magicrune.cli import _COMMANDS

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/usage.md").read_text()
BLOCKS = re.findall(r"^```(sh|python)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
ENDS = re.compile(r"^(?P<command>.*?)\s+# ends with (?P<code>\d+)$", re.MULTILINE)


def script(block: str) -> str:
    """The block, with what a line says it ends with looked at."""
    return "set -eu\n" + ENDS.sub(
        r"code=0; \g<command> || code=$?; "
        r'[ "$code" = \g<code> ] || { echo "ended with $code, not \g<code>" >\&2; exit 99; }',
        block,
    )


@pytest.mark.timeout(400)
def test_examples_are_run_as_written(tmp_path: Path) -> None:
    bin_ = tmp_path / "bin"
    bin_.mkdir()
    (bin_ / "magicrune").write_text(f'#!/bin/sh\nexec {sys.executable} -m magicrune "$@"\n')
    (bin_ / "magicrune").chmod(0o755)
    (bin_ / "python3").symlink_to(sys.executable)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MAGICRUNE_")}
    environment |= {"MAGICRUNE_HOME": str(tmp_path / "home"), "PYTHONPATH": str(ROOT)}
    environment["PATH"] = f"{bin_}:{environment['PATH']}"
    work = tmp_path / "work"
    work.mkdir()
    for kind, block in BLOCKS:
        words = ["sh", "-c", script(block)] if kind == "sh" else [sys.executable, "-c", block]
        done = subprocess.run(
            words, env=environment, cwd=work, capture_output=True, text=True, check=False
        )
        said = f"{block}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
        assert done.returncode == 0, said
        assert "Traceback" not in done.stderr, said
        assert "MR-4999" not in done.stderr, said


def test_the_test_sees_an_example_that_ends_otherwise() -> None:
    wrong = script("true   # ends with 3\n")
    assert subprocess.run(["sh", "-c", wrong], capture_output=True, check=False).returncode == 99
    right = script("echo a | false   # ends with 1\n")
    assert subprocess.run(["sh", "-c", right], capture_output=True, check=False).returncode == 0
    assert len(BLOCKS) > 8


def commands() -> Iterator[tuple[str, click.Command]]:
    def walk(name: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
        if isinstance(command, click.Group):
            for each, inner in command.commands.items():
                yield from walk(f"{name} {each}", inner)
        else:
            yield name, command

    for name, (place, _) in _COMMANDS.items():
        module, _, attribute = place.partition(":")
        yield from walk(name, getattr(importlib.import_module(module), attribute))


@pytest.mark.parametrize(("name", "command"), list(commands()))
def test_every_option_is_named(name: str, command: click.Command) -> None:
    table = PAGE.partition("## Every option")[2]
    rows, current = [], ""
    for line in table.splitlines():
        if line.startswith("| "):
            current = line.split(" | ")[0].strip("| ") or current
            rows.append((current, line))
    verb = name.rsplit(maxsplit=1)[-1]
    own = [
        line
        for first, line in rows
        if f"`{name}`" in first
        or (" " in name and name.split(maxsplit=1)[0] in first and f"`{verb}`" in first)
    ]
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert any(parameter.opts[-1] in line or parameter.opts[0] in line for line in own), (
                name,
                parameter.opts,
            )


def test_it_names_no_real_host() -> None:
    names = set(re.findall(r"[a-z0-9.-]+\.(?:com|org|net|io)\b", PAGE))
    assert names
    assert {".".join(name.split(".")[-2:]) for name in names} == {"example.com"}
