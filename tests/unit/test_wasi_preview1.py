"""The functions of preview 1: what they do, what they refuse, what they report."""

from __future__ import annotations

from struct import pack

import pytest
from wasi_process import DATA, IOVEC, MEMORY_BYTES, OUT, PATH2, STAT, Exited, Process

from magicrune.backends.wasi import wasi_abi as abi
from magicrune.backends.wasi.preview1 import FUNCTIONS
from magicrune.backends.wasi.wasi_abi import Errno, Filetype
from magicrune.observation import EventKind

OK = Errno.SUCCESS
CREAT, DIRECTORY, EXCL, TRUNC = 1, 2, 4, 8


@pytest.fixture
def process() -> Process:
    return Process()


def stat(process: Process, path: str, *, follow: int = 1, fd: int | None = None) -> tuple[int, ...]:
    base = process.tmp if fd is None else fd
    assert process.call("path_filestat_get", base, follow, *process.text(path), STAT) is OK
    return abi.FILESTAT.unpack(process.memory.read(STAT, 64))


def test_all_functions_of_preview_1_are_there() -> None:
    assert len(FUNCTIONS) == 46
    assert FUNCTIONS["path_open"][0] == "iiiiiIIii>i"
    assert FUNCTIONS["proc_exit"][0] == "i>"


def test_layouts_have_the_sizes_of_the_standard() -> None:
    sizes = {abi.FDSTAT: 24, abi.FILESTAT: 64, abi.DIRENT: 24, abi.PRESTAT: 8, abi.IOVEC: 8}
    assert {layout.size for layout in sizes} == set(sizes.values())
    assert all(layout.size == size for layout, size in sizes.items())
    assert abi.EVENT.size == 32
    assert 16 + abi.SUBSCRIPTION_CLOCK.size == abi.SUBSCRIPTION_SIZE == 48


# --- arguments, clocks, randomness, the process -------------------------------------------


def test_arguments_and_environment(process: Process) -> None:
    for name, strings in (("args", process.args), ("environ", process.env)):
        assert process.call(f"{name}_sizes_get", 0, 4) is OK
        assert (process.u32(0), process.u32(4)) == (len(strings), sum(len(s) + 1 for s in strings))
        assert process.call(f"{name}_get", 64, 128) is OK
        for index, string in enumerate(strings):
            start = process.u32(64 + 4 * index)
            assert process.memory.read(start, len(string) + 1) == string + b"\0"


def test_clocks(process: Process) -> None:
    for clock in range(4):
        assert process.call("clock_time_get", clock, 0, OUT) is OK
        assert process.u64() == process.now
        assert process.call("clock_res_get", clock, OUT) is OK
        assert process.u64() > 0
    assert process.call("clock_time_get", 4, 0, OUT) is Errno.INVAL
    assert process.call("clock_res_get", 4, OUT) is Errno.INVAL


def test_randomness_is_bounded_by_memory(process: Process) -> None:
    assert process.call("random_get", DATA, 100) is OK
    assert process.memory.read(DATA, 101) == b"\x5a" * 100 + b"\0"
    assert process.call("random_get", DATA, 0xFFFF_FFFF) is Errno.FAULT
    assert process.memory.read(DATA + 100, 1) == b"\0"


def test_exit_signals_and_yield(process: Process) -> None:
    with pytest.raises(Exited) as exited:
        process.call("proc_exit", 7)
    assert exited.value.code == 7
    assert process.call("proc_raise", 15) is OK
    assert process.call("proc_raise", 0) is OK
    assert process.call("proc_raise", 31) is Errno.INVAL
    assert process.signals == [15]
    assert process.call("sched_yield") is OK


@pytest.mark.parametrize(
    ("name", "count"),
    [("sock_accept", 2), ("sock_recv", 5), ("sock_send", 4), ("sock_shutdown", 1)],
)
def test_nothing_is_a_socket(process: Process, name: str, count: int) -> None:
    assert process.call(name, 1, *[0] * count) is Errno.NOTSOCK
    assert process.kinds() == [EventKind.CONNECT]
    assert process.call(name, 99, *[0] * count) is Errno.BADF


# --- reading and writing --------------------------------------------------------------------


def test_several_buffers_are_one_transfer(process: Process) -> None:
    fd = process.open("f", "rw", oflags=CREAT)
    process.memory.write(DATA, b"abcdef")
    vectors = [(DATA, 2), (DATA + 9, 0), (DATA + 2, 3), (DATA + 5, 1)]
    process.memory.write(IOVEC, b"".join(pack("<II", *vector) for vector in vectors))
    assert process.call("fd_write", fd, IOVEC, 4, OUT) is OK
    assert process.u32() == 6
    process.memory.write(IOVEC, pack("<IIIIII", DATA + 100, 4, DATA + 200, 1, DATA + 300, 9))
    assert process.call("fd_pread", fd, IOVEC, 3, 0, OUT) is OK
    assert process.u32() == 6
    assert process.memory.read(DATA + 100, 5) == b"abcd\0"
    assert process.memory.read(DATA + 200, 2) == b"e\0"
    assert process.memory.read(DATA + 300, 2) == b"f\0"
    assert process.call("fd_pwrite", fd, IOVEC, 1, 2, OUT) is OK
    assert process.call("fd_tell", fd, OUT) is OK
    assert process.u64() == 6
    assert stat(process, "f")[4] == 6


@pytest.mark.parametrize(
    ("count", "vector", "errno"),
    [
        (1025, (DATA, 1), Errno.INVAL),
        (0xFFFF_FFFF, (DATA, 1), Errno.INVAL),
        (1, (MEMORY_BYTES - 1, 2), Errno.FAULT),
        (1, (0xFFFF_FFFF, 0xFFFF_FFFF), Errno.FAULT),
        (1, (MEMORY_BYTES - 1, 1), OK),
    ],
)
def test_buffers_are_checked(
    process: Process, count: int, vector: tuple[int, int], errno: Errno
) -> None:
    fd = process.open("f", "rw", oflags=CREAT)
    process.memory.write(IOVEC, pack("<II", *vector))
    for name, more in (("fd_write", ()), ("fd_read", ()), ("fd_pwrite", (0,)), ("fd_pread", (0,))):
        assert process.call(name, fd, IOVEC, count, *more, OUT) is errno


def test_standard_streams(process: Process) -> None:
    assert process.write(1, b"to stdout") == (OK, 9)
    assert process.write(2, b"to stderr") == (OK, 9)
    assert process.read(0, 3) == (OK, b"inp")
    assert process.read(0, 99) == (OK, b"ut")
    assert process.read(0, 99) == (OK, b"")
    assert bytes(process.stdout.content) == b"to stdout"
    assert process.write(0, b"x")[0] is Errno.BADF
    assert process.read(1, 1)[0] is Errno.BADF
    assert process.call("fd_seek", 1, 0, 0, OUT) is Errno.SPIPE
    assert process.call("fd_tell", 0, OUT) is Errno.SPIPE
    assert process.call("fd_fdstat_get", 1, STAT) is OK
    filetype, _, rights, _ = abi.FDSTAT.unpack(process.memory.read(STAT, 24))
    assert filetype != Filetype.CHARACTER_DEVICE  # no terminal
    assert rights & abi.RIGHT_FD_WRITE


def test_seek_takes_signed_offsets(process: Process) -> None:
    fd = process.open("f", "rw", oflags=CREAT)
    process.write(fd, b"0123456789")
    assert process.call("fd_seek", fd, (1 << 64) - 3, abi.WHENCE_CUR, OUT) is OK
    assert process.u64() == 7
    assert process.call("fd_seek", fd, (1 << 64) - 3, abi.WHENCE_SET, OUT) is Errno.INVAL


def test_reading_an_empty_pipe_waits_for_the_writer(process: Process) -> None:
    reading, writing = process.fds.open_pipe()
    process.while_waiting = lambda: process.fds.get(writing).write(memoryview(b"late")) and None
    assert process.read(reading, 10) == (OK, b"late")
    process.while_waiting = lambda: process.fds.close(writing)
    assert process.read(reading, 10) == (OK, b"")


def test_writing_a_full_pipe_waits_and_tells_what_went_through(process: Process) -> None:
    reading, writing = process.fds.open_pipe()
    full = b"x" * 65536
    assert process.write(writing, full) == (OK, 65536)
    process.while_waiting = lambda: process.fds.get(reading).read(5000) and None
    # 5000 go, then nobody reads any more and a signal comes: a short write, no error.
    assert process.write(writing, b"y" * 6000) == (OK, 5000)
    assert process.write(writing, b"y")[0] is Errno.INTR


def test_nonblocking_pipes_do_not_wait(process: Process) -> None:
    reading, writing = process.fds.open_pipe()
    for fd in (reading, writing):
        assert process.call("fd_fdstat_set_flags", fd, abi.FDFLAG_NONBLOCK) is OK
    assert process.read(reading, 1)[0] is Errno.AGAIN
    process.write(writing, b"x" * 65536)
    assert process.write(writing, b"x")[0] is Errno.AGAIN


def test_broken_pipe_is_an_error_and_a_signal(process: Process) -> None:
    reading, writing = process.fds.open_pipe()
    process.fds.close(reading)
    assert process.write(writing, b"x")[0] is Errno.PIPE
    assert process.signals == [13]


# --- opening ----------------------------------------------------------------------------------


def test_open_flags(process: Process) -> None:
    assert process.try_open("f") is Errno.NOENT
    process.create("f", b"data")
    assert process.try_open("f", oflags=CREAT | EXCL) is Errno.EXIST
    assert process.try_open("f", oflags=DIRECTORY) is Errno.NOTDIR
    assert process.try_open("f/") is Errno.NOTDIR
    assert process.try_open("f", oflags=16) is Errno.INVAL
    assert process.try_open(".", "w") is Errno.ISDIR
    assert process.try_open(".", oflags=CREAT) is Errno.ISDIR
    assert process.try_open(".", oflags=DIRECTORY | CREAT) is Errno.INVAL
    fd = process.open("f", "r", oflags=TRUNC)
    assert process.read(fd, 9) == (OK, b"")
    assert process.write(fd, b"x")[0] is Errno.BADF
    assert process.try_open("x", fd=fd) is Errno.NOTDIR
    assert process.try_open("x", fd=1) is Errno.BADF
    assert process.try_open("x", fd=99) is Errno.BADF


def test_paths_must_be_text_of_sensible_length(process: Process) -> None:
    assert process.try_open(b"\xff") is Errno.ILSEQ
    assert process.try_open(b"a\0b") is Errno.INVAL
    assert process.try_open("") is Errno.NOENT
    assert process.try_open("n" * 256, oflags=CREAT) is Errno.NAMETOOLONG
    assert process.try_open("ä" * 128, oflags=CREAT) is Errno.NAMETOOLONG
    assert process.try_open("ä" * 127, oflags=CREAT) is OK
    assert process.try_open("./" * 2048) is Errno.NAMETOOLONG
    assert process.try_open("./" * 2047) is OK
    assert process.call("path_create_directory", process.tmp, 0, 1 << 31) is Errno.NAMETOOLONG
    assert process.call("path_create_directory", process.tmp, MEMORY_BYTES, 9) is Errno.FAULT


def test_preopens_are_told(process: Process) -> None:
    assert process.call("fd_prestat_get", process.tmp, OUT) is OK
    assert process.u64() == 4 << 32
    assert process.call("fd_prestat_dir_name", process.tmp, DATA, 4) is OK
    assert process.memory.read(DATA, 5) == b"/tmp\0"
    assert process.call("fd_prestat_dir_name", process.tmp, DATA, 3) is Errno.NAMETOOLONG
    assert process.call("fd_prestat_get", 0, OUT) is Errno.BADF
    assert process.call("fd_prestat_get", process.open(".", "r"), OUT) is Errno.BADF


def test_devices_are_opened_by_name(process: Process) -> None:
    fd = process.open("dev/zero", "r", fd=process.root)
    assert process.read(fd, 3) == (OK, bytes(3))
    fd = process.open("dev/null", "w", fd=process.root)
    assert process.write(fd, b"gone") == (OK, 4)
    fd = process.open("dev/full", "w", fd=process.root)
    assert process.write(fd, b"x")[0] is Errno.NOSPC
    assert process.limits == []  # a joke of the job's, not its limit
    assert process.try_open("dev/tty", fd=process.root) is Errno.NXIO


def test_dev_fd_is_the_descriptor(process: Process) -> None:
    fd = process.open("dev/fd/1", "w", fd=process.root)
    assert process.write(fd, b"by number") == (OK, 9)
    fd = process.open("dev/stdout", "w", fd=process.root)
    process.write(fd, b", by name")
    assert bytes(process.stdout.content) == b"by number, by name"
    assert process.try_open("dev/fd/99", fd=process.root) is Errno.NOENT
    assert process.try_open("dev/fd/0", "w", fd=process.root) is Errno.ACCES
    assert process.try_open("dev/fd/01", fd=process.root) is Errno.NOENT
    assert process.try_open("dev/fd/x", oflags=CREAT, fd=process.root) is Errno.ROFS
    pointer = process.text("dev/fd/99")
    assert process.call("path_filestat_get", process.root, 1, *pointer, STAT) is Errno.NOENT
    assert stat(process, "dev/fd/1", fd=process.root)[2] == Filetype.UNKNOWN


# --- directories and links ----------------------------------------------------------------------


def entries(process: Process, fd: int, room: int = 4096, cookie: int = 0) -> list[tuple[str, int]]:
    assert process.call("fd_readdir", fd, DATA, room, cookie, OUT) is OK
    content, found = process.memory.read(DATA, process.u32()), []
    while len(content) >= 24:
        following, _, length, _ = abi.DIRENT.unpack_from(content)
        name = content[24 : 24 + length]
        if len(name) < length:
            break
        found.append((name.decode(), following))
        content = content[24 + length :]
    return found


def test_readdir_in_small_pieces(process: Process) -> None:
    for number in range(30):
        process.create(f"file{number}")
    fd = process.open(".", "r")
    names, cookie = [], 0
    while piece := entries(process, fd, 70, cookie):
        names += [name for name, _ in piece]
        cookie = piece[-1][1]
    assert names == [".", "..", *(f"file{number}" for number in range(30))]
    assert entries(process, fd, 4096, (1 << 64) - 1) == []
    assert process.call("fd_readdir", fd, MEMORY_BYTES - 8, 70, 0, OUT) is Errno.FAULT
    assert process.call("fd_readdir", 1, DATA, 70, 0, OUT) is Errno.BADF


def test_links(process: Process) -> None:
    process.create("f", b"x")
    tmp = process.tmp
    new = process.text("hard", PATH2)
    assert process.call("path_link", tmp, 0, *process.text("f"), tmp, *new) is OK
    assert stat(process, "hard")[:4] == (*stat(process, "f")[:3], 2)
    assert process.call("path_link", tmp, 1, *process.text("f"), tmp, *new) is Errno.INVAL
    soft = process.text("soft", PATH2)
    assert process.call("path_symlink", *process.text("f"), tmp, *soft) is OK
    assert stat(process, "soft", follow=0)[2] == Filetype.SYMBOLIC_LINK
    assert stat(process, "soft")[2] == Filetype.REGULAR_FILE
    assert process.call("path_readlink", tmp, *soft, DATA, 100, OUT) is OK
    assert process.memory.read(DATA, process.u32()) == b"f"
    assert process.call("path_readlink", tmp, *process.text("f"), DATA, 9, OUT) is Errno.INVAL


def test_absolute_links_need_the_whole_tree(process: Process) -> None:
    process.create("f", b"x")
    target, soft = process.text("/tmp/f"), process.text("soft", PATH2)
    assert process.call("path_symlink", *target, process.tmp, *soft) is Errno.PERM
    soft = process.text("tmp/soft", PATH2)
    assert process.call("path_symlink", *target, process.root, *soft) is OK
    assert process.try_open("soft") is Errno.PERM
    assert process.try_open("tmp/soft", fd=process.root) is OK
    # A directory opened from the root still has the whole tree; one from /tmp has not.
    from_root = process.open("tmp", fd=process.root)
    assert process.try_open("../etc/motd", fd=from_root) is OK
    assert process.try_open("../etc/motd", fd=process.open(".")) is Errno.PERM


def test_times(process: Process) -> None:
    process.create("f")
    both = abi.FST_ATIM | abi.FST_MTIM
    pointer = process.text("f")
    assert process.call("path_filestat_set_times", process.tmp, 0, *pointer, 5, 6, both) is OK
    assert stat(process, "f")[5:7] == (5, 6)
    process.now = 77
    fd = process.open("f")
    assert process.call("fd_filestat_set_times", fd, 1, 1, abi.FST_MTIM_NOW) is OK
    assert stat(process, "f")[5:7] == (5, 77)
    for flags in (abi.FST_ATIM | abi.FST_ATIM_NOW, 12, 16):
        assert process.call("fd_filestat_set_times", fd, 1, 1, flags) is Errno.INVAL
    assert stat(process, "f")[5:7] == (5, 77)


def test_sizes(process: Process) -> None:
    fd = process.open("f", "rw", oflags=CREAT)
    assert process.call("fd_filestat_set_size", fd, 100) is OK
    assert process.call("fd_allocate", fd, 90, 20) is OK
    assert process.call("fd_allocate", fd, 0, 10) is OK
    assert stat(process, "f")[4] == 110
    for offset, length in ((0, 1 << 62), ((1 << 64) - 1, (1 << 64) - 1)):
        assert process.call("fd_allocate", fd, offset, length) in (Errno.NOSPC, Errno.FBIG)
    assert process.call("fd_filestat_set_size", fd, (1 << 64) - 1) is Errno.INVAL
    assert process.call("fd_filestat_set_size", fd, 1 << 62) is Errno.NOSPC
    assert process.limits == ["disk", "disk"]
    assert stat(process, "f")[4] == 110


# --- poll ---------------------------------------------------------------------------------------


def clock(userdata: int, timeout: int, *, kind: int = abi.CLOCK_MONOTONIC, flags: int = 0) -> bytes:
    head = abi.SUBSCRIPTION_HEAD.pack(userdata, abi.EVENT_CLOCK)
    return head + abi.SUBSCRIPTION_CLOCK.pack(kind, timeout, 0, flags)


def watch(userdata: int, fd: int, kind: int = abi.EVENT_FD_READ) -> bytes:
    return abi.SUBSCRIPTION_HEAD.pack(userdata, kind) + pack("<I", fd) + bytes(28)


def poll(process: Process, *subscriptions: bytes) -> list[tuple[int, ...]]:
    process.memory.write(DATA, b"".join(subscriptions))
    assert process.call("poll_oneoff", DATA, DATA + 8192, len(subscriptions), OUT) is OK
    return [
        abi.EVENT.unpack(process.memory.read(DATA + 8192 + 32 * index, 32))
        for index in range(process.u32())
    ]


def test_timers_end_in_order(process: Process) -> None:
    start = process.now
    assert poll(process, clock(1, 500), clock(2, 300), clock(3, 300)) == [
        (2, 0, abi.EVENT_CLOCK, 0, 0),
        (3, 0, abi.EVENT_CLOCK, 0, 0),
    ]
    assert process.now == start + 300
    at = process.now + 50
    assert len(poll(process, clock(4, at, kind=abi.CLOCK_REALTIME, flags=1))) == 1
    assert process.now == at
    assert len(poll(process, clock(5, 1, flags=1))) == 1  # long past
    assert process.now == at


def test_poll_tells_who_is_ready(process: Process) -> None:
    reading, writing = process.fds.open_pipe()
    late = clock(9, 1000)
    assert [event[0] for event in poll(process, watch(1, reading), late)] == [9]
    assert poll(process, watch(1, reading), watch(2, writing, abi.EVENT_FD_WRITE), late) == [
        (2, 0, abi.EVENT_FD_WRITE, 1, 0)
    ]
    process.while_waiting = lambda: process.fds.get(writing).write(memoryview(b"abc")) and None
    assert poll(process, watch(1, reading), late) == [(1, 0, abi.EVENT_FD_READ, 3, 0)]
    process.fds.close(writing)
    process.read(reading, 10)
    assert poll(process, watch(1, reading)) == [(1, 0, abi.EVENT_FD_READ, 0, abi.EVENT_FD_HANGUP)]
    assert poll(process, watch(1, 99), watch(2, 0)) == [
        (1, Errno.BADF, abi.EVENT_FD_READ, 0, 0),
        (2, 0, abi.EVENT_FD_READ, 5, 0),
    ]


@pytest.mark.parametrize(
    "subscription",
    [clock(1, 1, kind=2), clock(1, 1, flags=2), watch(1, 0, 3), clock(1, 1, kind=9)],
)
def test_poll_refuses_what_it_does_not_know(process: Process, subscription: bytes) -> None:
    process.memory.write(DATA, subscription)
    assert process.call("poll_oneoff", DATA, DATA + 8192, 1, OUT) is Errno.INVAL


@pytest.mark.parametrize("count", [0, abi.SUBSCRIPTIONS_MAX + 1, 0xFFFF_FFFF])
def test_poll_is_bounded(process: Process, count: int) -> None:
    assert process.call("poll_oneoff", DATA, DATA, count, OUT) is Errno.INVAL


# --- what is reported -----------------------------------------------------------------------------


def events(process: Process, kind: EventKind) -> list[object]:
    return [detail["path"] for found, detail in process.events if found is kind]


def test_looking_at_secrets_is_reported(process: Process) -> None:
    sensitive = EventKind.SENSITIVE
    process.create("plain")
    assert events(process, sensitive) == []
    process.try_open("secret")  # missing
    process.try_open("no/such/secret")
    process.try_open("home/../secret/x", fd=process.root)
    assert events(process, sensitive) == ["/tmp/secret", "/tmp/no/such/secret", "/secret/x"]


def test_secrets_are_seen_through_links(process: Process) -> None:
    process.create("secret")
    soft = process.text("harmless", PATH2)
    process.call("path_symlink", *process.text("secret"), process.tmp, *soft)
    process.events.clear()
    process.try_open("harmless")
    assert events(process, EventKind.SENSITIVE) == ["/tmp/secret"]
    process.events.clear()
    process.create("plain")
    secret = process.text("secret2", PATH2)
    process.call("path_symlink", *process.text("plain"), process.tmp, *secret)
    process.events.clear()
    process.try_open("secret2")
    assert events(process, EventKind.SENSITIVE) == ["/tmp/secret2"]


def test_refused_acts_are_reported_and_allowed_ones_are_not(process: Process) -> None:
    denied = EventKind.DENIED
    root = process.root
    assert process.try_open("etc/motd", "w", fd=root) is Errno.ROFS
    assert process.try_open("etc/new", "w", oflags=CREAT, fd=root) is Errno.ROFS
    assert process.call("path_unlink_file", root, *process.text("etc/motd")) is Errno.ROFS
    assert process.call("path_create_directory", root, *process.text("ro/d")) is Errno.ROFS
    assert process.try_open("../etc/motd") is Errno.PERM
    assert events(process, denied) == [
        "/etc/motd", "/etc/new", "/etc/motd", "/ro/d", "/etc/motd",
    ]  # fmt: skip
    process.events.clear()
    process.create("f")
    assert process.try_open("etc/motd", fd=root) is OK
    assert process.try_open("nope") is Errno.NOENT
    assert events(process, denied) == []


def test_writes_and_removals_are_reported(process: Process) -> None:
    process.create("f", b"x")
    process.open("f", "w")
    process.open("f", "r")
    assert events(process, EventKind.OPEN_WRITE) == ["/tmp/f", "/tmp/f"]
    new = process.text("g", PATH2)
    assert process.call("path_rename", process.tmp, *process.text("f"), process.tmp, *new) is OK
    assert process.call("path_unlink_file", process.tmp, *new) is OK
    assert process.call("path_create_directory", process.tmp, *new) is OK
    assert process.call("path_remove_directory", process.tmp, *new) is OK
    removed = [detail for kind, detail in process.events if kind is EventKind.REMOVE]
    assert [detail["op"] for detail in removed] == ["rename", "unlink", "rmdir"]
    assert [detail["path"] for detail in removed] == ["/tmp/f", "/tmp/g", "/tmp/g"]
