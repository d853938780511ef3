"""What kind of task a log is of, and which field of its documents is the bare prompt."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Judged", "judged_as"]

# For logs that do not say it themselves, by the beginning of the task's name.
_BY_NAME = {
    "short_stories": ("story", "prompt"),
    "small_prompts": ("instruction", "instruction"),
    "novelty_bench": ("instruction", "prompt"),
}
_OTHERWISE = "instruction"


@dataclass(frozen=True)
class Judged:
    """How a task's responses are judged.

    Attributes:
        kind: of task: which rubric.
        prompt_field: the field of `doc` with the bare prompt; None for the prompt as it was sent.
        certain: whether log or user named the field; else it is a guess, to be dropped where it does not fit.
    """

    kind: str
    prompt_field: str | None
    certain: bool


def judged_as(
    task: str, record: Mapping[str, Any], *, kind: str | None = None, prompt_field: str | None = None
) -> Judged:
    """Kind and prompt field of a task: as the user says, else its own record, else by its name.

    Args:
        task: its name.
        record: `metadata.diversity_eval` of its configuration, empty where there is none.
        kind: what the user says, if anything.
        prompt_field: likewise.
    """
    by_name = next((known for name, known in _BY_NAME.items() if task.startswith(name)), None)
    named = prompt_field or record.get("prompt_field")
    # A record that names no field means the prompt as sent, whatever the task is called.
    guessed = by_name[1] if by_name and "kind" not in record else None
    return Judged(
        kind=kind or str(record.get("kind") or (by_name[0] if by_name else _OTHERWISE)),
        prompt_field=str(named) if named else guessed,
        certain=bool(named),
    )
