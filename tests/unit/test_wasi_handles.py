"""Open files, pipes, streams and devices."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wasi_process import Process

from magicrune.backends.wasi import wasi_abi as abi
from magicrune.backends.wasi.handles import DirectoryHandle, FileHandle
from magicrune.backends.wasi.lookup import Last
from magicrune.backends.wasi.nodes import Device, RegularFile
from magicrune.backends.wasi.streams import (
    PIPE_ATOMIC,
    PIPE_BYTES,
    DeviceHandle,
    InputStream,
    OutputBudget,
    OutputStream,
    make_pipe,
)
from magicrune.backends.wasi.wasi_abi import Errno, Filetype, WasiError


def view(content: bytes) -> memoryview:
    return memoryview(content)


def make_file(content: bytes = b"", *, fdflags: int = 0) -> FileHandle:
    process = Process()
    node = process.vfs.create_file(process.vfs.lookup("/tmp/f", Last.ENTRY))
    handle = FileHandle(node, process.vfs, readable=True, writable=True, fdflags=fdflags)
    handle.acquire()
    if content:
        handle.write_at(view(content), 0)
    return handle


def test_file_reads_and_writes_at_its_offset() -> None:
    handle = make_file(b"hello world")
    assert bytes(handle.read(5)) == b"hello"
    assert handle.write(view(b"_")) == 1
    assert handle.readable_bytes() == 5
    assert bytes(handle.read(100)) == b"world"
    assert bytes(handle.read(100)) == b""
    assert bytes(handle.read_at(3, 0)) == b"hel"
    assert bytes(handle.read_at(3, 1000)) == b""


def test_reading_does_not_pin_the_file() -> None:
    handle = make_file(b"x" * 100)
    chunk = handle.read(100)
    assert isinstance(chunk, memoryview)
    chunk.release()
    handle.resize(10)  # a view that lived on would make this raise BufferError
    assert handle.node.size == 10


def test_append_goes_to_the_end_wherever_the_offset_is() -> None:
    handle = make_file(b"abc", fdflags=abi.FDFLAG_APPEND)
    handle.seek(0, abi.WHENCE_SET)
    handle.write(view(b"d"))
    handle.write_at(view(b"e"), 0)
    assert bytes(handle.node.data) == b"abcde"
    assert handle.offset == 4


@pytest.mark.parametrize(
    ("offset", "whence", "result"),
    [(3, 0, 3), (2, 1, 7), (-5, 1, 0), (-1, 2, 9), (5, 2, 15), (0, 1, 5)],
)
def test_seek(offset: int, whence: int, result: int) -> None:
    handle = make_file(b"0123456789")
    handle.offset = 5
    assert handle.seek(offset, whence) == result == handle.offset


@pytest.mark.parametrize(
    ("offset", "whence"), [(-1, 0), (-6, 1), (-11, 2), (0, 3), (abi.FILE_BYTES_MAX, 1)]
)
def test_seek_out_of_range_moves_nothing(offset: int, whence: int) -> None:
    handle = make_file(b"0123456789")
    handle.offset = 5
    with pytest.raises(WasiError) as failed:
        handle.seek(offset, whence)
    assert (failed.value.errno, handle.offset) == (Errno.INVAL, 5)


def test_ways_of_opening_are_held_to() -> None:
    process = Process()
    process.create("f", b"x")
    node = process.vfs.node_at("/tmp/f")
    assert isinstance(node, RegularFile)
    reader = FileHandle(node, process.vfs, readable=True, writable=False, fdflags=0)
    writer = FileHandle(node, process.vfs, readable=False, writable=True, fdflags=0)
    for act in (
        lambda: reader.write(view(b"y")),
        lambda: reader.write_at(view(b"y"), 0),
        lambda: writer.read(1),
        lambda: writer.read_at(1, 0),
    ):
        with pytest.raises(WasiError) as failed:
            act()
        assert failed.value.errno is Errno.BADF
    with pytest.raises(WasiError):
        reader.resize(0)
    assert bytes(reader.read(9)) == b"x"
    assert writer.write(view(b"y")) == 1
    assert not reader.rights()[0] & abi.RIGHT_FD_WRITE
    assert not writer.rights()[0] & abi.RIGHT_FD_READ


def test_directory_can_neither_be_read_nor_moved_in() -> None:
    process = Process()
    handle = DirectoryHandle(process.vfs.root, rooted=True)
    for act in (
        lambda: handle.read(1),
        lambda: handle.read_at(1, 0),
        lambda: handle.write(view(b"x")),
        lambda: handle.write_at(view(b"x"), 0),
        lambda: handle.seek(0, 0),
    ):
        with pytest.raises(WasiError) as failed:
            act()
        assert failed.value.errno is Errno.BADF


# --- pipes ----------------------------------------------------------------------------


def test_pipe_carries_bytes_and_ends() -> None:
    reader, writer = make_pipe()
    reader.acquire()
    writer.acquire()
    assert reader.read(10) is None
    assert not reader.read_ready()
    assert writer.write(view(b"abc")) == 3
    assert reader.readable_bytes() == 3
    assert reader.read(2) == b"ab"
    writer.release()
    assert reader.read(2) == b"c"
    assert reader.read(2) == b""
    assert reader.read_ready()
    assert reader.hung_up()


def test_end_of_a_pipe_closes_with_its_last_descriptor() -> None:
    reader, writer = make_pipe()
    reader.acquire()
    for _ in range(3):
        writer.acquire()  # as dup and fork do
    for _ in range(2):
        writer.release()
        assert reader.read(1) is None
    writer.release()
    assert reader.read(1) == b""


def test_writing_to_nobody_is_an_error() -> None:
    reader, writer = make_pipe()
    reader.acquire()
    writer.acquire()
    writer.write(view(b"lost"))
    reader.release()
    with pytest.raises(WasiError) as failed:
        writer.write(view(b"x"))
    assert failed.value.errno is Errno.PIPE
    assert writer.write_ready()  # it would not block
    assert writer.hung_up()


def test_pipe_is_bounded_and_small_writes_are_whole() -> None:
    reader, writer = make_pipe()
    reader.acquire()
    writer.acquire()
    assert writer.write(view(bytes(PIPE_BYTES + 5))) == PIPE_BYTES
    assert writer.write(view(b"x")) is None
    assert not writer.write_ready()
    reader.read(100)
    assert writer.write(view(bytes(PIPE_ATOMIC))) is None  # 100 would fit: all or nothing
    assert writer.write(view(bytes(PIPE_ATOMIC + 1))) == 100
    reader.read(PIPE_ATOMIC)
    assert writer.write_ready()
    assert writer.write(view(bytes(PIPE_ATOMIC))) == PIPE_ATOMIC


@given(st.lists(st.one_of(st.binary(max_size=9000), st.integers(0, 9000)), max_size=40))
def test_pipe_keeps_order_and_loses_nothing(acts: list[bytes | int]) -> None:
    reader, writer = make_pipe()
    sent, got = bytearray(), bytearray()
    for act in acts:
        if isinstance(act, int):
            got += reader.read(act) or b""
        elif act:
            sent += act[: writer.write(view(act)) or 0]
        assert len(reader.pipe.buffer) <= PIPE_BYTES
    got += reader.read(PIPE_BYTES) or b""
    assert got == sent


# --- streams and devices ----------------------------------------------------------------


def test_input_is_read_once() -> None:
    stream = InputStream(b"abcdef")
    assert bytes(stream.read(4)) == b"abcd"
    assert (stream.readable_bytes(), stream.hung_up()) == (2, False)
    assert bytes(stream.read(4)) == b"ef"
    assert bytes(stream.read(4)) == b""
    assert stream.hung_up()
    with pytest.raises(WasiError) as failed:
        stream.seek(0, 0)
    assert failed.value.errno is Errno.SPIPE


def test_output_keeps_what_both_streams_may_hold_and_tells() -> None:
    limits: list[str] = []
    budget = OutputBudget(10, limits.append)
    out, err = OutputStream(budget), OutputStream(budget)
    assert out.write(view(b"123456")) == 6
    assert err.write(view(b"abcd")) == 4
    assert (limits, out.truncated, err.truncated) == ([], False, False)
    assert err.write(view(b"e")) == 1
    assert out.write(view(b"x" * 1000)) == 1000
    assert limits == ["output", "output"]
    assert (bytes(out.content), bytes(err.content)) == (b"123456", b"abcd")
    assert out.truncated
    assert err.truncated


def test_output_is_cut_at_the_ceiling_not_before() -> None:
    limits: list[str] = []
    out = OutputStream(OutputBudget(5, limits.append))
    out.write(view(b"abcdefgh"))
    assert (bytes(out.content), limits) == (b"abcde", ["output"])


def device(kind: str) -> DeviceHandle:
    node = Device(1, kind, 0)
    return DeviceHandle(node, lambda count: b"r" * count, readable=True, writable=True)


def test_devices() -> None:
    assert device("null").read(9) == b""
    assert device("null").write(view(b"abc")) == 3
    assert device("zero").read(3) == bytes(3)
    assert device("random").read(3) == b"rrr"
    assert device("full").read(2) == bytes(2)
    with pytest.raises(WasiError) as failed:
        device("full").write(view(b"x"))
    assert failed.value.errno is Errno.NOSPC


def test_device_is_no_terminal_and_gives_no_gigabytes() -> None:
    handle = device("zero")
    assert handle.filetype is Filetype.CHARACTER_DEVICE
    assert handle.rights()[0] & abi.RIGHT_FD_SEEK  # wasi-libc's isatty() looks at this
    assert len(handle.read(1 << 31)) == 1 << 20
