"""The in-memory file system: what a job can reach, and what its files cost."""

from __future__ import annotations

import gc
import weakref
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from magicrune.backends.wasi.handles import FileHandle
from magicrune.backends.wasi.image import build_image
from magicrune.backends.wasi.lookup import Last, Lookup, LookupFailed, Refused, normalise
from magicrune.backends.wasi.nodes import Directory, Node, RegularFile, Symlink
from magicrune.backends.wasi.quota import Quota
from magicrune.backends.wasi.vfs import MODE_READ, MODE_WRITE, Vfs
from magicrune.backends.wasi.wasi_abi import FILE_BYTES_MAX, Errno, WasiError
from magicrune.errors import BackendFailed
from magicrune.spec import FileInput, Mount

IMAGE = build_image({"/bin/cat": "cat"}, [("/usr/lib/a/b/c.txt", b"shared", 0o644)], now=7)


def make_vfs(
    *mounts: Mount, bytes_max: int = 1000, files_max: int = 20, limits: list[str] | None = None
) -> Vfs:
    told = limits if limits is not None else []
    quota = Quota(bytes_max, files_max, told.append)
    return Vfs(mounts or (Mount("/tmp"),), IMAGE, quota, lambda: 42)


def entry(vfs: Vfs, path: str) -> Lookup:
    return vfs.lookup(path, Last.ENTRY)


def put(vfs: Vfs, path: str, content: bytes = b"") -> FileHandle:
    node = vfs.create_file(entry(vfs, path))
    handle = FileHandle(node, vfs, readable=True, writable=True, fdflags=0)
    handle.acquire()
    if content:
        assert handle.write(memoryview(content)) == len(content)
    return handle


def tmp_of(vfs: Vfs) -> Directory:
    node = vfs.node_at("/tmp")
    assert isinstance(node, Directory)
    return node


# --- reach ----------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["..", "../etc", "d/../../x", "/", "/tmp/f", "up", "up/x", "abs"])
def test_confined_walk_never_leaves_its_directory(path: str) -> None:
    vfs = make_vfs()
    put(vfs, "/tmp/f")
    vfs.make_directory(entry(vfs, "/tmp/d"))
    vfs.make_symlink(entry(vfs, "/tmp/up"), "d/../..")
    vfs.make_symlink(entry(vfs, "/tmp/abs"), "/tmp/f")
    with pytest.raises(LookupFailed) as failed:
        vfs.walk(tmp_of(vfs), path, Last.FOLLOW, rooted=False)
    assert failed.value.errno is Errno.PERM
    assert failed.value.refused
    # Control: the same spelling is fine for a walk that may use the whole tree.
    assert vfs.walk(tmp_of(vfs), path, Last.FOLLOW, rooted=True).parent is not None


@given(st.lists(st.sampled_from(["..", ".", "d", "up", "f", "", "self"]), max_size=12))
def test_confined_walk_ends_below_its_base_or_fails(parts: list[str]) -> None:
    vfs = make_vfs(Mount("/tmp"), Mount("/tmp2"))
    vfs.make_directory(entry(vfs, "/tmp/d"))
    vfs.make_symlink(entry(vfs, "/tmp/up"), "..")
    vfs.make_symlink(entry(vfs, "/tmp/self"), ".")
    vfs.make_symlink(entry(vfs, "/tmp/d/up"), "../d")
    put(vfs, "/tmp/f")
    try:
        found = vfs.walk(tmp_of(vfs), "/".join(parts), Last.FOLLOW, rooted=False)
    except LookupFailed:
        return
    assert found.place == "/tmp" or found.place.startswith("/tmp/")


def test_dot_dot_of_the_root_is_the_root() -> None:
    vfs = make_vfs()
    assert vfs.lookup("/../../tmp/..").node is vfs.root


def test_links_are_followed_forty_times_and_no_more() -> None:
    vfs = make_vfs(files_max=100)
    put(vfs, "/tmp/l0")
    for number in range(1, 42):
        vfs.make_symlink(entry(vfs, f"/tmp/l{number}"), f"l{number - 1}")
    assert isinstance(vfs.node_at("/tmp/l40"), RegularFile)
    with pytest.raises(LookupFailed) as failed:
        vfs.node_at("/tmp/l41")
    assert failed.value.errno is Errno.LOOP


def test_last_link_is_followed_only_where_asked() -> None:
    vfs = make_vfs()
    vfs.make_directory(entry(vfs, "/tmp/d"))
    vfs.make_symlink(entry(vfs, "/tmp/s"), "d")
    assert isinstance(vfs.node_at("/tmp/s", Last.KEEP), Symlink)
    assert isinstance(vfs.node_at("/tmp/s/", Last.KEEP), Directory)
    assert isinstance(vfs.node_at("/tmp/s", Last.FOLLOW), Directory)
    with pytest.raises(WasiError) as failed:
        vfs.remove_directory(entry(vfs, "/tmp/s/"))
    assert failed.value.errno is Errno.NOTDIR
    assert vfs.lookup("/tmp/s").links == 1


def test_failed_walk_tells_the_place_it_was_about() -> None:
    vfs = make_vfs()
    vfs.make_symlink(entry(vfs, "/tmp/home"), "/home/u")
    with pytest.raises(LookupFailed) as failed:
        vfs.lookup("/tmp/home/.ssh/./x/../id")
    assert failed.value.place == "/home/u/.ssh/id"
    assert normalise("/tmp", "a/../../b//./c") == "/b/c"


def test_jobs_share_the_image_and_nothing_else() -> None:
    mount = Mount("/usr/lib/a/job")
    one, two = make_vfs(mount), make_vfs(mount)
    put(one, "/usr/lib/a/job/mine", b"1")
    with pytest.raises(LookupFailed):
        two.node_at("/usr/lib/a/job/mine")
    # The copied directories are found again from below, not those of the image.
    assert one.lookup("/usr/lib/a/b/../job/mine").node is one.node_at("/usr/lib/a/job/mine")
    assert one.node_at("/usr/lib/a/b/c.txt") is two.node_at("/usr/lib/a/b/c.txt")
    assert make_vfs().lookup("/usr/lib/a/job").node is None


def test_removed_directory_is_a_dead_end() -> None:
    vfs = make_vfs()
    gone = vfs.make_directory(entry(vfs, "/tmp/d"))
    vfs.remove_directory(entry(vfs, "/tmp/d"))
    with pytest.raises(WasiError) as failed:
        vfs.create_file(vfs.walk(gone, "x", Last.ENTRY, rooted=True))
    assert failed.value.errno is Errno.NOENT
    with pytest.raises(LookupFailed):
        vfs.walk(gone, "../x", Last.ENTRY, rooted=True)


# --- what is refused ------------------------------------------------------------------


@pytest.mark.parametrize("directory", ["/", "/bin", "/ro", "/usr/lib/a"])
def test_only_writable_mounts_can_be_changed(directory: str) -> None:
    vfs = make_vfs(Mount("/tmp"), Mount("/ro", writable=False))
    path = f"{directory.rstrip('/')}/new"
    for act in (vfs.create_file, vfs.make_directory, lambda at: vfs.make_symlink(at, "x")):
        with pytest.raises(Refused) as refused:
            act(entry(vfs, path))
        assert refused.value.errno is Errno.ROFS
    vfs.create_file(entry(vfs, "/tmp/new"))


def test_image_files_cannot_be_changed_by_any_way() -> None:
    vfs = make_vfs()
    node = vfs.node_at("/usr/lib/a/b/c.txt")
    assert isinstance(node, RegularFile)
    with pytest.raises(Refused):
        vfs.check_mode(node, MODE_WRITE)
    for act in (
        lambda: vfs.set_mode(node, 0o777),
        lambda: vfs.set_times(node, 1, 1),
        lambda: vfs.unlink(entry(vfs, "/usr/lib/a/b/c.txt")),
        lambda: vfs.make_link(node, entry(vfs, "/tmp/link")),
        lambda: vfs.rename(entry(vfs, "/usr/lib/a/b/c.txt"), entry(vfs, "/tmp/x")),
    ):
        with pytest.raises(Refused):
            act()
    with pytest.raises(WasiError):
        node.write_at(0, memoryview(b"x"), vfs.quota)
    assert node.data == b"shared"
    vfs.check_mode(node, MODE_READ)


def test_mode_bits_hold_for_the_owner() -> None:
    vfs = make_vfs()
    node = put(vfs, "/tmp/f").node
    vfs.chmod("/tmp/f", 0)
    for wanted in (MODE_READ, MODE_WRITE):
        with pytest.raises(Refused) as refused:
            vfs.check_mode(node, wanted)
        assert refused.value.errno is Errno.ACCES
    vfs.make_directory(entry(vfs, "/tmp/d"))
    put(vfs, "/tmp/d/f")
    vfs.chmod("/tmp/d", 0o500)
    with pytest.raises(Refused):
        vfs.unlink(entry(vfs, "/tmp/d/f"))
    vfs.chmod("/tmp/d", 0o600)
    with pytest.raises(LookupFailed) as failed:
        vfs.lookup("/tmp/d/f")
    assert failed.value.errno is Errno.ACCES
    vfs.chmod("/tmp/d", 0o700)
    vfs.unlink(entry(vfs, "/tmp/d/f"))
    assert vfs.mode("/tmp/d") == 0o700


def test_mount_points_stay() -> None:
    vfs = make_vfs(Mount("/tmp"), Mount("/tmp/keep", writable=False), Mount("/tmp/rw"))
    for path in ("/tmp/keep", "/tmp/rw"):
        with pytest.raises(WasiError) as failed:
            vfs.remove_directory(entry(vfs, path))
        assert failed.value.errno is Errno.BUSY
        with pytest.raises(WasiError) as failed:
            vfs.rename(entry(vfs, path), entry(vfs, "/tmp/other"))
        assert failed.value.errno is Errno.BUSY
    with pytest.raises(Refused):
        vfs.create_file(entry(vfs, "/tmp/keep/x"))
    vfs.create_file(entry(vfs, "/tmp/rw/x"))


def test_directory_cannot_move_below_itself() -> None:
    vfs = make_vfs()
    vfs.make_directory(entry(vfs, "/tmp/a"))
    vfs.make_directory(entry(vfs, "/tmp/a/b"))
    with pytest.raises(WasiError) as failed:
        vfs.rename(entry(vfs, "/tmp/a"), entry(vfs, "/tmp/a/b/c"))
    assert failed.value.errno is Errno.INVAL
    vfs.rename(entry(vfs, "/tmp/a/b"), entry(vfs, "/tmp/b"))
    assert vfs.path_of(vfs.node_at("/tmp/b")) == "/tmp/b"  # type: ignore[arg-type]


def test_programs_are_told_from_files() -> None:
    vfs = make_vfs()
    assert vfs.read_program("/bin/cat") == ("cat", b"")
    put(vfs, "/tmp/f", b"#!/bin/sh\n")
    with pytest.raises(WasiError) as failed:
        vfs.read_program("/tmp/f")
    assert failed.value.errno is Errno.ACCES
    vfs.chmod("/tmp/f", 0o755)
    assert vfs.read_program("/tmp/f") == (None, b"#!/bin/sh\n")
    for path in ("/tmp", "/dev/null"):
        with pytest.raises(WasiError):
            vfs.read_program(path)


@pytest.mark.parametrize("path", ["/etc/x", "/tmpx", "/tmp/../x", "/tmp//x", "/tmp/f/x", "/tmp/f"])
def test_populate_refuses_what_is_not_a_free_place_in_a_mount(path: str) -> None:
    vfs = make_vfs()
    with pytest.raises(BackendFailed):
        vfs.populate([FileInput("/tmp/f", b""), FileInput(path, b"")])


def test_populate_fills_also_read_only_mounts() -> None:
    vfs = make_vfs(Mount("/in", writable=False))
    vfs.populate([FileInput("/in/a/f", b"data", 0o644)])
    node = vfs.node_at("/in/a/f")
    assert isinstance(node, RegularFile)
    assert (bytes(node.data), node.mode, node.writable) == (b"data", 0o644, False)
    assert vfs.quota.bytes_used == 4
    assert vfs.quota.files_used == 2


# --- cost -----------------------------------------------------------------------------


def test_disk_quota_is_exact_and_told() -> None:
    limits: list[str] = []
    vfs = make_vfs(bytes_max=10, limits=limits)
    handle = put(vfs, "/tmp/f", b"12345678")
    assert handle.write(memoryview(b"9abc")) == 2  # what fits is written, as on Linux
    assert limits == []
    with pytest.raises(WasiError) as failed:
        handle.write(memoryview(b"x"))
    assert failed.value.errno is Errno.NOSPC
    assert limits == ["disk"]
    assert bytes(handle.node.data) == b"123456789a"
    handle.offset = 0
    assert handle.write(memoryview(b"overwrite!")) == 10  # needs no space
    handle.resize(3)
    assert (vfs.quota.bytes_used, vfs.quota.bytes_peak) == (3, 10)


@pytest.mark.parametrize("size", [11, 1 << 40, FILE_BYTES_MAX])
def test_holes_cost_in_full_and_huge_ones_cost_the_host_nothing(size: int) -> None:
    vfs = make_vfs(bytes_max=10)
    handle = put(vfs, "/tmp/f")
    with pytest.raises(WasiError):
        handle.resize(size)
    with pytest.raises(WasiError):
        handle.write_at(memoryview(b"x"), size - 1)
    assert vfs.quota.bytes_used == 0
    assert handle.write_at(memoryview(b"x"), 9) == 1
    assert bytes(handle.node.data) == bytes(9) + b"x"
    assert vfs.quota.bytes_used == 10


def test_unlinked_files_count_until_they_are_closed() -> None:
    vfs = make_vfs(bytes_max=10)
    handle = put(vfs, "/tmp/f", b"0123456789")
    handle.acquire()
    vfs.unlink(entry(vfs, "/tmp/f"))
    assert (vfs.quota.bytes_used, vfs.quota.files_used) == (10, 1)
    handle.release()
    assert vfs.quota.bytes_used == 10
    handle.release()
    assert (vfs.quota.bytes_used, vfs.quota.files_used) == (0, 0)


def test_every_entry_counts() -> None:
    limits: list[str] = []
    vfs = make_vfs(files_max=4, limits=limits)
    handle = put(vfs, "/tmp/f", b"x")
    vfs.make_link(handle.node, entry(vfs, "/tmp/hard"))
    vfs.make_symlink(entry(vfs, "/tmp/soft"), "target")
    vfs.make_directory(entry(vfs, "/tmp/d"))
    assert vfs.quota.bytes_used == 1 + len("target")
    for act in (vfs.create_file, vfs.make_directory, lambda at: vfs.make_symlink(at, "x")):
        with pytest.raises(WasiError) as failed:
            act(entry(vfs, "/tmp/one-more"))
        assert failed.value.errno is Errno.NOSPC
    assert limits == ["files"] * 3
    vfs.unlink(entry(vfs, "/tmp/hard"))
    vfs.create_file(entry(vfs, "/tmp/one-more"))


def test_symlink_that_does_not_fit_leaves_nothing() -> None:
    vfs = make_vfs(bytes_max=3)
    with pytest.raises(WasiError):
        vfs.make_symlink(entry(vfs, "/tmp/s"), "long")
    assert (vfs.quota.files_used, vfs.quota.bytes_used) == (0, 0)
    assert vfs.lookup("/tmp/s").node is None


NAMES = st.sampled_from(["a", "b", "c", "a/a", "b/a", "a/b", "s/a", "s"])
OPS = st.tuples(
    st.sampled_from("create mkdir symlink link unlink rmdir rename write resize close".split()),
    NAMES,
    NAMES,
    st.integers(0, 40),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(OPS, max_size=40))
def test_quota_always_equals_what_is_there(ops: list[tuple[str, str, str, int]]) -> None:
    vfs = make_vfs(bytes_max=100, files_max=8)
    held: list[FileHandle] = []
    for op in ops:
        with suppress(WasiError):
            _apply(vfs, held, *op)
        assert _count(vfs, held) == (vfs.quota.files_used, vfs.quota.bytes_used)
        assert vfs.quota.bytes_used <= 100
        assert vfs.quota.files_used <= 8
    for handle in held:
        handle.release()
    assert _count(vfs, []) == (vfs.quota.files_used, vfs.quota.bytes_used)


def _apply(vfs: Vfs, held: list[FileHandle], op: str, one: str, two: str, number: int) -> None:
    at, to = entry(vfs, f"/tmp/{one}"), entry(vfs, f"/tmp/{two}")
    if op == "create":
        held.append(put(vfs, f"/tmp/{one}"))
        held[-1].write(memoryview(b"x" * number))
    elif op == "mkdir":
        vfs.make_directory(at)
    elif op == "symlink":
        vfs.make_symlink(at, two)
    elif op == "link" and at.node is not None:
        vfs.make_link(at.node, to)
    elif op == "unlink":
        vfs.unlink(at)
    elif op == "rmdir":
        vfs.remove_directory(at)
    elif op == "rename":
        vfs.rename(at, to)
    elif held:
        handle = held[number % len(held)]
        if op == "write":
            handle.write(memoryview(b"y" * number))
        elif op == "resize":
            handle.resize(number * 4)
        else:
            held.remove(handle)
            handle.release()


def _count(vfs: Vfs, held: list[FileHandle]) -> tuple[int, int]:
    entries, nodes, todo = 0, set[Node](), [tmp_of(vfs)]
    while todo:
        for node in todo.pop().entries.values():
            entries += 1
            if isinstance(node, Directory):
                todo.append(node)
            else:
                nodes.add(node)
    unlinked = {handle.node for handle in held} - nodes
    return entries + len(unlinked), sum(node.size for node in nodes | unlinked)


def test_discarded_tree_is_gone_at_once_and_the_image_stays() -> None:
    gc.disable()
    try:
        vfs = make_vfs(Mount("/tmp"), Mount("/usr/lib/a/job"))
        for path in ("/tmp/d", "/tmp/d/e"):
            vfs.make_directory(entry(vfs, path))
        handle = put(vfs, "/tmp/d/e/f", b"content")
        gone = [weakref.ref(tmp_of(vfs)), weakref.ref(handle.node)]
        handle.release()
        vfs.discard()
        del handle, vfs
        assert [ref() for ref in gone] == [None, None]
    finally:
        gc.enable()
    assert isinstance(make_vfs().node_at("/usr/lib/a/b/c.txt"), RegularFile)


# --- listings -------------------------------------------------------------------------


@given(st.data())
def test_listing_in_pieces_neither_skips_nor_repeats(data: st.DataObject) -> None:
    vfs = make_vfs(files_max=100)
    for number in range(12):
        put(vfs, f"/tmp/stay{number}")
        put(vfs, f"/tmp/go{number}")
    directory, seen, cookie, made = tmp_of(vfs), [], 0, 0
    while piece := directory.listing_after(cookie, data.draw(st.integers(1, 5))):
        seen += [name for _, name in piece]
        cookie = piece[-1][0]
        going = [name for name in directory.entries if name.startswith("go")]
        if going and data.draw(st.booleans()):
            vfs.unlink(entry(vfs, f"/tmp/{data.draw(st.sampled_from(going))}"))
        if made < 5 and data.draw(st.booleans()):
            made += 1
            put(vfs, f"/tmp/new{made}")
    assert len(seen) == len(set(seen))
    assert {f"stay{number}" for number in range(12)} <= set(seen)
