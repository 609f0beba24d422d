"""Each sample, run by the real command line in a process of its own, does what it promises."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import need

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "samples"
NAMES = sorted(
    path.stem for path in SAMPLES.glob("*.json") if not path.name.endswith(".expected.json")
)
KEYS = {
    "teaches",
    "needs",
    "process_exit_code",
    "verdict",
    "executed",
    "ending",
    "exit_code",
    "stdout",
    "stderr",
    "stdout_trunc",
    "artifacts",
    "rules",
    "error",
    "message",
    "quarantined",
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One home for all samples: compiled modules are made once."""
    return tmp_path_factory.mktemp("home")


def cast(name: str, home: Path) -> tuple[int, dict[str, Any], str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MAGICRUNE_")}
    done = subprocess.run(
        [sys.executable, "-m", "magicrune", "exec", "-f", str(SAMPLES / f"{name}.json")],
        env=environment | {"MAGICRUNE_HOME": str(home)},
        capture_output=True,
        cwd=home,
        timeout=100,
        check=False,
    )
    errors = done.stderr.decode()
    assert done.stdout.endswith(b"\n"), errors
    document: dict[str, Any] = json.loads(done.stdout)
    return done.returncode, document, errors


def expected(name: str) -> dict[str, Any]:
    promise: dict[str, Any] = json.loads((SAMPLES / f"{name}.expected.json").read_text())
    return promise


def test_each_sample_has_its_expected_outcome_and_each_outcome_its_sample() -> None:
    promised = {
        path.name.removesuffix(".expected.json") for path in SAMPLES.glob("*.expected.json")
    }
    assert promised == set(NAMES)
    assert len(NAMES) >= 10
    for name in NAMES:
        assert expected(name).keys() <= KEYS, name


@pytest.mark.parametrize("name", NAMES)
def test_sample(name: str, home: Path) -> None:
    promise = expected(name)
    needed = promise.get("needs")
    if needed:
        need(needed)
    code, result, errors = cast(name, home)
    assert code == promise["process_exit_code"], (result, errors)
    for key in ("verdict", "executed", "ending", "exit_code", "stdout_trunc"):
        if key in promise:
            assert result[key] == promise[key], (key, result)
    for key in ("stdout", "stderr"):
        if key in promise:
            assert re.search(promise[key], result[key]), (key, result[key][:500])
    if "rules" in promise:
        assert sorted({found["rule"] for found in result["findings"]}) == promise["rules"]
    if "error" in promise:
        assert result["error"]["code"] == promise["error"]
        assert re.search(promise["message"], result["error"]["message"])
    if "artifacts" in promise:
        found = {each["path"]: each["content_b64"] for each in result["artifacts"]}
        assert found == promise["artifacts"]
    if promise.get("quarantined"):
        check_withheld(result, home)


def check_withheld(result: dict[str, Any], home: Path) -> None:
    assert result["stdout"] is None
    assert result["stderr"] is None
    kept = Path(result["quarantine"])
    assert kept.is_relative_to(home)
    assert (kept.stat().st_mode & 0o777) == 0o700
    assert (kept / "manifest.json").is_file()


def test_the_same_sample_gives_the_same_output_hash(home: Path) -> None:
    first = cast("artifacts", home)[1]
    second = cast("artifacts", home)[1]
    assert first["output_sha256"] == second["output_sha256"]
    assert first["run_id"] == second["run_id"]
    assert second["attempt"] == first["attempt"] + 1
    assert cast("ok", home)[1]["output_sha256"] != first["output_sha256"]


def test_generated_samples_are_made_from_their_sources() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts/samples.py"), "--check"],
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    source = (SAMPLES / "src/mean.py").read_bytes()
    files = json.loads((SAMPLES / "python.json").read_text())["files"]
    assert base64.b64decode(files[0]["content_b64"]) == source
