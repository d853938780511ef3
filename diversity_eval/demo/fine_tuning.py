"""The demo's fine-tuned versions: a small set of answered prompts, and how each is trained on it."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

from diversity_eval.data.writing import write_text
from diversity_eval.demo.corpus import STORY_INSTRUCTION, sample_answer, sample_story
from diversity_eval.demo.model import MODEL_PREFIX
from diversity_eval.errors import DiversityEvalError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from diversity_eval.training.run import TrainResult

__all__ = [
    "LOSSES",
    "ROWS_FILE",
    "check_folder",
    "fine_tuning_rows",
    "missing_libraries",
    "train_command",
    "train_version",
    "write_rows",
]

LOSSES: Mapping[str, Mapping[str, Any]] = {
    "ce": {"loss": "ce"},
    "tofu": {"loss": "tofu", "gamma": 3.0, "beta": 0.8},
}
"""The fine-tuned versions by name, with their losses."""

ROWS_FILE = "demo_rows.jsonl"

_SEED = 1
_ANSWERS, _CONTINUATIONS = 280, 120
# Fine-tuning sets are narrower than what their base model has read: this one knows fewer turns of phrase.
_LINES = 3
# The same for both losses. Set once, by cross-entropy alone: of five rates the one that lowered it most.
_RECIPE: Mapping[str, Any] = {
    "quantization": "none",
    "dtype": "float32",
    "epochs": 2.0,
    "batch_size": 8,
    "accumulation": 1,
    "learning_rate": 5e-3,
    "warmup_steps": 5,
    "max_length": 256,
    "gradient_checkpointing": False,
}


def fine_tuning_rows() -> list[dict[str, str]]:
    """Rows of `prompt` and `response`: questions with an answer, and openings with a next sentence.

    They come from the grammar of the base model's corpus, with fewer kinds of answers and endings; always the
    same rows, and none of the prompts of the demo's tasks.
    """
    rng = random.Random(_SEED)
    pairs = [sample_answer(rng, answer_lines=_LINES) for _ in range(_ANSWERS)]
    for _ in range(_CONTINUATIONS):
        story = sample_story(rng, ending_lines=_LINES)
        pairs.append((STORY_INSTRUCTION.format(story=story.opening), story.ending))
    rng.shuffle(pairs)
    return [{"prompt": prompt, "response": response} for prompt, response in pairs]


def write_rows(path: Path) -> int:
    """Write the rows as a .jsonl file and return their number.

    Raises DiversityEvalError if it can't be written.
    """
    rows = fine_tuning_rows()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, "".join(json.dumps(row) + "\n" for row in rows))
    except OSError as error:
        raise DiversityEvalError(
            f"{path}: cannot be written ({error.strerror or error}); choose another folder with --output"
        ) from None
    return len(rows)


def missing_libraries() -> str:
    """What the trainer needs and does not find, in one message; empty if it has all."""
    from diversity_eval.training.loading import check_extra
    from diversity_eval.training.settings import TrainSettings

    try:
        check_extra(TrainSettings(quantization=_RECIPE["quantization"]))
    except DiversityEvalError as error:
        return str(error)
    return ""


def check_folder(folder: Path) -> None:
    """Raise DiversityEvalError unless a version can be trained into `folder`, which deletes what is there.

    So it must be new, empty, or hold an earlier version of the demo, finished or not.
    """
    from diversity_eval.training.output import SETTINGS_FILE

    try:
        if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
            return
        settings = json.loads((folder / SETTINGS_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        settings = None
    if not isinstance(settings, dict) or not _is_own(settings):
        raise DiversityEvalError(
            f"{folder}: holds something that is not the demo's, and training would delete it; choose another "
            "folder with --output"
        )


def train_command(name: str, model: Path, rows: Path, folder: Path) -> list[str]:
    """The arguments of `diversity-eval` that train a version as `train_version` does."""
    words = ["train"]
    for setting, value in _settings(name, model, rows).items():
        option = setting.replace("_", "-")
        if isinstance(value, bool):
            words.append(f"--{option}" if value else f"--no-{option}")
        else:
            words += [f"--{option}", f"{value:g}" if isinstance(value, float) else str(value)]
    return [*words, "--output", str(folder)]


def train_version(name: str, model: Path, rows: Path, folder: Path) -> TrainResult:
    """Fine-tune `model` on the rows with the loss of that version; the adapter is written to `folder`.

    An earlier version in `folder` is deleted. Uses one thread: with matrices of this size more would only
    wait for each other.
    """
    import torch

    from diversity_eval.training.run import train
    from diversity_eval.training.settings_files import build_settings

    check_folder(folder)
    settings = build_settings(_settings(name, model, rows), "the demo")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        result = train(settings, folder, overwrite=True)
    finally:
        torch.set_num_threads(threads)
    if result is None:
        raise DiversityEvalError("the demo is one process; run it without accelerate launch")
    return result


def _is_own(settings: Mapping[str, Any]) -> bool:
    rows, model = (Path(str(settings.get(name))).name for name in ("dataset", "model"))
    return rows == ROWS_FILE and model.startswith(MODEL_PREFIX)


def _settings(name: str, model: Path, rows: Path) -> dict[str, Any]:
    return {"model": str(model), "dataset": str(rows), **LOSSES[name], **_RECIPE}
