"""What pair classifiers and reward models computed, on disk by content, for the next run to go on from."""

import hashlib
import json
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from diversity_eval.errors import DiversityEvalError
from diversity_eval.judging.store_file import KEYS_AT_ONCE, StoreFile

__all__ = ["ResultStore", "result_key"]


def result_key(signature: str, *texts: str) -> str:
    """The key of a result: SHA-256 of what computes it and of the texts, each with its length in front."""
    digest = hashlib.sha256(signature.encode("utf-8", "surrogatepass"))
    for text in texts:
        content = text.encode("utf-8", "surrogatepass")
        digest.update(f"\n{len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()


class ResultStore(StoreFile):
    """An SQLite file with one small JSON object per result.

    It holds no texts: about 200 bytes a comparison, of which a benchmark has many thousands.
    """

    _what = "store of comparisons and rewards"
    _holds = "results"
    _version = 1
    _schema = """
    CREATE TABLE IF NOT EXISTS results (
        key TEXT PRIMARY KEY, signature TEXT NOT NULL, result TEXT NOT NULL, time REAL NOT NULL
    ) WITHOUT ROWID;
    """
    _tables = frozenset({"results"})

    def get(self, keys: Sequence[str]) -> dict[str, dict[str, Any]]:
        """The results that are there, by key."""
        found: dict[str, dict[str, Any]] = {}
        for begin in range(0, len(keys), KEYS_AT_ONCE):
            part = keys[begin : begin + KEYS_AT_ONCE]
            rows = self._execute(
                f"SELECT key, result FROM results WHERE key IN ({','.join('?' * len(part))})", part
            )
            for key, result in rows:
                try:
                    found[key] = json.loads(result)
                except (ValueError, TypeError, RecursionError):
                    raise self.unreadable() from None
        return found

    def unreadable(self) -> DiversityEvalError:
        """What to raise for a result that is none."""
        return DiversityEvalError(
            f"{self._what} {self.path}: holds something that is no result; it was changed by something else. "
            "Remove it, or name another file"
        )

    def put(self, signature: str, results: Iterable[tuple[str, Mapping[str, Any]]]) -> None:
        """Keep (key, result) pairs, all or none. What is there already stays."""
        now = time.time()
        self._execute("BEGIN IMMEDIATE")
        try:
            for key, result in results:
                self._execute(
                    "INSERT OR IGNORE INTO results VALUES (?, ?, ?, ?)",
                    (key, signature, json.dumps(result), now),
                )
            self._execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.rollback()
            raise

    def count(self) -> int:
        """How many results the file holds."""
        return int(self._execute("SELECT COUNT(*) FROM results")[0][0])
