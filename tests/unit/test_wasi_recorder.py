from __future__ import annotations

from magicrune.backends.wasi.recorder import KEPT, Recorder
from magicrune.observation import EventKind


def test_same_events_are_kept_once_and_all_counted() -> None:
    recorder = Recorder()
    for _ in range(1000):
        recorder.record(EventKind.OPEN_WRITE, {"path": "/tmp/a"})
    assert len(recorder.events) == 1
    assert recorder.counts[EventKind.OPEN_WRITE] == 1000
    assert not recorder.flooded()


def test_one_noisy_kind_does_not_crowd_out_another() -> None:
    recorder = Recorder()
    for number in range(10_000):
        recorder.record(EventKind.OPEN_WRITE, {"path": f"/tmp/{number}"})
    recorder.record(EventKind.SENSITIVE, {"path": "/workspace/.ssh/id", "op": "open"})
    assert not recorder.flooded()  # what the job may do as often as it likes
    assert recorder.counts[EventKind.OPEN_WRITE] == 10_000
    assert len(recorder.events) == KEPT[EventKind.OPEN_WRITE] + 1
    assert recorder.events[-1].kind is EventKind.SENSITIVE


def test_more_than_is_kept_of_what_matters_is_a_loss() -> None:
    recorder = Recorder()
    for number in range(KEPT[EventKind.SENSITIVE]):
        recorder.record(EventKind.SENSITIVE, {"path": f"/workspace/.ssh/{number}", "op": "open"})
    assert not recorder.flooded()
    recorder.record(EventKind.SENSITIVE, {"path": "/workspace/.ssh/id", "op": "open"})
    assert recorder.flooded()


def test_long_text_is_cut() -> None:
    recorder = Recorder()
    recorder.record(EventKind.EXEC, {"argv": "x" * 100_000, "path": "/" * 100_000})
    assert len(str(recorder.events[0].detail["argv"])) == 4096
    assert recorder.events[0].detail["cut"] == 1
    assert len(str(recorder.events[0].detail["path"])) == 1024


def test_an_argv_that_fits_is_not_called_cut() -> None:
    recorder = Recorder()
    recorder.record(EventKind.EXEC, {"argv": "x" * 4096, "path": "/bin/x"})
    assert "cut" not in recorder.events[0].detail


def test_every_kind_has_a_ceiling() -> None:
    of_containers_only = {EventKind.FORK, EventKind.MISC}
    assert set(KEPT) == set(EventKind) - of_containers_only
