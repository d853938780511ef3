"""Every verdict on disk the moment it arrives, so that a rerun asks only for what is missing."""

import hashlib
import json
import time
from collections.abc import Sequence

from diversity_eval.judging.store_file import KEYS_AT_ONCE, StoreFile
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


def verdict_key(judge: str, prompt: str) -> str:
    """The key of a verdict: SHA-256 of the judge's signature and the rendered prompt."""
    return hashlib.sha256(f"{judge}\n{prompt}".encode("utf-8", errors="surrogatepass")).hexdigest()


class VerdictStore(StoreFile):
    """An SQLite file (write-ahead log) with one row per verdict. Several processes may use it at once.

    A committed verdict survives the process being killed. The file holds prompts and replies as text.
    """

    _what = "verdict store"
    _holds = "verdicts"
    _version = 1
    _schema = _SCHEMA
    _tables = frozenset({"verdicts", "failures"})

    def get(self, keys: Sequence[str]) -> dict[str, Verdict]:
        """The final verdicts that are there, by key."""
        found: dict[str, Verdict] = {}
        for begin in range(0, len(keys), KEYS_AT_ONCE):
            part = keys[begin : begin + KEYS_AT_ONCE]
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
