"""The output folder of a training run: new, to be resumed, or finished."""

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from diversity_eval.data.writing import write_text
from diversity_eval.errors import DiversityEvalError
from diversity_eval.training.resuming import last_complete, step_of
from diversity_eval.training.settings import TrainSettings

__all__ = ["CHECKPOINTS", "RECORD_FILE", "SETTINGS_FILE", "OutputState", "open_output", "write_settings"]

SETTINGS_FILE = "settings.json"
RECORD_FILE = "diversity_eval.json"
CHECKPOINTS = "checkpoints"
# What may differ when a run goes on: none of it changes the weights that come out.
_FREE = ("save_steps", "log_steps", "report_to", "strict", "merge")
_DIGEST = "encoded_rows_sha256"


@dataclass(frozen=True)
class OutputState:
    """What an output folder holds.

    `new`: nothing, or an earlier run that `write_settings` shall delete (`replaces`); `resume`: a run with
    these settings was cut off, and goes on from `checkpoint` (None: from its start); `finished`: it is done.
    """

    state: Literal["new", "resume", "finished"]
    checkpoint: Path | None = None
    step: int = 0
    replaces: bool = False


def open_output(folder: Path, settings: TrainSettings, *, overwrite: bool = False) -> OutputState:
    """What the folder holds. Changes nothing.

    Raises DiversityEvalError: it holds something else, or (without `overwrite`) a run with other settings, or
    it can't be read or written.
    """
    there = _entries(folder)
    if not there:
        return OutputState("new")
    before = _read(folder / SETTINGS_FILE)
    if before is None or _DIGEST not in before:
        raise DiversityEvalError(f"{folder}: is not empty, and holds no training run; choose another folder")
    if overwrite:
        return OutputState("new", replaces=True)
    now = json.loads(json.dumps(settings.as_record()))
    names = sorted((set(before) | set(now)) - {*_FREE, _DIGEST})
    if different := [name for name in names if before.get(name) != now.get(name)]:
        name = different[0]
        more = f" (and {', '.join(different[1:])})" if different[1:] else ""
        raise DiversityEvalError(
            f"{folder}: holds a run with other settings: {name} was {before.get(name)!r} and is "
            f"{now.get(name)!r}{more}; choose another folder, or --overwrite"
        )
    if (folder / RECORD_FILE).is_file():
        return OutputState("finished")
    checkpoint = last_complete(folder / CHECKPOINTS)
    return OutputState("resume", checkpoint, step_of(checkpoint) if checkpoint else 0)


def write_settings(
    folder: Path, settings: TrainSettings, data_digest: str, *, replaces: bool = False
) -> None:
    """Make the folder, with the settings in it; a run that goes on must have the same data.

    With `replaces` what was there is deleted before. Raises DiversityEvalError if it can't be written, or the
    data differ.
    """
    before = None if replaces else (_read(folder / SETTINGS_FILE) or {}).get(_DIGEST)
    if before not in (None, data_digest):
        raise DiversityEvalError(
            f"{folder}: holds a run on other data or with another tokenizer than are there now, though under "
            "the same names; choose another folder, or --overwrite"
        )
    try:
        if replaces:
            shutil.rmtree(folder)
        folder.mkdir(parents=True, exist_ok=True)
        record = {**settings.as_record(), _DIGEST: data_digest}
        write_text(folder / SETTINGS_FILE, json.dumps(record, indent=2, ensure_ascii=False) + "\n")
    except OSError as error:
        raise _unwritable(folder, error) from None


def _entries(folder: Path) -> list[str]:
    """The names in a folder, none if it does not exist; but not those of files that were being written."""
    try:
        if folder.is_dir():
            names = [path.name for path in folder.iterdir()]
            return [name for name in names if not (name.startswith(".") and name.endswith(".part"))]
        if folder.exists():
            raise DiversityEvalError(f"{folder}: is a file; expected a folder, or a new name")
        parent = next(path for path in folder.absolute().parents if path.exists())
    except OSError as error:
        raise DiversityEvalError(f"{folder}: cannot be read ({error.strerror or error})") from None
    if not parent.is_dir():
        raise _unwritable(folder, NotADirectoryError(20, f"{parent} is a file"))
    if not os.access(parent, os.W_OK | os.X_OK):
        raise _unwritable(folder, PermissionError(13, f"no permission to write in {parent}"))
    return []


def _read(path: Path) -> dict[str, Any] | None:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def _unwritable(folder: Path, error: OSError) -> DiversityEvalError:
    return DiversityEvalError(f"{folder}: cannot be written ({error.strerror or error})")
