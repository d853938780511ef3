"""The output folder of a training run: new, to be resumed, or finished."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from diversity_eval.errors import DiversityEvalError
from diversity_eval.training.callbacks import COMPLETE
from diversity_eval.training.settings import TrainSettings

__all__ = ["RECORD_FILE", "SETTINGS_FILE", "OutputState", "open_output", "write_settings"]

SETTINGS_FILE = "settings.json"
RECORD_FILE = "diversity_eval.json"
CHECKPOINTS = "checkpoints"
# What may differ when a run goes on: none of it changes the weights that come out.
_FREE = ("save_steps", "log_steps", "report_to", "strict", "merge")
_DIGEST = "encoded_rows_sha256"


@dataclass(frozen=True)
class OutputState:
    """`new`: nothing there; `resume`: a run with these settings was cut off, and goes on from `checkpoint` (None: from
    its start); `finished`: it is done.
    """

    state: Literal["new", "resume", "finished"]
    checkpoint: Path | None = None
    step: int = 0


def open_output(folder: Path, settings: TrainSettings, *, overwrite: bool = False) -> OutputState:
    """What the folder holds. Changes nothing but with `overwrite`, which deletes an earlier run.

    Raises DiversityEvalError: it holds something else, or a run with other settings, or can't be read.
    """
    if folder.exists() and not folder.is_dir():
        raise DiversityEvalError(f"{folder}: is a file; expected a folder, or a new name")
    if not folder.exists() or not any(folder.iterdir()):
        return OutputState("new")
    before = _read(folder / SETTINGS_FILE)
    if before is None:
        raise DiversityEvalError(f"{folder}: is not empty, and holds no training run; choose another folder")
    if overwrite:
        shutil.rmtree(folder)
        return OutputState("new")
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
    checkpoint = _last_checkpoint(folder / CHECKPOINTS)
    return OutputState("resume", checkpoint, _step(checkpoint) if checkpoint else 0)


def write_settings(folder: Path, settings: TrainSettings, data_digest: str) -> None:
    """Make the folder, with the settings in it; a run that goes on must have the same data.

    Raises DiversityEvalError if it can't be written, or the data differ.
    """
    before = (_read(folder / SETTINGS_FILE) or {}).get(_DIGEST)
    if before not in (None, data_digest):
        raise DiversityEvalError(
            f"{folder}: holds a run on other data or with another tokenizer than are there now, though under the same "
            "names; choose another folder, or --overwrite"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        record = {**settings.as_record(), _DIGEST: data_digest}
        content = json.dumps(record, indent=2, ensure_ascii=False) + "\n"
        (folder / SETTINGS_FILE).write_text(content, encoding="utf-8")
    except OSError as error:
        raise DiversityEvalError(f"{folder}: cannot be written ({error.strerror or error})") from None


def _read(path: Path) -> dict[str, Any] | None:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def _last_checkpoint(folder: Path) -> Path | None:
    complete = [path for path in folder.glob("checkpoint-*") if (path / COMPLETE).is_file() and _step(path)]
    return max(complete, key=_step, default=None)


def _step(checkpoint: Path) -> int:
    digits = checkpoint.name.removeprefix("checkpoint-")
    return int(digits) if digits.isdecimal() else 0
