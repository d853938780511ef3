"""The steps of a run, from its start or from a checkpoint."""

from pathlib import Path
from typing import Any

from diversity_eval.errors import DiversityEvalError

__all__ = ["run_steps"]


def run_steps(trainer: Any, checkpoint: Path | None, output: Path) -> int:
    """Train, from `checkpoint` if there is one; returns the number of steps in all.

    Raises DiversityEvalError where memory or disk do not suffice.
    """
    import torch

    try:
        if checkpoint is not None and (done := _state_at_the_end(checkpoint)) is not None:
            # Only what comes after the last step was cut off. The Trainer would take one more in mid-epoch.
            trainer._load_from_checkpoint(str(checkpoint))
            trainer.state = done
            return int(done.global_step)
        return int(trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None).global_step)
    except torch.OutOfMemoryError:
        raise DiversityEvalError(
            "the memory of the GPU does not suffice: lower --batch-size (and raise --accumulation), lower "
            "--max-length, or keep gradient checkpointing on"
        ) from None
    except OSError as error:
        raise DiversityEvalError(f"{output}: cannot be written ({error.strerror or error})") from None


def _state_at_the_end(checkpoint: Path) -> Any:
    """The trainer's state in a checkpoint of the last step; None if steps are left."""
    from transformers import TrainerState

    state = TrainerState.load_from_json(str(checkpoint / "trainer_state.json"))
    return state if state.global_step >= state.max_steps else None
