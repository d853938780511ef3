"""An SQLite file that several processes may fill at once, and whose content survives their being killed."""

import random
import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self

from diversity_eval.errors import DiversityEvalError

__all__ = ["KEYS_AT_ONCE", "StoreFile"]

_BUSY_SECONDS = 60.0
KEYS_AT_ONCE = 500
"""SQLite takes a limited number of parameters in one statement."""


class StoreFile:
    """The file, with its tables made or checked (write-ahead log); a base for the stores.

    Attributes:
        path: where it is.
    """

    _what: ClassVar[str]
    """What messages call it."""
    _holds: ClassVar[str]
    """What messages call its rows."""
    _version: ClassVar[int]
    _schema: ClassVar[str]
    _tables: ClassVar[frozenset[str]]

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
                f"{self._what} {path}: cannot be used ({error}); name another file, on a local disk"
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
                self._db.executescript(self._schema)
                self._db.execute(f"PRAGMA user_version={self._version}")
                return
            except sqlite3.OperationalError as error:
                busy = error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
                if not busy or time.monotonic() > until:
                    raise
            time.sleep(random.uniform(0.01, 0.05))

    def _check(self) -> None:
        version = int(self._db.execute("PRAGMA user_version").fetchone()[0])
        if version not in (0, self._version):
            raise DiversityEvalError(
                f"{self._what} {self.path}: written by a later version of diversity-eval (format {version}, "
                f"this one knows {self._version}); update, or name another file"
            )
        tables = {name for (name,) in self._db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if not tables <= self._tables:
            raise DiversityEvalError(
                f"{self._what} {self.path}: is a database of another program; name another file"
            )

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def __enter__(self) -> Self:
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
                f"{self._what} {self.path}: {error}; {self._holds} that are in it are kept. Free space, or "
                "name another file on a local disk, and start again"
            ) from None
