"""The library: the same pipeline as the command line, behind two functions."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from magicrune import cli, library
from magicrune.errors import BackendUnavailable, PolicyInvalid, RequestInvalid

ROOT = Path(__file__).resolve().parents[2]


def test_a_mapping_is_run_and_its_files_come_back(home: Path) -> None:
    result = library.run(
        {"cmd": "mkdir -p out; cat > out/x; printf '\\377' > out/y", "stdin": "hi"},
        backend="wasi",
        seed=3,
        timeout_sec=9,
    )
    assert isinstance(result, library.Result)
    assert (result.verdict, result.exit_code, result.seed) == ("green", 0, 3)
    assert library.artifacts(result) == {
        "x": b"hi",
        "y": b"\xff",
    }


def test_it_is_the_same_run_as_the_command_lines(
    home: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    sample = ROOT / "samples/ok.json"
    result = library.run(sample)
    assert cli.main(["exec", "-f", str(sample)]) == 0
    told = json.loads(capfd.readouterr().out)
    assert (told["run_id"], told["output_sha256"]) == (result.run_id, result.output_sha256)
    assert (result.attempt, told["attempt"]) == (1, 2)


def test_red_output_is_withheld(home: Path) -> None:
    result = library.run(ROOT / "samples/red.json")
    assert (result.verdict, result.withheld) == ("red", True)
    assert library.artifacts(result) == {}
    assert result.quarantine is not None
    assert Path(result.quarantine).is_dir()


def test_a_refusal_is_a_result(home: Path) -> None:
    result = library.run({"cmd": "true", "allow_net": ["example.com:443"]})
    assert not result.executed
    assert result.error is not None
    assert result.error.code == "MR-3001"


@pytest.mark.parametrize(
    "request_",
    [{}, {"cmd": 1}, {"cmd": "true", "nothing": 1}, {"cmd": object()}, {"cmd": b"x"}, "true", None],
)
def test_what_is_no_request_is_told(home: Path, request_: object) -> None:
    with pytest.raises(RequestInvalid):
        library.run(request_)  # type: ignore[arg-type]


def test_errors_are_those_of_the_command_line(home: Path, tmp_path: Path) -> None:
    with pytest.raises(PolicyInvalid):
        library.run({"cmd": "true"}, policy="nothing")
    with pytest.raises(PolicyInvalid):
        library.run({"cmd": "true"}, policy=tmp_path / "none.yml")
    with pytest.raises(BackendUnavailable):
        library.run({"cmd": "true"}, backend="nothing")
    with pytest.raises(RequestInvalid):
        library.run({"cmd": "true"}, timeout_sec=61)
    with pytest.raises(RequestInvalid):
        library.run({"cmd": "true"}, strict=True)
    with pytest.raises(RequestInvalid):
        library.run(tmp_path)


def test_importing_loads_nothing_heavy() -> None:
    heavy = ("pydantic", "yaml", "click", "wasmtime", "sqlite3", "asyncio", "docker")
    script = f"import sys, magicrune.library; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


def test_the_package_says_that_it_is_typed() -> None:
    assert (Path(library.__file__).parent / "py.typed").is_file()
