"""The ledger: one row for every run, in SQLite, written before the run and after it.

A row begins as ``running`` and becomes ``finished``, ``failed`` or ``crashed`` once; a
request that its policy refused is ``refused`` from the start. The database itself refuses
any other change. Whoever opens the ledger marks as ``crashed`` what is still ``running``
although its process (pid, start time, boot, pid namespace) is gone; a row of another pid
namespace on the same boot stays, since nobody here can tell.

WAL with ``synchronous=NORMAL``: a crash of the process loses nothing that was committed
and a power loss leaves the ledger whole, but may take its last commits (since the last
checkpoint) with it. The result was told to the caller by then; only its row is missing.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from magicrune.errors import LedgerFailed
from magicrune.ledger_store import open_store, translated
from magicrune.liveness import is_gone, own_identity

KEPT_RESULTS = 1000
"""Result documents kept (the newest); the rows themselves stay."""

_COLUMNS = (
    "run_id, attempt, state, started_at, ended_at, backend, request_sha256, policy_sha256,"
    " verdict, ending, score, duration_ms, error_code, error_message"
)


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One row. Times are seconds since 1970; `attempt` is 0 where the policy refused.

    `result` is the result document as it was told (None where there is none, where it is
    one of more than `KEPT_RESULTS` ago, and in lists).
    """

    run_id: str
    attempt: int
    state: str
    """running, finished, failed, refused or crashed."""
    started_at: float
    ended_at: float | None
    backend: str
    request_sha256: str
    policy_sha256: str
    verdict: str | None
    ending: str | None
    score: int | None
    duration_ms: float | None
    error_code: str | None
    error_message: str | None
    result: bytes | None = None


class Ledger:
    """The ledger at `path`, made (0600) if missing; may be used from several threads.

    Every method raises LedgerFailed where the ledger cannot be read or written, and
    LedgerUnusable where trying again cannot help (damaged, read-only, too new).
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._database = open_store(path)
        try:
            self._mark_crashed()
        except BaseException:
            self._database.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the use of the ledger."""
        with self._lock:
            self._database.close()

    # -- one run ---------------------------------------------------------------------------

    def begin(
        self,
        run_id: str,
        *,
        request_sha256: str,
        policy_sha256: str,
        backend: str,
        now: float | None = None,
    ) -> int:
        """Notes that a run starts and returns its attempt: 1, or one more than the last."""
        pid, started, boot, namespace = own_identity()
        with self._lock, translated(self._path):
            (attempt,) = self._database.execute(
                "INSERT INTO runs (run_id, attempt, state, started_at, backend, request_sha256,"
                " policy_sha256, pid, pid_started, boot, namespace)"
                " SELECT ?1, COALESCE(MAX(attempt), 0) + 1, 'running', ?2, ?3, ?4, ?5, ?6, ?7,"
                " ?8, ?9 FROM runs WHERE run_id = ?1 RETURNING attempt",
                (
                    *(run_id, time.time() if now is None else now, backend),
                    *(request_sha256, policy_sha256, pid, started, boot, namespace),
                ),
            ).fetchall()[0]
            return int(attempt)

    def finish(
        self,
        run_id: str,
        attempt: int,
        *,
        verdict: str,
        ending: str,
        score: int,
        result_json: bytes | None,
        duration_ms: float,
    ) -> None:
        """Notes the result of a run that was begun. `result_json` is what the caller is
        told, so of a red run the result without output."""
        self._settle(
            run_id,
            attempt,
            {
                "state": "finished",
                "verdict": verdict,
                "ending": ending,
                "score": score,
                "result": result_json,
                "duration_ms": duration_ms,
            },
        )

    def fail(self, run_id: str, attempt: int, error_code: str, message: str) -> None:
        """Notes that *we* failed a run that was begun."""
        self._settle(
            run_id,
            attempt,
            {"state": "failed", "error_code": error_code, "error_message": _storable(message)},
        )

    def refuse(
        self,
        run_id: str,
        *,
        request_sha256: str,
        policy_sha256: str,
        backend: str,
        error_code: str,
        message: str,
        result_json: bytes | None = None,
        now: float | None = None,
    ) -> None:
        """Notes that a policy refused a request: nothing was begun, the attempt is 0."""
        at = time.time() if now is None else now
        with self._lock, translated(self._path):
            self._database.execute(
                "INSERT INTO runs (run_id, attempt, state, started_at, ended_at, backend,"
                " request_sha256, policy_sha256, verdict, ending, error_code, error_message,"
                " result) VALUES (?, 0, 'refused', ?, ?, ?, ?, ?, 'red', 'policy_denied', ?, ?, ?)",
                (
                    *(run_id, at, at, backend, request_sha256, policy_sha256),
                    *(error_code, _storable(message), result_json),
                ),
            )

    # -- looking ---------------------------------------------------------------------------

    def runs(self, limit: int = 50) -> tuple[RunRecord, ...]:
        """The newest rows, newest first, without result documents."""
        return self._select("ORDER BY id DESC LIMIT ?", (max(0, limit),))

    def run(self, run_id: str) -> tuple[RunRecord, ...]:
        """All rows of one run_id, newest first, with result documents; empty if none."""
        return self._select("WHERE run_id = ? ORDER BY id DESC", (run_id,), result=True)

    def _select(
        self, tail: str, values: Sequence[Any], *, result: bool = False
    ) -> tuple[RunRecord, ...]:
        columns = f"{_COLUMNS}, result" if result else _COLUMNS
        with self._lock, translated(self._path):
            rows = self._database.execute(f"SELECT {columns} FROM runs {tail}", values)  # noqa: S608
            return tuple(RunRecord(*row) for row in rows.fetchall())

    # -- changes of state ------------------------------------------------------------------

    def _settle(self, run_id: str, attempt: int, values: dict[str, Any]) -> None:
        setting = ", ".join(f"{column} = ?" for column in values)
        with self._lock, translated(self._path):
            changed = self._database.execute(
                f"UPDATE runs SET ended_at = ?, {setting}"  # noqa: S608
                " WHERE run_id = ? AND attempt = ? AND state = 'running' RETURNING id",
                (time.time(), *values.values(), run_id, attempt),
            ).fetchall()
            if not changed:
                raise LedgerFailed(
                    "is not running: settled before, or never begun",
                    where=f"{run_id}, attempt {attempt}",
                )
            if values.get("result") is not None:
                self._database.execute(
                    "UPDATE runs SET result = NULL WHERE id <= ? AND result IS NOT NULL",
                    (changed[0][0] - KEPT_RESULTS,),
                )

    def _mark_crashed(self) -> None:
        with translated(self._path):
            rows = self._database.execute(
                "SELECT id, pid, pid_started, boot, namespace FROM runs WHERE state = 'running'"
            ).fetchall()
            for number, *identity in rows:
                if is_gone(tuple(identity)):
                    self._database.execute(
                        "UPDATE runs SET state = 'crashed', ended_at = ?"
                        " WHERE id = ? AND state = 'running'",
                        (time.time(), number),
                    )


def _storable(text: str) -> str:
    """SQLite takes no lone surrogates, which a message about a file name may hold."""
    return text.encode("utf-8", "backslashreplace").decode()
