"""Descriptors: numbers, sharing, limits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magicrune.backends.wasi.fdtable import NUMBER_MAX, FdTable
from magicrune.backends.wasi.handles import Handle
from magicrune.backends.wasi.wasi_abi import Errno, WasiError


class Thing(Handle):
    """Counts how often it was closed."""

    def __init__(self) -> None:
        super().__init__(readable=True, writable=True)
        self.closed = 0

    def close(self) -> None:
        self.closed += 1


def make_table(open_max: int = 8) -> tuple[FdTable, list[str]]:
    limits: list[str] = []
    return FdTable(open_max, limits.append), limits


def test_lowest_free_number_is_given() -> None:
    table, _ = make_table()
    assert [table.insert(Thing()) for _ in range(4)] == [0, 1, 2, 3]
    table.close(2)
    table.close(1)
    assert [table.insert(Thing()), table.insert(Thing()), table.insert(Thing())] == [1, 2, 4]
    assert table.dup(0, 6) == 6
    assert table.dup(0, 6) == 7
    assert table.dup(0) == 5


def test_handle_closes_with_its_last_number() -> None:
    table, _ = make_table()
    thing = Thing()
    fd = table.insert(thing)
    other = table.dup(fd)
    child = table.copy()
    table.close(fd)
    table.close(other)
    assert thing.closed == 0
    child.close_all()
    assert (thing.closed, len(child), thing.refs) == (1, 0, 0)


def test_fork_has_a_table_of_its_own() -> None:
    table, _ = make_table()
    table.insert(Thing())
    child = table.copy()
    child.close(0)
    assert table.get(0) is not None
    assert child.find(0) is None


def test_dup2_closes_what_was_there() -> None:
    table, _ = make_table()
    one, two = Thing(), Thing()
    table.insert(one)
    table.insert(two)
    table.dup2(0, 1)
    assert (two.closed, one.refs) == (1, 2)
    table.dup2(1, 1)
    assert one.refs == 2
    table.dup2(0, 900)
    assert table.get(900) is one


def test_renumber_moves() -> None:
    table, _ = make_table()
    one, two = Thing(), Thing()
    table.insert(one)
    table.insert(two)
    table.renumber(0, 1)
    assert (table.find(0), table.get(1), two.closed, one.refs) == (None, one, 1, 1)
    for fds in ((0, 1), (1, 0), (1, 77)):
        with pytest.raises(WasiError):
            table.renumber(*fds)
    table.renumber(1, 1)
    assert table.get(1) is one


def test_open_files_are_limited_by_every_way() -> None:
    table, limits = make_table(3)
    for _ in range(3):
        table.insert(Thing())
    extra = Thing()
    for act in (
        lambda: table.insert(extra),
        lambda: table.dup(0),
        lambda: table.dup2(0, 50),
        table.open_pipe,
    ):
        with pytest.raises(WasiError) as failed:
            act()
        assert failed.value.errno is Errno.MFILE
    assert limits == ["open_files"] * 4
    assert (len(table), extra.closed) == (3, 1)
    table.dup2(0, 1)  # takes no further number
    table.close(2)
    table.insert(Thing())


def test_half_a_pipe_is_not_left_open() -> None:
    table, _ = make_table(3)
    table.insert(Thing())
    table.insert(Thing())
    with pytest.raises(WasiError):
        table.open_pipe()
    assert len(table) == 2


@pytest.mark.parametrize("number", [NUMBER_MAX, 1 << 31, (1 << 32) - 1])
def test_numbers_have_a_ceiling(number: int) -> None:
    table, _ = make_table()
    table.insert(Thing())
    with pytest.raises(WasiError) as failed:
        table.dup(0, number)
    assert failed.value.errno is Errno.INVAL
    with pytest.raises(WasiError) as failed:
        table.dup2(0, number)
    assert failed.value.errno is Errno.BADF


def test_new_program_keeps_the_standard_three() -> None:
    table, _ = make_table()
    things = [Thing() for _ in range(5)]
    for thing in things:
        table.insert(thing)
    table.close(1)
    preopen = Thing()
    table.keep_standard([preopen])
    assert [thing.closed for thing in things] == [0, 1, 0, 1, 1]
    assert table.get(3) is preopen
    assert table.find(1) is None


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["insert", "close", "dup", "dup2", "renumber", "pipe"]),
            st.integers(0, 12),
            st.integers(0, 12),
        ),
        max_size=50,
    )
)
def test_references_equal_numbers(acts: list[tuple[str, int, int]]) -> None:
    table, _ = make_table(6)
    things: list[Thing] = []
    for act, one, two in acts:
        try:
            if act == "insert":
                things.append(Thing())
                table.insert(things[-1], two)
            elif act == "pipe":
                table.open_pipe()
            elif act == "close":
                table.close(one)
            else:
                getattr(table, act)(one, two)
        except WasiError:
            pass
        held = [table.find(fd) for fd in range(NUMBER_MAX if two == 12 else 40)]
        assert len(table) <= 6
        for thing in things:
            assert thing.refs == held.count(thing)
            assert thing.closed == (thing.refs == 0)
