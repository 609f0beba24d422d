"""The ledger's database file: how it is opened, made, brought up to date, and how it fails."""

from __future__ import annotations

import contextlib
import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from magicrune.errors import LedgerFailed, LedgerUnusable

if TYPE_CHECKING:
    import sqlite3

APPLICATION_ID = 0x4D52554E
"""``MRUN`` in the header of the file: it is ours."""
BUSY_SECONDS = 10.0
"""How long a writer waits for the others; a commit takes well below a millisecond."""

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE runs (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            run_id TEXT NOT NULL,
            attempt INTEGER NOT NULL CHECK (attempt >= 0),
            state TEXT NOT NULL
                CHECK (state IN ('running', 'finished', 'failed', 'refused', 'crashed')),
            started_at REAL NOT NULL,
            ended_at REAL,
            backend TEXT NOT NULL,
            request_sha256 TEXT NOT NULL,
            policy_sha256 TEXT NOT NULL,
            pid INTEGER,
            pid_started INTEGER,
            boot TEXT,
            namespace TEXT,
            verdict TEXT CHECK (verdict IN ('green', 'yellow', 'red')),
            ending TEXT,
            score INTEGER CHECK (score BETWEEN 0 AND 100),
            duration_ms REAL,
            error_code TEXT,
            error_message TEXT,
            result BLOB,
            CHECK ((state = 'running') = (ended_at IS NULL)),
            CHECK ((state = 'refused') = (attempt = 0)),
            CHECK (state = 'refused' OR pid IS NOT NULL),
            CHECK (state <> 'finished'
                OR (verdict IS NOT NULL AND ending IS NOT NULL AND score IS NOT NULL)),
            CHECK (state NOT IN ('failed', 'refused') OR error_code IS NOT NULL)
        ) STRICT""",
        "CREATE UNIQUE INDEX one_row_an_attempt ON runs (run_id, attempt) WHERE attempt > 0",
        "CREATE INDEX rows_of_a_run ON runs (run_id)",
        "CREATE INDEX still_running ON runs (id) WHERE state = 'running'",
        "CREATE INDEX with_result ON runs (id) WHERE result IS NOT NULL",
        """CREATE TRIGGER settled_once BEFORE UPDATE OF state ON runs
            WHEN OLD.state <> 'running'
            BEGIN SELECT RAISE(ABORT, 'a settled run cannot change its state'); END""",
    ),
)
"""Step N brings a file of version N to N + 1 (PRAGMA user_version). Only ever appended to."""


_BUSY, _LOCKED, _READONLY, _IOERR, _CORRUPT, _FULL = 5, 6, 8, 10, 11, 13
_CANTOPEN, _CONSTRAINT, _NOTADB = 14, 19, 26
"""SQLite's primary result codes (sqlite3.h); the module itself is imported late."""
_WRITABLE = "make the file and its directory writable, or set MAGICRUNE_HOME"
_REPLACE = "move the file away; a new ledger is made"
_HINTS: dict[int, tuple[type[LedgerFailed], str]] = {
    _BUSY: (LedgerFailed, f"others kept it locked for {BUSY_SECONDS:.0f} s"),
    _LOCKED: (LedgerFailed, "another connection keeps it locked"),
    _FULL: (LedgerFailed, "make room on its disk"),
    _CONSTRAINT: (LedgerFailed, ""),
    _READONLY: (LedgerUnusable, _WRITABLE),
    _IOERR: (LedgerUnusable, "is its disk full? make room, or set MAGICRUNE_HOME"),
    _CANTOPEN: (LedgerUnusable, _WRITABLE),
    _CORRUPT: (LedgerUnusable, _REPLACE),
    _NOTADB: (LedgerUnusable, _REPLACE),
}


def open_store(path: Path) -> sqlite3.Connection:
    """Opens the file, makes it (0600) if missing, and brings it to the current version.

    Raises LedgerUnusable where it is not ours, damaged, read-only or of a newer version,
    LedgerFailed where others kept it locked.
    """
    import sqlite3  # 10 ms that most commands need not pay

    with translated(path):
        _make_private(path)
        database = sqlite3.connect(
            path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        try:
            _use_wal(database)
            _migrate(database, path)
        except BaseException:
            database.close()
            raise
    return database


@contextlib.contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turns what SQLite and the file system raise into our errors."""
    import sqlite3

    where = str(path)
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", None)
        kind, hint = _HINTS.get((code or 0) & 0xFF, (LedgerUnusable, ""))
        raise kind(str(error), where=where, hint=hint) from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise LedgerUnusable(f"cannot open: {reason}", where=where, hint=_WRITABLE) from error


def _make_private(path: Path) -> None:
    """Made before SQLite opens it, which gives -wal and -shm the mode of the file itself.

    No descriptor is opened: closing one would drop the locks that other connections of
    this process hold on the file.
    """
    with contextlib.suppress(FileExistsError):
        os.mknod(path, 0o600 | stat.S_IFREG)
    found = path.lstat()
    if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid():
        raise LedgerUnusable("is not a regular file of ours", where=str(path))
    if found.st_mode & 0o077:
        path.chmod(0o600)


def _use_wal(database: sqlite3.Connection) -> None:
    """Two processes that both turn a new file to WAL get SQLITE_BUSY without waiting."""
    import sqlite3

    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            (mode,) = database.execute("PRAGMA journal_mode = WAL").fetchone()
            break
        except sqlite3.OperationalError as error:
            busy = (error.sqlite_errorcode or 0) & 0xFF == _BUSY
            if not busy or time.monotonic() > deadline:
                raise
            time.sleep(0.005)
    if mode != "wal":
        raise LedgerUnusable(
            f"its file system cannot do WAL (journal mode is {mode})", hint="set MAGICRUNE_HOME"
        )
    database.execute("PRAGMA synchronous = NORMAL")


def _migrate(database: sqlite3.Connection, path: Path) -> None:
    if _version(database, path) == len(MIGRATIONS):
        return
    database.execute("BEGIN IMMEDIATE")
    try:
        for step in MIGRATIONS[_version(database, path) :]:
            for statement in step:
                database.execute(statement)
        database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        database.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
        database.execute("COMMIT")
    except BaseException:
        database.execute("ROLLBACK")
        raise


def _version(database: sqlite3.Connection, path: Path) -> int:
    (version,) = database.execute("PRAGMA user_version").fetchone()
    (application,) = database.execute("PRAGMA application_id").fetchone()
    (tables,) = database.execute("SELECT COUNT(*) FROM sqlite_schema").fetchone()
    new = version == 0 and application == 0 and tables == 0
    if not new and application != APPLICATION_ID:
        raise LedgerUnusable("is not a ledger of magicrune", where=str(path))
    if version > len(MIGRATIONS):
        raise LedgerUnusable(
            f"is of version {version}; this magicrune knows up to {len(MIGRATIONS)}",
            where=str(path),
            hint="use the newer magicrune",
        )
    return int(version)
