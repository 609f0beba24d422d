"""Cancellation: each order of its calls."""

from __future__ import annotations

import threading

import pytest

from magicrune.cancellation import Cancellation
from magicrune.errors import RunInterrupted


def test_what_is_to_end_is_ended_once_inside_and_not_outside() -> None:
    calls: list[int] = []
    cancellation = Cancellation()
    with cancellation.ending_by(lambda: calls.append(1)):
        assert calls == []
        cancellation.cancel()
        assert calls == [1]
    cancellation.cancel()
    assert calls == [1]


def test_what_was_cancelled_before_is_ended_at_once() -> None:
    calls: list[int] = []
    cancellation = Cancellation()
    cancellation.cancel()
    with cancellation.ending_by(lambda: calls.append(1)):
        assert calls == [1]


def test_begun_and_cancelled_are_told_apart() -> None:
    first = Cancellation()
    first.check()
    first.begin()
    first.cancel()
    assert first.begun
    with pytest.raises(RunInterrupted):
        first.check()
    second = Cancellation()
    second.cancel()
    with pytest.raises(RunInterrupted):
        second.begin()
    assert not second.begun


def test_a_race_has_two_outcomes_only() -> None:
    """Begun and then ended by `end`, or never begun."""
    for _ in range(300):
        cancellation, ended = Cancellation(), threading.Event()
        other = threading.Thread(target=cancellation.cancel)
        other.start()
        try:
            cancellation.begin()
            with cancellation.ending_by(ended.set):
                assert ended.wait(5)
        except RunInterrupted:
            assert not cancellation.begun
        other.join()
