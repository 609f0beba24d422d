"""Red output: kept where nobody stumbles over it, given out on purpose only.

``<root>/<run_id>/<attempt>/`` holds ``manifest.json``, ``result.json``, ``stdout``,
``stderr`` and ``artifacts/NNNN``, directories 0700 and files 0600. Names that the job
chose are only in the manifest. Every open goes through a directory descriptor and never
follows a symlink; an attempt appears by one rename, complete and on disk, or not at all.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from magicrune.errors import QuarantineFailed
from magicrune.held_attempt import (
    Held,
    checked_files,
    read_manifest,
    summarise,
    write_attempt,
    write_release,
)
from magicrune.heldfile import (
    make_directory,
    names_in,
    open_directory,
    remove_tree,
    sync,
)
from magicrune.observation import Observation
from magicrune.owner import is_left, sign

_DRAFT = ".draft-"
_RUN_ID = re.compile(r"r_[0-9a-f]{32}")
_IDLE_S = 3600.0
_ATTEMPT = re.compile(r"[1-9][0-9]{0,8}")


@dataclass(frozen=True, slots=True)
class Purged:
    """What a purge came to."""

    removed: tuple[Held, ...]
    damaged: tuple[str, ...]
    """Where attempts lie that were left, because their age cannot be known."""
    failed: tuple[QuarantineFailed, ...]
    """What was to be removed and is still there, whole or in part."""


@dataclass(frozen=True, slots=True)
class Quarantine:
    """The quarantine under `root`, which is made (0700) when first needed.

    Every method raises QuarantineFailed where something cannot be done safely.
    """

    root: Path

    def path_of(self, run_id: str, attempt: int) -> Path:
        """Where an attempt lies, or will lie."""
        _check_names(run_id, str(attempt))
        return self.root / run_id / str(attempt)

    def store(
        self, run_id: str, attempt: int, observation: Observation, result_json: bytes
    ) -> Path:
        """Puts the output of a run away and returns where."""
        target = self.path_of(run_id, attempt)
        with _failures(target):
            try:
                self._store(target, observation, result_json)
            except FileNotFoundError:  # a purge took the run's empty directory; it is new now
                self._store(target, observation, result_json)
        return target

    def _store(self, target: Path, observation: Observation, result_json: bytes) -> None:
        run_id, attempt = target.parent.name, target.name
        with contextlib.ExitStack() as opened:
            root = self._open_root(opened, create=True)
            make_directory(root, run_id, exist_ok=True)
            run = open_directory(opened, root, run_id)
            if _exists(run, attempt):
                raise QuarantineFailed("is there already", where=str(target))
            draft = _new_draft()
            make_directory(run, draft)
            try:
                here = open_directory(opened, run, draft)
                write_attempt(opened, here, run_id, int(attempt), observation, result_json)
                os.rename(draft, attempt, src_dir_fd=run, dst_dir_fd=run)
            except BaseException:
                remove_tree(run, draft)
                raise
            sync(run)
            sync(root)

    def sweep(self) -> tuple[str, ...]:
        """Removes what runs and purges that were killed left half there; its names."""
        removed: list[str] = []
        failed: QuarantineFailed | None = None
        with _failures(self.root), contextlib.ExitStack() as opened:
            for _, run_id, run in self._runs(opened):
                for draft in names_in(run):
                    if draft.startswith(_DRAFT) and is_left(draft):
                        try:
                            _remove(run, draft, self.root / run_id / draft)
                            removed.append(f"{run_id}/{draft}")
                        except QuarantineFailed as error:
                            failed = error
        if failed is not None:
            raise failed
        return tuple(removed)

    def list(self) -> tuple[tuple[Held, ...], tuple[QuarantineFailed, ...]]:
        """All attempts, newest first, and what is wrong with each that is damaged.

        A draft that a crash left behind is not one.
        """
        found: list[Held] = []
        damaged: list[QuarantineFailed] = []
        with _failures(self.root), contextlib.ExitStack() as opened:
            for _, run_id, run in self._runs(opened):
                for _, held in _attempts(run, run_id):
                    if isinstance(held, Held):
                        found.append(held)
                    else:
                        damaged.append(held)
        found.sort(key=lambda held: held.stored_at, reverse=True)
        return tuple(found), tuple(damaged)

    def show(self, run_id: str, attempt: int | None = None) -> dict[str, Any]:
        """The manifest (no content) of an attempt, by default the last one.

        Paths in it were chosen by the job: escape them before they reach a terminal.
        """
        with _failures(self.root / run_id), contextlib.ExitStack() as opened:
            _, manifest = self._open_attempt(opened, run_id, attempt)
            return manifest

    def release(self, run_id: str, dest: Path, attempt: int | None = None) -> Path:
        """Copies an attempt (by default the last) to the new directory `dest`.

        All content is checked against the manifest before anything is written. Files get
        number and a harmless form of their name, mode 0600; `dest` must not exist yet.
        The copy in quarantine stays.
        """
        with _failures(dest), contextlib.ExitStack() as opened:
            here, manifest = self._open_attempt(opened, run_id, attempt)
            files = list(checked_files(opened, here, manifest))
            parent = open_directory(opened, None, str(dest.parent.resolve()), private=False)
            make_directory(parent, dest.name)
            try:
                write_release(opened, parent, dest.name, files)
            except BaseException:
                remove_tree(parent, dest.name)
                raise
            sync(parent)
        return dest

    def purge(self, before: float) -> Purged:
        """Removes what was put away before `before` (seconds since 1970).

        An attempt is a draft from its first lost file on: `sweep` ends what a killed purge began.
        The empty directory of a run goes with a purge an hour later: a run may be using it.
        """
        removed: list[Held] = []
        damaged: list[str] = []
        failed: list[QuarantineFailed] = []
        with _failures(self.root), contextlib.ExitStack() as opened:
            for root, run_id, run in self._runs(opened):
                idle = os.fstat(run).st_mtime < time.time() - _IDLE_S
                for attempt, held in _attempts(run, run_id):
                    where = self.root / run_id / attempt
                    if not isinstance(held, Held):
                        damaged.append(str(where))
                    elif held.stored_at < before:
                        try:
                            _discard(run, attempt, where)
                            removed.append(held)
                        except QuarantineFailed as error:
                            failed.append(error)
                if idle:
                    with contextlib.suppress(OSError):  # something is in it
                        os.rmdir(run_id, dir_fd=root)
        return Purged(tuple(removed), tuple(damaged), tuple(failed))

    def _runs(self, opened: contextlib.ExitStack) -> Iterator[tuple[int, str, int]]:
        """For each run the root, its name there, and its directory, open until the next one."""
        if not self.root.is_symlink() and not self.root.exists():
            return
        root = self._open_root(opened, create=False)
        for run_id in filter(_RUN_ID.fullmatch, names_in(root)):
            with contextlib.ExitStack() as inner:
                try:
                    run = open_directory(inner, root, run_id)
                except FileNotFoundError:  # a purge was faster
                    continue
                yield root, run_id, run

    def _open_root(self, opened: contextlib.ExitStack, *, create: bool) -> int:
        if create:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        return open_directory(opened, None, str(self.root))

    def _open_attempt(
        self, opened: contextlib.ExitStack, run_id: str, attempt: int | None
    ) -> tuple[int, dict[str, Any]]:
        _check_names(run_id, str(attempt or 1))
        try:
            root = self._open_root(opened, create=False)
            run = open_directory(opened, root, run_id)
            name = str(attempt) if attempt is not None else _last(names_in(run))
            here = open_directory(opened, run, name)
        except FileNotFoundError:
            raise QuarantineFailed(
                "nothing of this run is in quarantine",
                where=run_id,
                hint="magicrune quarantine list",
            ) from None
        return here, read_manifest(opened, run, run_id, name)


def _check_names(run_id: str, attempt: str) -> None:
    if not _RUN_ID.fullmatch(run_id) or not _ATTEMPT.fullmatch(attempt):
        hint = "r_ and 32 hex digits, as in: magicrune quarantine list"
        raise QuarantineFailed(
            "is not a run id and attempt", where=f"{run_id[:80]}/{attempt}", hint=hint
        )


@contextlib.contextmanager
def _failures(where: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or f"{type(error).__name__}: {error}"
        raise QuarantineFailed(f"quarantine: {reason}", where=str(where)) from error


def _attempts(run: int, run_id: str) -> Iterator[tuple[str, Held | QuarantineFailed]]:
    """Each attempt's name, and what it holds or how it is damaged."""
    for attempt in filter(_ATTEMPT.fullmatch, names_in(run)):
        found: Held | QuarantineFailed
        with contextlib.ExitStack() as opened:
            try:
                with _failures(Path(run_id, attempt)):
                    found = summarise(read_manifest(opened, run, run_id, attempt))
            except QuarantineFailed as error:
                where = f"{run_id}/{attempt}"
                found = QuarantineFailed(error.message, where=where, hint=error.hint)
        if isinstance(found, Held) or _exists(run, attempt):  # or else a purge was faster
            yield attempt, found


def _new_draft() -> str:
    return sign(f"{_DRAFT}{secrets.token_hex(8)}")


def _discard(run: int, attempt: str, where: Path) -> None:
    draft = _new_draft()
    with _failures(where), contextlib.suppress(FileNotFoundError):  # another purge was faster
        os.rename(attempt, draft, src_dir_fd=run, dst_dir_fd=run)
        _remove(run, draft, where.parent / draft)


def _remove(run: int, draft: str, where: Path) -> None:
    remove_tree(run, draft)
    if _exists(run, draft):
        raise QuarantineFailed(
            "is not removed, or not all of it",
            where=str(where),
            hint="find what keeps it there (lsattr, mount), then: magicrune doctor --clean",
        )


def _exists(directory: int, name: str) -> bool:
    try:
        os.lstat(name, dir_fd=directory)
    except FileNotFoundError:
        return False
    return True


def _last(names: list[str]) -> str:
    attempts = [int(name) for name in names if _ATTEMPT.fullmatch(name)]
    if not attempts:
        raise FileNotFoundError
    return str(max(attempts))
