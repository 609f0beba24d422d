"""Explaining runs nothing, and names the line of the policy that each control comes from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from magicrune.backends.select import choose
from magicrune.errors import PolicyViolation
from magicrune.explain import _SOURCES, explain, find_sources
from magicrune.locations import shipped
from magicrune.machine import look_around
from magicrune.policy_model import Policy
from magicrune.request import parse_request

POLICY = shipped("policies/default.policy.yml")


def test_each_control_is_traced_to_its_line() -> None:
    sources = find_sources(POLICY)
    lines = POLICY.read_text().splitlines()
    for control, key in (("memory", "memory_mb:"), ("processes", "pids:"), ("image", "image:")):
        path, _, line = sources[control].rpartition(":")
        assert (path, lines[int(line) - 1].strip().startswith(key)) == (str(POLICY), True)
    assert sources["oci_runtime"] == "default of runtime.oci_runtime"


def test_every_source_is_a_key_of_the_policy() -> None:
    for loc in _SOURCES.values():
        model = Policy
        for step in loc:
            field = model.model_fields[step]
            model = field.annotation if isinstance(field.annotation, type) else model


def test_what_is_told_is_what_would_be_enforced() -> None:
    request = parse_request(json.dumps({"cmd": "true", "timeout_sec": 3}).encode())
    told = explain(request, POLICY, choose("wasi", ["wasi"]))
    assert (told["executed"], told["backend"]) == (False, "wasi")
    assert told["limits"]["wall_ms"] == 3000
    assert told["engine_words"] is None


def test_a_refused_request_is_refused_here_too() -> None:
    request = parse_request(b'{"cmd": "true", "allow_net": ["example.com:443"]}')
    with pytest.raises(PolicyViolation):
        explain(request, POLICY, choose("wasi", ["wasi"]))


def test_the_machine_is_looked_at_without_change(tmp_path: Path) -> None:
    names = [fact.name for fact in look_around()]
    assert names[:3] == ["kernel", "architecture", "cgroups"]
    assert len(set(names)) == len(names)


NETWORK = """version: 1
capabilities:
  net:
    allow:
      - "*.example.com:443"
      - "api.example.com"
limits: {cpu_ms: 9, memory_mb: 9, wall_sec: 9, pids: 9, output_bytes: 9, tmp_mb: 9}
"""


def test_each_destination_is_traced_to_the_lines_that_cover_it(tmp_path: Path) -> None:
    path = tmp_path / "net.policy.yml"
    path.write_text(NETWORK)
    request = parse_request(b'{"cmd": "true", "allow_net": ["api.example.com:443"]}')
    told = explain(request, path, choose("wasi", ["wasi"]))
    assert told["network"] == [
        {
            "entry": "api.example.com:443",
            "granted_by": "capabilities.net.allow",
            "lines": [f"{path}:5", f"{path}:6"],
        }
    ]
    assert told["sources"]["network"] == f"{path}:4"


@pytest.mark.parametrize(
    ("entry", "key", "line"),
    [("b.example.org:80", "allow", 4), ("127.0.0.1:80", "unsafe_host_loopback", 3)],
)
def test_the_line_to_add_is_named(tmp_path: Path, entry: str, key: str, line: int) -> None:
    path = tmp_path / "net.policy.yml"
    path.write_text(NETWORK)
    request = parse_request(json.dumps({"cmd": "true", "allow_net": [entry]}).encode())
    with pytest.raises(PolicyViolation) as caught:
        explain(request, path, choose("wasi", ["wasi"]))
    place = f"capabilities.net.{key} ({path}:{line})"
    assert caught.value.hint == f'to allow it, add to {place} the line - "{entry}"'
