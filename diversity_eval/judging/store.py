"""Every verdict on disk the moment it arrives, so that a rerun asks only for what is missing."""

import hashlib
import json
import random
import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from diversity_eval.errors import DiversityEvalError
from diversity_eval.judging.verdict import Verdict

__all__ = ["VerdictStore", "verdict_key"]

# Final verdicts and what could not be had are in tables of their own: a key is in at most one of them.
_SCHEMA = """
CREATE TABLE IF NOT EXISTS verdicts (
    key TEXT PRIMARY KEY, judge TEXT NOT NULL, prompt TEXT NOT NULL, reply TEXT NOT NULL, rating INTEGER,
    reason TEXT NOT NULL, expected_rating REAL, entropy REAL, scale_mass REAL, probabilities TEXT,
    time REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS failures (
    key TEXT PRIMARY KEY, judge TEXT NOT NULL, prompt TEXT NOT NULL, reply TEXT NOT NULL,
    reason TEXT NOT NULL, time REAL NOT NULL
) WITHOUT ROWID;
"""
_VERSION = 1
_BUSY_SECONDS = 60.0
_KEYS_AT_ONCE = 500  # SQLite takes a limited number of parameters in one statement


def verdict_key(judge: str, prompt: str) -> str:
    """The key of a verdict: SHA-256 of the judge's signature and the rendered prompt."""
    return hashlib.sha256(f"{judge}\n{prompt}".encode("utf-8", errors="surrogatepass")).hexdigest()


class VerdictStore:
    """An SQLite file (write-ahead log) with one row per verdict. Several processes may use it at once.

    A committed verdict survives the process being killed. The file holds prompts and replies as text.
    """

    def __init__(self, path: Path) -> None:
        """Open or make the file.

        Raises DiversityEvalError if it cannot be written, is no such file, or is of a later version.
        """
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None)
            self._prepare()
        except (sqlite3.Error, OSError) as error:
            raise DiversityEvalError(
                f"verdict store {path}: cannot be used ({error}); name another file, on a local disk"
            ) from None

    def _prepare(self) -> None:
        """Check or make the tables, again and again while another process is making the same file.

        SQLite waits for locks by itself, but does not for the change to the write-ahead log.
        """
        until = time.monotonic() + _BUSY_SECONDS
        while True:
            try:
                self._check()
                self._db.execute("PRAGMA journal_mode=WAL")
                self._db.execute("PRAGMA synchronous=NORMAL")
                self._db.executescript(_SCHEMA)
                self._db.execute(f"PRAGMA user_version={_VERSION}")
                return
            except sqlite3.OperationalError as error:
                busy = error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
                if not busy or time.monotonic() > until:
                    raise
            time.sleep(random.uniform(0.01, 0.05))

    def _check(self) -> None:
        version = int(self._db.execute("PRAGMA user_version").fetchone()[0])
        if version not in (0, _VERSION):
            raise DiversityEvalError(
                f"verdict store {self.path}: written by a later version of diversity-eval (format {version}, "
                f"this one knows {_VERSION}); update, or name another file"
            )
        tables = {name for (name,) in self._db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if not tables <= {"verdicts", "failures"}:
            raise DiversityEvalError(
                f"verdict store {self.path}: is a database of another program; name another file"
            )

    def get(self, keys: Sequence[str]) -> dict[str, Verdict]:
        """The final verdicts that are there, by key."""
        found: dict[str, Verdict] = {}
        for begin in range(0, len(keys), _KEYS_AT_ONCE):
            part = keys[begin : begin + _KEYS_AT_ONCE]
            rows = self._execute(
                "SELECT key, rating, reply, reason, expected_rating, entropy, scale_mass, probabilities "
                f"FROM verdicts WHERE key IN ({','.join('?' * len(part))})",
                part,
            )
            for key, rating, reply, reason, expected, entropy, mass, probabilities in rows:
                found[key] = Verdict(
                    rating, reply, reason, False, expected, entropy, mass,
                    tuple(json.loads(probabilities)) if probabilities is not None else None,
                )  # fmt: skip
        return found

    def put(self, judge: str, prompt: str, verdict: Verdict, *, replace_unscored: bool = False) -> None:
        """Keep a verdict. One that is there already stays: what was published once does not change.

        With `replace_unscored` a final verdict without a rating gives way to the new one, unless that is
        no more than a failure.
        """
        key = verdict_key(judge, prompt)
        judge, prompt, reply, reason = (
            text.encode("utf-8", "replace").decode()
            for text in (judge, prompt, verdict.reply, verdict.reason)
        )
        if verdict.failed:
            self._execute(
                "INSERT OR REPLACE INTO failures SELECT ?, ?, ?, ?, ?, ? "
                "WHERE NOT EXISTS (SELECT 1 FROM verdicts WHERE key = ?)",
                (key, judge, prompt, reply, reason, time.time(), key),
            )
            return
        probabilities = json.dumps(verdict.probabilities) if verdict.probabilities is not None else None
        self._execute("BEGIN IMMEDIATE")
        try:
            if replace_unscored:
                self._execute("DELETE FROM verdicts WHERE key = ? AND rating IS NULL", (key,))
            self._execute(
                "INSERT OR IGNORE INTO verdicts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    key, judge, prompt, reply, verdict.rating, reason, verdict.expected_rating,
                    verdict.entropy, verdict.scale_mass, probabilities, time.time(),
                ),
            )  # fmt: skip
            self._execute("DELETE FROM failures WHERE key = ?", (key,))
            self._execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.rollback()
            raise

    def counts(self) -> tuple[int, int]:
        """How many final verdicts and how many failures the file holds."""
        (verdicts,) = self._execute("SELECT COUNT(*) FROM verdicts")[0]
        (failures,) = self._execute("SELECT COUNT(*) FROM failures")[0]
        return int(verdicts), int(failures)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def __enter__(self) -> "VerdictStore":
        """The store itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _execute(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        try:
            return self._db.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise DiversityEvalError(
                f"verdict store {self.path}: {error}; verdicts that are in it are kept. Free space, or name "
                "another file on a local disk, and start again"
            ) from None
