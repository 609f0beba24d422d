from __future__ import annotations

import pytest

from magicrune.backends.wasi import backend
from magicrune.backends.wasi.enforcement import count_foreign_variables
from magicrune.backends.wasi.proof_ceilings import prove_ceilings
from magicrune.errors import ControlNotHeld
from tests.conftest import RunJob


def test_variables_of_the_executor_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAGICRUNE_TEST_SECRET", "swordfish")
    spec = [b"GIVEN=1"]
    assert count_foreign_variables([b"GIVEN=1"], spec) == 0
    assert count_foreign_variables([b"GIVEN=1", b"MAGICRUNE_TEST_SECRET=swordfish"], spec) == 1


def test_a_variable_that_the_spec_gives_too_is_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHARED", "same")
    assert count_foreign_variables([b"SHARED=same"], [b"SHARED=same"]) == 0


def test_identity_is_read_back(run_job: RunJob, monkeypatch: pytest.MonkeyPatch) -> None:
    def reading() -> tuple[str, bool]:
        (found,) = [r for r in run_job("true").enforcement if r.control == "host_identity"]
        return found.measured, found.held

    assert reading()[1]
    monkeypatch.setattr(backend, "count_foreign_variables", lambda _given, _spec: 2)
    assert "2 of the executor's" in reading()[0]
    assert not reading()[1]


def test_open_files_are_read_back(run_job: RunJob) -> None:
    def reading(cmd: str) -> tuple[str, str, bool]:
        seen = run_job(cmd, open_files=20)
        (found,) = [r for r in seen.enforcement if r.control == "open_files"]
        return found.wanted, found.measured, found.held

    few, many = reading("true"), reading("exec 5>/tmp/5 6>/tmp/6 7>/tmp/7 8>/tmp/8 9>/tmp/9; true")
    assert few[0] == many[0] == "<= 20"
    peaks = [int(each[1].split()[1].rstrip(";")) for each in (few, many)]
    assert peaks[1] >= peaks[0] + 5
    assert few[2]
    assert many[2]


def test_our_own_compiling_is_not_the_jobs_time(
    run_job: RunJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    import time

    from magicrune.backends.wasi.lane import Lane

    def slow(_lane: Lane) -> None:
        time.sleep(3.0)

    monkeypatch.setattr(Lane, "python", slow)
    seen = run_job("python3 -c 1", wall_ms=2900)
    assert seen.exit_code == 127
    assert seen.usage.wall_ms < 2900
    assert all(reading.held for reading in seen.enforcement)


def test_ceilings_are_tried_beyond_their_limit(run_job: RunJob) -> None:
    readings = {r.control: r.measured for r in run_job("true").enforcement}
    for control in ("processes", "open_files", "output", "disk", "files"):
        assert "trial: 4 granted, the next refused" in readings[control]


@pytest.mark.parametrize(
    ("place", "stand_in", "control"),
    [
        ("Job.charge_process", lambda _job: True, "processes"),
        ("FdTable.insert", lambda _table, _handle: 3, "open_files"),
        ("OutputStream.write", lambda stream, data: stream.content.extend(data), "output"),
        ("Quota.charge_bytes", lambda _quota, _count: None, "disk"),
        ("Quota.charge_file", lambda _quota: None, "files"),
    ],
)
def test_a_ceiling_that_lets_more_through_is_found(
    monkeypatch: pytest.MonkeyPatch, place: str, stand_in: object, control: str
) -> None:
    monkeypatch.setattr(f"magicrune.backends.wasi.proof_ceilings.{place}", stand_in)
    with pytest.raises(ControlNotHeld, match=f"^{control}: "):
        prove_ceilings()
