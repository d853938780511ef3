"""Checkpoints to go on from: which are whole, and what a run that goes on must forget."""

import json
import shutil
from pathlib import Path

from diversity_eval.data.writing import write_text

__all__ = ["COMPLETE", "LOG_FILE", "cut_log", "drop_torn", "last_complete", "mark_complete", "step_of"]

COMPLETE = "complete.json"
"""Written into a checkpoint last, with the sizes of its files: one without it was cut off while saving."""
LOG_FILE = "log.jsonl"


def mark_complete(checkpoint: Path) -> None:
    """Say that every file of a checkpoint was written."""
    sizes = {
        str(path.relative_to(checkpoint)): path.stat().st_size
        for path in sorted(checkpoint.rglob("*"))
        if path.is_file() and path.name != COMPLETE
    }
    content = json.dumps({"step": step_of(checkpoint), "files": sizes}, indent=2)
    write_text(checkpoint / COMPLETE, content + "\n")


def last_complete(folder: Path) -> Path | None:
    """The checkpoint in `folder` that is whole and has the most steps; None if there is none."""
    whole = [path for path in folder.glob("checkpoint-*") if step_of(path) and _is_complete(path)]
    return max(whole, key=step_of, default=None)


def drop_torn(folder: Path, step: int) -> None:
    """Delete the checkpoints in `folder` that are not whole, or of later steps than `step`.

    They will be written again; until then they would count among those that are kept.
    """
    for path in folder.glob("checkpoint-*"):
        if step_of(path) > step or not _is_complete(path):
            shutil.rmtree(path, ignore_errors=True)


def cut_log(folder: Path, step: int) -> None:
    """Take out of the log what was logged after `step`, which a run that goes on will log again."""
    path = folder / LOG_FILE
    if not path.is_file():
        return
    kept = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            continue  # the line that was being written when the run was killed
        if isinstance(row, dict) and isinstance(row.get("step"), int) and row["step"] <= step:
            kept.append(line + "\n")
    write_text(path, "".join(kept))


def step_of(checkpoint: Path) -> int:
    """The steps in a checkpoint's name; 0 if it has none."""
    digits = checkpoint.name.removeprefix("checkpoint-")
    return int(digits) if digits.isascii() and digits.isdecimal() else 0


def _is_complete(checkpoint: Path) -> bool:
    try:
        content = json.loads((checkpoint / COMPLETE).read_text(encoding="utf-8"))
        sizes = dict(content["files"])
        return content["step"] == step_of(checkpoint) and all(
            (checkpoint / name).stat().st_size == size for name, size in sizes.items()
        )
    except (OSError, ValueError, KeyError, TypeError):
        return False
