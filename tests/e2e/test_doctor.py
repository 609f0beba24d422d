"""``magicrune doctor`` and ``explain`` as a person calls them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.engines import IMAGE_HOME, absent

ROOT = Path(__file__).resolve().parents[2]


def magicrune(*arguments: str, home: Path, **more: str) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MAGICRUNE_")}
    return subprocess.run(
        [sys.executable, "-m", "magicrune", *arguments],
        env=environment | {"MAGICRUNE_HOME": str(home)} | more,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )


@pytest.fixture
def images() -> Path:
    """A home that has images; its ledger is used as well."""
    if os.geteuid() != 0 or not (shutil.which("crun") or shutil.which("runc")):
        absent("no OCI runtime, or not root")
    if not (IMAGE_HOME / "cache/images/python.current").exists():
        absent("no image: sh scripts/engines.sh")
    return IMAGE_HOME


def backends(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    return {each["backend"]: each for each in json.loads(done.stdout)["backends"]}


def test_doctor_tells_what_works_and_proves_it(images: Path) -> None:
    done = magicrune("doctor", "--json", home=images)
    assert done.returncode == 0, done.stderr
    oci = backends(done)["oci"]
    assert oci["usable"], oci["problem"]
    named = {reading["control"] for reading in oci["controls"]}
    assert all(reading["held"] for reading in oci["controls"])
    page = (ROOT / "docs/isolation.md").read_text().partition("## oci")[2].partition("\n## ")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)) == named


def test_each_further_runtime_is_tried_too(images: Path) -> None:
    if not (shutil.which("crun") and shutil.which("runc")):
        absent("not both crun and runc")
    found = backends(magicrune("doctor", "--json", "oci", home=images))
    assert found["oci"]["version"].startswith("crun")
    assert found["oci:runc"]["usable"], found["oci:runc"]["problem"]
    named = {each["control"] for each in found["oci:runc"]["controls"]}
    assert "oci_runtime" in named  # read back: it was runc that made the container


def test_doctor_says_what_is_missing(tmp_path: Path) -> None:
    done = magicrune("doctor", "--json", home=tmp_path, PATH="/nonexistent")
    found = backends(done)
    assert not found["oci"]["usable"]
    assert found["oci"]["fix"]
    assert found["wasi"]["usable"]


def test_a_person_gets_a_table(images: Path) -> None:
    done = magicrune("doctor", home=images)
    assert re.search(r"^oci +works, \d+ controls held", done.stdout, re.MULTILINE)


def test_explain_shows_the_engines_words(images: Path) -> None:
    sample = str(ROOT / "samples/ok.json")
    done = magicrune("explain", "-f", sample, "--backend", "oci", "--json", home=images)
    told = json.loads(done.stdout)
    assert told["engine_words"]["process"]["noNewPrivileges"] is True
    assert told["sources"]["memory"].endswith(":31")


def test_a_fallback_is_said_and_strict_refuses_it(tmp_path: Path) -> None:
    text = (ROOT / "policies/default.policy.yml").read_text()
    policy = tmp_path / "fallback.policy.yml"
    policy.write_text(text.replace("[wasi, oci, podman, docker]", "[oci, wasi]"))
    request = tmp_path / "request.json"
    request.write_text(
        '{"cmd": "echo hi", "stdin": "", "env": {}, "files": [], "policy_id": "fallback", '
        '"timeout_sec": 5, "allow_net": [], "allow_fs": [], "seed": 0, "repeatable": false}'
    )
    words = ("exec", "-f", str(request), "--policy", str(policy))
    done = magicrune(*words, home=tmp_path)
    result = json.loads(done.stdout)
    assert (result["backend"], len(result["passed_over"])) == ("wasi", 1)
    assert "magicrune: not used: oci: " in done.stderr
    refused = magicrune(*words, "--strict", home=tmp_path)
    assert (refused.returncode, json.loads(refused.stdout)["error"]["code"]) == (4, "MR-4101")
