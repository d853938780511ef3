"""What of NoveltyBench's files is in a folder already, and whether new rows may go there."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from diversity_eval.errors import DiversityEvalError
from diversity_eval.logs.novelty_subsets import FOLDERS
from diversity_eval.logs.rows import read_jsonl

__all__ = ["check_models", "is_there"]

_FILES = ("generations", "partitions", "scores")


def check_models(output: Path, model: str | None) -> None:
    """Refuse a submission's folder in which there are rows of another model, in any subset and version.

    Raises DiversityEvalError that names the first such file.
    """
    for folder in FOLDERS.values():
        for path in sorted((output / folder).rglob("*.jsonl")):
            if path.stem not in _FILES:
                continue
            for row in _existing(path):
                if row.get("model") != model:
                    raise _other(path, f"is of the model {row.get('model')!r}, not {model!r}")


def is_there(path: Path, rows: Sequence[dict[str, Any]]) -> bool:
    """Whether a file holds all of these rows already.

    Raises DiversityEvalError if it holds anything else than them, or these with less known.
    """
    if not path.exists():
        summary = path.with_name("summary.json")
        if path.name == "scores.jsonl" and summary.exists():
            raise _other(summary, "is a summary of scores that are not there")
        return False
    found = _existing(path)
    before = {json.dumps(row.get("id")): row for row in found}
    if len(before) != len(found) or before.keys() != {json.dumps(row["id"]) for row in rows}:
        raise _other(path, "has other prompts")
    complete = True
    for row in rows:
        old = before[json.dumps(row["id"])]
        for name, value in row.items():
            if name == "unscored":
                continue
            if not _adds_to(old.get(name), value):
                raise _other(path, f"has another value of {name} for the prompt {row['id']!r}")
            complete = complete and old.get(name) == value
    return complete


def _adds_to(old: Any, new: Any) -> bool:
    """Whether everything that was known is the same now."""
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        return all(_adds_to(before, now) for before, now in zip(old, new, strict=True))
    return old is None or old == new


def _existing(path: Path) -> list[dict[str, Any]]:
    try:
        return [row for _, row in read_jsonl(path)]
    except DiversityEvalError as error:
        raise DiversityEvalError(f"{error}; repair or remove it, or choose another output folder") from None


def _other(path: Path, what: str) -> DiversityEvalError:
    return DiversityEvalError(
        f"{path} {what}; no leaderboard file was written. Choose another output folder, or remove "
        f"{path.parent}"
    )
