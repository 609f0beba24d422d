"""Options and variables, one against the other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.cli.calls import SECRET, Done


def test_the_seed_option_stands_in_for_the_requests(fake: Callable[..., Done]) -> None:
    plain = fake({}, request={"cmd": "true", "seed": 1}).document
    other = fake({}, "--seed", "2", request={"cmd": "true", "seed": 1}).document
    same = fake({}, "--seed", "1", request={"cmd": "true", "seed": 1}).document
    assert (plain["seed"], other["seed"], same["seed"]) == (1, 2, 1)
    assert plain["run_id"] == same["run_id"] != other["run_id"]
    assert (plain["attempt"], same["attempt"]) == (1, 2)


def test_a_seed_out_of_range_is_refused(fake: Callable[..., Done]) -> None:
    for seed in ("-1", str(2**63)):
        assert fake({}, f"--seed={seed}").code == 4
    assert fake({}, f"--seed={2**63 - 1}").code == 0


def test_a_dry_run_does_all_but_the_run(
    fake: Callable[..., Done], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MAGICRUNE_DRY_RUN", "1")
    done = fake({"raises": "must not be run"}, "--timeout", "5")
    assert done.code == 0
    assert done.document["dry_run"] is True
    assert done.document["executed"] is False
    assert "verdict" not in done.document
    assert done.document["limits"]["wall_ms"] == 5000
    assert not (tmp_path / "home" / "ledger.sqlite3").exists()
    assert fake({}, request={"cmd": "curl https://example.com"}).code == 3
    assert fake({}, request={"cmd": 7}).code == 1


def test_a_dry_run_shows_no_value_of_the_environment(
    fake: Callable[..., Done], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAGICRUNE_DRY_RUN", "1")
    done = fake({}, request={"cmd": "true", "stdin": SECRET})
    assert SECRET not in done.out


@pytest.mark.parametrize("name", ["MAGICRUNE_DRY_RUN", "MAGICRUNE_FORCE_WASM"])
def test_a_switch_that_is_neither_on_nor_off_is_refused(
    fake: Callable[..., Done], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    for value, code in (("yes", 4), ("0", 0), ("", 0)):
        monkeypatch.setenv(name, value)
        assert fake({}).code == code


def test_force_wasm_contradicts_another_backend(
    fake: Callable[..., Done], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAGICRUNE_FORCE_WASM", "1")
    done = fake({})
    assert (done.code, done.document["error"]["code"]) == (4, "MR-4002")


def test_the_policy_comes_from_the_environment_unless_given(
    fake: Callable[..., Done], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MAGICRUNE_POLICY", str(tmp_path / "missing.policy.yml"))
    assert fake({}).code == 4
    assert fake({}, "--policy", "default").code == 0


def test_an_empty_policy_is_no_default(fake: Callable[..., Done]) -> None:
    """--policy "$STRICTER" with the variable unset."""
    done = fake({}, "--policy", "")
    assert (done.code, done.document["error"]["code"]) == (4, "MR-4001")


def test_the_fake_backend_needs_its_switch(
    fake: Callable[..., Done], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MAGICRUNE_UNSAFE_FAKE")
    done = fake({})
    assert (done.code, done.document["error"]["code"]) == (4, "MR-4101")
