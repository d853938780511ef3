"""The commands that evaluate a checkpoint, for cards."""

import shlex
from collections.abc import Mapping
from pathlib import Path

__all__ = ["evaluation", "shown_folder"]

_TASKS = "short_stories,small_prompts"


def shown_folder(folder: Path) -> str:
    """A folder as a card names it: a path that says nothing of the machine, as given if it is relative."""
    return folder.as_posix() if not folder.is_absolute() else folder.name


def evaluation(model: str, arguments: Mapping[str, str | int | None]) -> list[str]:
    """The lines of one `lm_eval` command; arguments that are None are left out."""
    joined = ",".join(f"{name}={value}" for name, value in arguments.items() if value is not None)
    return [
        f"lm_eval --model {model} --model_args {shlex.quote(joined)} \\",
        f"  --tasks {_TASKS} --apply_chat_template --output_path results --log_samples",
    ]
