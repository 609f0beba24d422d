"""What is remembered of a policy file gives the same policy, and never a wider one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from magicrune import policy as policies
from magicrune.errors import PolicyInvalid
from magicrune.policy import find_policy, load_policy

BAD = b"version: 1\ncapabilities: {}\nlimits: {cpu_ms: 0}\n"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MAGICRUNE_HOME", str(tmp_path))
    return tmp_path / "cache" / "policy.json"


def _without_yaml(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("YAML was read")

    monkeypatch.setattr(policies, "read_yaml", refuse)


def test_second_reading_needs_no_yaml(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = load_policy(find_policy())
    assert cache.exists()
    _without_yaml(monkeypatch)
    second = load_policy(find_policy())
    assert (second, second.policy_id, second.sha256) == (first, first.policy_id, first.sha256)


def test_changed_file_is_read_anew(cache: Path, tmp_path: Path) -> None:
    text = find_policy().read_text()
    path = tmp_path / "mine.policy.yml"
    path.write_text(text)
    before = load_policy(path)
    path.write_text(text.replace("pids: ", "pids: 1"))
    after = load_policy(path)
    assert after.limits.pids != before.limits.pids
    assert after.sha256 != before.sha256


@pytest.mark.usefixtures("cache")
def test_bad_policy_is_refused_each_time_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "bad.policy.yml"
    path.write_bytes(BAD)
    for _ in range(2):
        with pytest.raises(PolicyInvalid) as caught:
            load_policy(path)
        assert caught.value.where.startswith(f"{path}:3:")


def test_remembered_values_are_checked_too(cache: Path) -> None:
    load_policy(find_policy())
    kept = json.loads(cache.read_text())
    kept["value"]["unsafe_everything"] = True
    cache.write_text(json.dumps(kept))
    with pytest.raises(PolicyInvalid, match="unsafe_everything"):
        load_policy(find_policy())


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"key": 1, "value": {}}', b"[" * 99999])
def test_damaged_memory_is_no_hindrance(cache: Path, content: bytes) -> None:
    expected = load_policy(find_policy())
    cache.write_bytes(content)
    assert load_policy(find_policy()) == expected


def test_without_a_cache_directory_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("MAGICRUNE_HOME", str(tmp_path / "file"))
    assert load_policy(find_policy()).policy_id == "default"
