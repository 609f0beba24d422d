"""A module may call any function with any numbers on any memory: what can go wrong is an
errno. Nothing else comes out, and the books stay right."""

from __future__ import annotations

from contextlib import suppress
from struct import pack

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from wasi_process import MEMORY_BYTES, Process

from magicrune.backends.wasi.nodes import Directory, Node
from magicrune.backends.wasi.preview1 import FUNCTIONS
from magicrune.backends.wasi.wasi_abi import Errno, ProcessEnded

INTERESTING = st.one_of(
    st.integers(0, 12),
    st.integers(0, MEMORY_BYTES + 64),
    st.sampled_from([1 << 31, (1 << 32) - 1, (1 << 32) - 8, MEMORY_BYTES - 1, MEMORY_BYTES]),
)
WIDE = st.one_of(
    INTERESTING, st.sampled_from([1 << 62, 1 << 63, (1 << 64) - 1, (1 << 63) - 1, (1 << 30) - 1])
)
# Text, vectors and subscriptions where pointers are likely to point.
TEXTS = [b"a", b"d", b"d/a", b"../..", b"/tmp/a", b"l", b"\xff\0", b"d/./..//l/", b"", b"dev/zero"]


@st.composite
def calls(draw: st.DrawFn) -> tuple[str, list[int]]:
    name = draw(st.sampled_from(sorted(FUNCTIONS)))
    kinds = FUNCTIONS[name][0].partition(">")[0]
    return name, [draw(INTERESTING if kind == "i" else WIDE) for kind in kinds]


@st.composite
def path_calls(draw: st.DrawFn) -> tuple[str, list[int]]:
    """Calls that get far: a directory, good pointers, flags that are mostly right."""
    fd = draw(st.sampled_from([3, 4, 5, 6, 7]))
    one, two = (_pointer(draw(st.sampled_from(TEXTS))) for _ in range(2))
    follow, oflags = draw(st.integers(0, 1)), draw(st.integers(0, 15))
    rights = draw(st.sampled_from([0, 2, 64, 66, (1 << 30) - 1]))
    return draw(
        st.sampled_from(
            [
                ("path_open", [fd, follow, *one, oflags, rights, 0, oflags & 5, 0]),
                ("path_create_directory", [fd, *one]),
                ("path_remove_directory", [fd, *one]),
                ("path_unlink_file", [fd, *one]),
                ("path_rename", [fd, *one, fd, *two]),
                ("path_link", [fd, 0, *one, fd, *two]),
                ("path_symlink", [*one, fd, *two]),
                ("path_readlink", [fd, *one, 9000, 100, 0]),
                ("path_filestat_get", [fd, follow, *one, 64]),
                ("fd_readdir", [fd, 9000, 300, oflags, 0]),
                ("fd_write", [fd, 2048, oflags, 0]),
                ("fd_read", [fd, 2048, oflags, 0]),
                ("fd_renumber", [fd, oflags]),
                ("fd_close", [fd + 2]),
                ("fd_allocate", [fd, rights, 70000]),
                ("poll_oneoff", [3000, 8000, oflags, 0]),
            ]
        )
    )


def _pointer(text: bytes) -> tuple[int, int]:
    start = 4096
    for known in TEXTS:
        if known == text:
            return start, len(text)
        start += 64
    raise AssertionError(text)


def make_process(noise: bytes) -> Process:
    process = Process(bytes_max=100_000, files_max=12, open_max=16)
    process.memory.write(16384, noise)
    for text in TEXTS:
        process.memory.write(_pointer(text)[0], text)
    for index in range(16):
        process.memory.write(2048 + 8 * index, pack("<II", 5000 + 100 * index, 90 * index))
        process.memory.write(3000 + 48 * index, pack("<QQII", index, index % 3, index, 1))
    return process


def run(process: Process, name: str, args: list[int]) -> None:
    with suppress(ProcessEnded):
        assert process.call(name, *args) in Errno


def count(process: Process) -> int:
    """Entries and unlinked open files, each of which has its price."""
    entries, nodes = 0, set[Node]()
    todo = [node for node in process.vfs.mount_points if isinstance(node, Directory)]
    while todo:
        for node in todo.pop().entries.values():
            entries += 1
            nodes.add(node)
            if isinstance(node, Directory):
                todo.append(node)
    handles = (process.fds.find(fd) for fd in range(4096))
    held = {handle.node for handle in handles if handle is not None}
    files = {node for node in held if node is not None and not isinstance(node, Directory)}
    return entries + len({node for node in files - nodes if node.writable})


SETTINGS = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@SETTINGS
@given(st.lists(calls(), min_size=1, max_size=20), st.binary(max_size=200))
def test_any_call_gives_an_errno(acts: list[tuple[str, list[int]]], noise: bytes) -> None:
    process = make_process(noise)
    for name, args in acts:
        run(process, name, args)
    assert process.vfs.quota.files_used == count(process)


@SETTINGS
@given(st.lists(st.one_of(path_calls(), path_calls(), calls()), min_size=5, max_size=40))
def test_long_stories_keep_the_books(acts: list[tuple[str, list[int]]]) -> None:
    process = make_process(b"")
    for name, args in acts:
        run(process, name, args)
        assert len(process.fds) <= 16
    quota = process.vfs.quota
    assert quota.files_used == count(process) <= 12
    assert 0 <= quota.bytes_used <= quota.bytes_peak <= 100_000
    process.fds.close_all()
    assert quota.files_used == count(process)
