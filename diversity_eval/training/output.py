"""The output folder of a training run: new, to be resumed, or finished."""

import fnmatch
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

from diversity_eval.data.writing import write_text
from diversity_eval.errors import DiversityEvalError
from diversity_eval.training.resuming import last_complete, step_of
from diversity_eval.training.settings import TrainSettings

__all__ = [
    "CHECKPOINTS",
    "MERGED",
    "RECORD_FILE",
    "SETTINGS_FILE",
    "TENSORBOARD",
    "OutputState",
    "lock_output",
    "open_output",
    "write_settings",
]

SETTINGS_FILE = "settings.json"
RECORD_FILE = "diversity_eval.json"
CHECKPOINTS = "checkpoints"
MERGED = "merged"
TENSORBOARD = "tensorboard"
_LOCK = ".lock"
# What a run writes, and so may delete again; anything else in its folder is somebody's.
_OURS = (
    SETTINGS_FILE, RECORD_FILE, CHECKPOINTS, MERGED, TENSORBOARD, _LOCK, "log.jsonl", "README.md",
    "LICENSE*", "adapter_*", "model*.safetensors", "model.safetensors.index.json", "config.json",
    "generation_config.json", "tokenizer*", "special_tokens_map.json", "added_tokens.json",
    "chat_template.jinja", "vocab.*", "merges.txt", "spiece.model", "training_args.bin", ".*.part",
)  # fmt: skip
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
        _check_deletable(folder, there, settings)
        return OutputState("new", replaces=True)
    now = json.loads(json.dumps(settings.as_record()))
    names = sorted((set(before) | set(now)) - {*_FREE, _DIGEST})
    different = [name for name in names if before.get(name) != now.get(name)]
    if different and not (different == ["loss_parameters"] and _same_loss(before, now)):
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
            _delete(folder)
        folder.mkdir(parents=True, exist_ok=True)
        record = {**settings.as_record(), _DIGEST: data_digest}
        write_text(folder / SETTINGS_FILE, json.dumps(record, indent=2, ensure_ascii=False) + "\n")
    except OSError as error:
        raise _unwritable(folder, error) from None


def lock_output(folder: Path) -> IO[str] | None:
    """Keep other runs out of the folder, which is made, until the file that is returned is closed.

    Raises DiversityEvalError if another run is writing there. None where files can't be locked.
    """
    try:
        import fcntl
    except ImportError:  # not a POSIX system
        return None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / _LOCK).open("w", encoding="utf-8")
    except OSError as error:
        raise _unwritable(folder, error) from None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise DiversityEvalError(f"{folder}: another run is writing there; choose another folder") from None
    except OSError:  # a file system without locks
        file.close()
        return None
    return file


def _same_loss(before: dict[str, Any], now: dict[str, Any]) -> bool:
    """Whether parameters that are written differently mean the same: some are defaults, or have two names."""
    from diversity_eval.training.losses import check_loss

    try:
        return check_loss(before["loss"], before["loss_parameters"]) == check_loss(
            now["loss"], now["loss_parameters"]
        )
    except (DiversityEvalError, TypeError, KeyError, AttributeError):
        return False


def _check_deletable(folder: Path, names: list[str], settings: TrainSettings) -> None:
    """Raise DiversityEvalError if deleting the run in the folder could lose anything else."""
    foreign = [name for name in names if not any(fnmatch.fnmatch(name, ours) for ours in _OURS)]
    if foreign:
        raise DiversityEvalError(
            f"{folder}: holds {foreign[0]}, which no training run wrote; move it away, or choose "
            "another folder"
        )
    whole = folder.resolve()
    for what, name in (("model", settings.model), ("dataset", settings.dataset)):
        if Path(name).exists() and Path(name).resolve().is_relative_to(whole):
            raise DiversityEvalError(
                f"{folder}: holds the {what} {name} that this run needs; choose another folder"
            )


def _delete(folder: Path) -> None:
    """Delete what a run wrote; the folder stays, and so does its lock."""
    for path in folder.iterdir():
        if path.name == _LOCK or not any(fnmatch.fnmatch(path.name, ours) for ours in _OURS):
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def _entries(folder: Path) -> list[str]:
    """The names in a folder, none if it does not exist; but not those of files that were being written."""
    try:
        if folder.is_dir():
            names = [path.name for path in folder.iterdir()]
            if not os.access(folder, os.W_OK | os.X_OK):
                raise _unwritable(folder, PermissionError(13, "no permission to write in it"))
            return [n for n in names if n != _LOCK and not (n.startswith(".") and n.endswith(".part"))]
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
