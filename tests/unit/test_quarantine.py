"""Quarantine: complete or absent, private, and no name or symlink leads anywhere else."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import stat
import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from magicrune.errors import QuarantineFailed
from magicrune.heldfile import open_directory, write_file
from magicrune.observation import Artifact, Ending, Observation, Usage
from magicrune.owner import own, sign
from magicrune.quarantine import Quarantine

RUN = "r_" + "5" * 32
OTHER = "r_" + "6" * 32
GONE = own().replace(f"{os.getpid()}-", "1-", 1)
"""An owner that cannot be alive: our start time, but another process number."""


def artifact(path: str, content: bytes | None = b"abc") -> Artifact:
    data = content or b""
    return Artifact(path, len(data), hashlib.sha256(data).hexdigest(), content)


OBSERVED = Observation(
    backend="fake",
    ending=Ending.EXITED,
    exit_code=0,
    signal=None,
    stdout=b"out\xff\n",
    stderr=b"err\n",
    stdout_truncated=True,
    stderr_truncated=False,
    events=(),
    event_counts={},
    telemetry_complete=True,
    artifacts=(artifact("/workspace/out/a.txt"), artifact("/workspace/out/big", None)),
    artifacts_skipped=(("/workspace/out/l", "symlink"),),
    usage=Usage(1.0, None, None, None, None, None, 8),
    enforcement=(),
    image_digest=None,
)


@pytest.fixture
def quarantine(tmp_path: Path) -> Quarantine:
    return Quarantine(tmp_path / "state" / "quarantine")


def tree(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def test_store_writes_everything_private(quarantine: Quarantine) -> None:
    where = quarantine.store(RUN, 1, OBSERVED, b"{}\n")
    assert where == quarantine.path_of(RUN, 1) == quarantine.root / RUN / "1"
    files = tree(where)
    assert set(files) == {"stdout", "stderr", "result.json", "manifest.json", "artifacts/0001"}
    assert (files["stdout"], files["stderr"]) == (b"out\xff\n", b"err\n")
    assert (files["result.json"], files["artifacts/0001"]) == (b"{}\n", b"abc")
    for path in [quarantine.root, *quarantine.root.rglob("*")]:
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode == (0o700 if path.is_dir() else 0o600), path
    assert [path.name for path in (quarantine.root / RUN).iterdir()] == ["1"]


def test_show_tells_without_content(quarantine: Quarantine) -> None:
    quarantine.store(RUN, 1, OBSERVED, b"{}\n")
    quarantine.store(RUN, 2, replace(OBSERVED, stdout=b""), b"{}\n")
    first = quarantine.show(RUN, 1)
    assert first["stdout"]["size"] == 5
    assert first["stdout"]["truncated"] is True
    assert first["artifacts"][0]["path"] == "/workspace/out/a.txt"
    assert (first["artifacts"][1]["blob"], first["artifacts_skipped"]) == (
        None,
        [["/workspace/out/l", "symlink"]],
    )
    assert quarantine.show(RUN)["attempt"] == 2
    assert "out\\xff" not in json.dumps(first)


def test_list_is_newest_first(quarantine: Quarantine) -> None:
    assert quarantine.list() == ((), ())
    quarantine.store(RUN, 1, OBSERVED, b"{}\n")
    quarantine.store(OTHER, 3, OBSERVED, b"{}\n")
    held, damaged = quarantine.list()
    assert damaged == ()
    assert {(each.run_id, each.attempt) for each in held} == {(RUN, 1), (OTHER, 3)}
    assert held[0].stored_at >= held[1].stored_at
    assert (held[0].size, held[0].artifacts) == (12, 2)


def test_an_attempt_is_stored_once(quarantine: Quarantine) -> None:
    quarantine.store(RUN, 1, OBSERVED, b"first\n")
    with pytest.raises(QuarantineFailed, match="already"):
        quarantine.store(RUN, 1, OBSERVED, b"second\n")
    assert tree(quarantine.path_of(RUN, 1))["result.json"] == b"first\n"


@pytest.mark.parametrize("name", ["", "..", "../x", "r_1", RUN + "/..", RUN.upper(), RUN + "\n"])
def test_only_run_ids_are_names(quarantine: Quarantine, name: str) -> None:
    with pytest.raises(QuarantineFailed):
        quarantine.store(name, 1, OBSERVED, b"{}")
    with pytest.raises(QuarantineFailed):
        quarantine.show(name)
    with pytest.raises(QuarantineFailed):
        quarantine.release(name, quarantine.root.parent / "to")
    with pytest.raises(QuarantineFailed):
        quarantine.store(RUN, 0, OBSERVED, b"{}")


def test_what_is_not_there_is_told(quarantine: Quarantine) -> None:
    with pytest.raises(QuarantineFailed, match="nothing of this run"):
        quarantine.show(RUN)
    quarantine.store(RUN, 1, OBSERVED, b"{}")
    with pytest.raises(QuarantineFailed, match="nothing of this run"):
        quarantine.show(RUN, 2)


# -- planted symlinks: the same act works where nothing is planted ---------------------------


@pytest.mark.parametrize("spot", ["root", "run", "attempt"])
def test_store_follows_no_symlink(quarantine: Quarantine, tmp_path: Path, spot: str) -> None:
    trap = tmp_path / "trap"
    trap.mkdir(mode=0o700)
    places = {
        "root": quarantine.root,
        "run": quarantine.root / RUN,
        "attempt": quarantine.root / RUN / "1",
    }
    link = places[spot]
    quarantine.root.parent.mkdir()
    for folder in (quarantine.root, quarantine.root / RUN):
        if link.is_relative_to(folder) and folder != link:
            folder.mkdir(mode=0o700)
    link.symlink_to(trap)
    with pytest.raises(QuarantineFailed):
        quarantine.store(RUN, 1, OBSERVED, b"{}")
    assert list(trap.iterdir()) == []
    if spot == "attempt":
        assert [p.name for p in link.parent.iterdir()] == ["1"], "no draft is left behind"
    link.unlink()
    assert quarantine.store(RUN, 1, OBSERVED, b"{}").is_dir(), "the control"


@pytest.mark.parametrize("name", ["stdout", "manifest.json", "artifacts", "artifacts/0001"])
def test_release_follows_no_symlink(quarantine: Quarantine, tmp_path: Path, name: str) -> None:
    where = quarantine.store(RUN, 1, OBSERVED, b"{}")
    real = where / name
    moved = tmp_path / "moved"
    real.rename(moved)
    real.symlink_to(moved)
    dest = tmp_path / "dest"
    with pytest.raises(QuarantineFailed):
        quarantine.release(RUN, dest)
    assert not dest.exists()
    real.unlink()
    moved.rename(real)
    quarantine.release(RUN, dest)
    assert (dest / "stdout").read_bytes() == OBSERVED.stdout, "the control"


def test_a_fifo_in_the_place_of_a_file_does_not_block(
    quarantine: Quarantine, tmp_path: Path
) -> None:
    where = quarantine.store(RUN, 1, OBSERVED, b"{}")
    (where / "stdout").unlink()
    os.mkfifo(where / "stdout")
    with pytest.raises(QuarantineFailed, match="regular"):
        quarantine.release(RUN, tmp_path / "dest")


def test_others_may_not_look_in(quarantine: Quarantine) -> None:
    quarantine.store(RUN, 1, OBSERVED, b"{}")
    quarantine.root.chmod(0o755)
    with pytest.raises(QuarantineFailed, match="open to others"):
        quarantine.store(RUN, 2, OBSERVED, b"{}")
    quarantine.root.chmod(0o700)
    quarantine.store(RUN, 2, OBSERVED, b"{}")


# -- release ---------------------------------------------------------------------------------


def test_release_gives_checked_copies(quarantine: Quarantine, tmp_path: Path) -> None:
    quarantine.store(RUN, 1, OBSERVED, b"{}\n")
    dest = tmp_path / "dest"
    assert quarantine.release(RUN, dest) == dest
    files = tree(dest)
    assert set(files) == {
        "stdout",
        "stderr",
        "result.json",
        "manifest.json",
        "artifacts/0001-a.txt",
    }
    assert files["artifacts/0001-a.txt"] == b"abc"
    assert stat.S_IMODE((dest / "artifacts" / "0001-a.txt").stat().st_mode) == 0o600
    assert quarantine.list()[0], "the copy in quarantine stays"


@pytest.mark.parametrize("name", ["stdout", "stderr", "result.json", "artifacts/0001"])
@pytest.mark.parametrize("change", [b"changed", b"", b"out\xfe\n"])
def test_release_refuses_changed_content(
    quarantine: Quarantine, tmp_path: Path, name: str, change: bytes
) -> None:
    where = quarantine.store(RUN, 1, OBSERVED, b"{}\n")
    (where / name).write_bytes(change)
    with pytest.raises(QuarantineFailed):
        quarantine.release(RUN, tmp_path / "dest")
    assert not (tmp_path / "dest").exists()


def test_release_never_overwrites(quarantine: Quarantine, tmp_path: Path) -> None:
    quarantine.store(RUN, 1, OBSERVED, b"{}\n")
    target = tmp_path / "target"
    target.mkdir()
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to(target)
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    for name in ("target", "file", "link", "dangling", "missing/dest"):
        with pytest.raises(QuarantineFailed):
            quarantine.release(RUN, tmp_path / name)
    assert list(target.iterdir()) == []
    assert (tmp_path / "file").read_text() == "mine"
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize(
    "manifest",
    [b"", b"[]", b"{}", b'{"schema_version": "2"}', b"\xff", b"[" * 100_000],
)
def test_a_damaged_manifest_is_an_error(quarantine: Quarantine, manifest: bytes) -> None:
    where = quarantine.store(RUN, 1, OBSERVED, b"{}\n")
    (where / "manifest.json").write_bytes(manifest)
    with pytest.raises(QuarantineFailed):
        quarantine.show(RUN)
    quarantine.store(RUN, 2, OBSERVED, b"{}\n")
    held, (told,) = quarantine.list()
    assert [each.attempt for each in held] == [2]
    assert told.where == f"{RUN}/1"


@pytest.mark.parametrize("content", [b"garbage", None])
def test_a_list_says_what_to_do_with_a_damaged_attempt(
    quarantine: Quarantine, content: bytes | None
) -> None:
    where = quarantine.store(RUN, 1, OBSERVED, b"{}\n")
    (where / "manifest.json").unlink()
    if content is not None:
        (where / "manifest.json").write_bytes(content)
    _, (told,) = quarantine.list()
    assert "damaged" in told.message
    assert told.where == f"{RUN}/1"
    assert "move" in told.hint


def test_a_manifest_cannot_name_other_files(quarantine: Quarantine, tmp_path: Path) -> None:
    where = quarantine.store(RUN, 1, OBSERVED, b"{}\n")
    manifest = json.loads((where / "manifest.json").read_bytes())
    manifest["artifacts"][0]["blob"] = "../../../../etc/hostname"
    (where / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(QuarantineFailed, match="did not write"):
        quarantine.release(RUN, tmp_path / "dest")


_paths = st.one_of(
    st.text(max_size=60),
    st.sampled_from(
        ["../../../etc/passwd", "/workspace/out/..", "a/\x00b", "-rf", "\udcff", "x" * 300]
    ),
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(paths=st.lists(_paths, max_size=4))
def test_names_of_the_job_are_never_file_names(
    tmp_path_factory: pytest.TempPathFactory, paths: list[str]
) -> None:
    base = tmp_path_factory.mktemp("q")
    quarantine = Quarantine(base / "q")
    observed = replace(
        OBSERVED, artifacts=tuple(artifact(path, path.encode(errors="replace")) for path in paths)
    )
    where = quarantine.store(RUN, 1, observed, b"{}")
    blobs = sorted(path.name for path in (where / "artifacts").iterdir())
    assert blobs == [f"{number:04}" for number in range(1, len(paths) + 1)]
    assert [entry["path"] for entry in quarantine.show(RUN)["artifacts"]] == paths
    released = quarantine.release(RUN, base / "dest")
    for path in (released / "artifacts").iterdir():
        assert path.name[:4].isdigit()
        assert set(path.name) <= set(
            "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"
        )
    assert len(list((released / "artifacts").iterdir())) == len(paths)
    assert sorted(path.name for path in base.iterdir()) == ["dest", "q"]


# -- failure in the middle -------------------------------------------------------------------


def test_a_failed_store_leaves_nothing(
    quarantine: Quarantine, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = replace(OBSERVED, artifacts=(*OBSERVED.artifacts, replace(artifact("/x"), size=99)))
    with pytest.raises(QuarantineFailed, match="SHA-256"):
        quarantine.store(RUN, 1, wrong, b"{}")
    assert list((quarantine.root / RUN).iterdir()) == []

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(QuarantineFailed, match="No space"):
            quarantine.store(RUN, 1, OBSERVED, b"{}")
    assert list((quarantine.root / RUN).iterdir()) == []
    quarantine.store(RUN, 1, OBSERVED, b"{}")


def test_a_failed_release_leaves_nothing(
    quarantine: Quarantine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quarantine.store(RUN, 1, OBSERVED, b"{}")

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(QuarantineFailed, match="No space"):
            quarantine.release(RUN, tmp_path / "dest")
    assert not (tmp_path / "dest").exists()
    quarantine.release(RUN, tmp_path / "dest")


def test_files_are_never_written_over(tmp_path: Path) -> None:
    with contextlib.ExitStack() as opened:
        here = open_directory(opened, None, str(tmp_path), private=False)
        write_file(here, "new", b"first")
        (tmp_path / "link").symlink_to(tmp_path / "target")
        for name in ("new", "link"):
            with pytest.raises(FileExistsError):
                write_file(here, name, b"second")
    assert (tmp_path / "new").read_bytes() == b"first"
    assert not (tmp_path / "target").exists()


def test_a_draft_of_a_crash_is_no_attempt(
    quarantine: Quarantine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object, **__: object) -> None:
        os._exit(9)

    child = os.fork()
    if child == 0:
        monkeypatch.setattr(os, "rename", die)
        quarantine.store(RUN, 1, OBSERVED, b"{}")
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    (left,) = (quarantine.root / RUN).iterdir()
    assert quarantine.list() == ((), ())
    with pytest.raises(QuarantineFailed, match="nothing of this run"):
        quarantine.show(RUN)
    quarantine.store(RUN, 1, OBSERVED, b"{}")
    assert len(quarantine.list()[0]) == 1
    alive = quarantine.root / RUN / sign(".draft-0")
    alive.mkdir(0o700)
    assert quarantine.sweep() == (f"{RUN}/{left.name}",)
    assert {each.name for each in (quarantine.root / RUN).iterdir()} == {"1", alive.name}


def test_a_sweep_where_nothing_is_makes_nothing(quarantine: Quarantine) -> None:
    assert quarantine.sweep() == ()
    assert not quarantine.root.exists()


# -- purge -----------------------------------------------------------------------------------


def test_a_killed_purge_leaves_a_draft_that_a_sweep_ends(
    quarantine: Quarantine, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = quarantine.store(RUN, 1, OBSERVED, b"{}")
    unlink = os.unlink

    def die(name: str, *, dir_fd: int) -> None:
        if name == "manifest.json":
            unlink(name, dir_fd=dir_fd)
            os._exit(9)

    child = os.fork()
    if child == 0:
        monkeypatch.setattr(os, "unlink", die)
        quarantine.purge(time.time() + 60)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    (left,) = where.parent.iterdir()
    assert "manifest.json" not in tree(left), "it was killed in the middle"
    assert quarantine.list() == ((), ())
    quarantine.store(OTHER, 1, OBSERVED, b"{}")
    done = quarantine.purge(time.time() + 60)
    assert ([held.run_id for held in done.removed], done.damaged) == ([OTHER], ())
    assert quarantine.sweep() == (f"{RUN}/{left.name}",)
    assert list(where.parent.iterdir()) == []


def test_an_attempt_without_a_manifest_stops_no_purge(quarantine: Quarantine) -> None:
    where = quarantine.store(RUN, 1, OBSERVED, b"{}")
    quarantine.store(RUN, 2, OBSERVED, b"{}")
    (where / "manifest.json").unlink()
    done = quarantine.purge(time.time() + 60)
    assert [held.attempt for held in done.removed] == [2]
    assert (done.damaged, done.failed) == ((str(where),), ())


def refuse(*_: object, **__: object) -> None:
    raise OSError(errno.EROFS, "Read-only file system")


@pytest.mark.parametrize("call", ["rename", "unlink"])
def test_what_a_purge_cannot_remove_is_told(
    quarantine: Quarantine, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    where = quarantine.store(RUN, 1, OBSERVED, b"{}")
    with monkeypatch.context() as patch:
        patch.setattr(os, call, refuse)
        done = quarantine.purge(time.time() + 60)
    (left,) = where.parent.iterdir()
    assert (done.removed, done.damaged) == ((), ())
    (told,) = done.failed
    assert told.where == str(left)
    assert tree(left), "it is still there"


def test_what_a_sweep_cannot_remove_is_told(
    quarantine: Quarantine, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = quarantine.store(RUN, 1, OBSERVED, b"{}")
    draft = where.rename(where.with_name(sign(".draft-0", GONE)))
    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", refuse)
        with pytest.raises(QuarantineFailed, match="not removed"):
            quarantine.sweep()
    assert quarantine.sweep() == (f"{RUN}/{draft.name}",)


def test_a_purge_between_the_steps_of_a_store_does_not_fail_it(
    quarantine: Quarantine, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = quarantine.store(RUN, 1, OBSERVED, b"{}").parent
    quarantine.purge(time.time() + 60)
    os.utime(run, (0, 0))
    purged = []

    def purge_first(opened: contextlib.ExitStack, parent: int | None, name: str) -> int:
        if name == RUN and not purged:
            purged.append(name)
            quarantine.purge(time.time() + 60)
            assert not run.exists()
        return open_directory(opened, parent, name)

    monkeypatch.setattr("magicrune.quarantine.open_directory", purge_first)
    assert quarantine.store(RUN, 2, OBSERVED, b"{}").is_dir()
    assert purged
