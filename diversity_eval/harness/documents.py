"""A task's documents: the rows of its source, all of them or those that its YAML picks."""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from diversity_eval.data.resolve import LoadedRows, load_rows
from diversity_eval.errors import DiversityEvalError

__all__ = ["Documents", "draw", "load_documents"]


@dataclass(frozen=True)
class Documents:
    """Rows, where they came from, and which of them these are.

    `picked` is empty for all rows of the source; else it says how they were picked, for signatures.
    """

    rows: list[dict[str, Any]]
    provenance: Any
    picked: str = ""


def load_documents(task: str, settings: Mapping[str, Any]) -> Documents:
    """The documents that a task's settings name.

    Args:
        task: its name, for messages.
        settings: `source` (a row of sources.yaml) or `rows` (a function that returns rows and provenance);
            `select`: values by column, of the rows to keep; `draw`: `count` and `seed` of a random choice;
            `rename`: other names for columns.

    Raises:
        DiversityEvalError: data that are not to be had or wrong, or settings that leave no document.
    """
    rows_function = settings.get("rows")
    if rows_function is not None:
        rows, provenance = rows_function()
    else:
        loaded = _load(str(settings["source"]), os.environ.get("DIVERSITY_EVAL_DATA"))
        rows, provenance = loaded.rows, loaded.provenance
    picked = []
    for column, value in (settings.get("select") or {}).items():
        rows = [row for row in rows if row.get(column) == value]
        picked.append(f"{column}={value}")
    if not rows:
        raise DiversityEvalError(f"{task}: no row has {' and '.join(picked)}; see `select` in its YAML")
    if choice := settings.get("draw"):
        count, seed, available = int(choice["count"]), int(choice["seed"]), len(rows)
        if not 0 < count <= available:
            raise DiversityEvalError(f"{task}: `draw` asks for {count} of {available} rows")
        rows = [rows[place] for place in draw(available, count, seed)]
        picked.append(f"{count} of {available} drawn with seed {seed}")
    names: Mapping[str, str] = settings.get("rename") or {}
    renamed = [{names.get(column, column): value for column, value in row.items()} for row in rows]
    return Documents(renamed, provenance, "; ".join(picked))


def draw(available: int, count: int, seed: int) -> list[int]:
    """Places of `count` of `available` rows, in ascending order: those whose hash with the seed is lowest.

    The same on every machine and Python, which the standard library's generators do not promise.
    """

    def lot(place: int) -> bytes:
        return hashlib.sha256(f"{seed}:{place}".encode()).digest()

    return sorted(sorted(range(available), key=lot)[:count])


@lru_cache(maxsize=2)  # MMLU's 57 tasks have one source
def _load(source: str, folder: str | None) -> LoadedRows:
    """`folder` is what DIVERSITY_EVAL_DATA says: with another one the rows are loaded anew."""
    return load_rows(source)
