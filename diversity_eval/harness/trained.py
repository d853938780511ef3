"""How the evaluated checkpoint was trained, where the trainer's account lies beside it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from diversity_eval.logs.training_account import training_settings
from diversity_eval.redaction import without_secrets

__all__ = ["training_of"]

# What tells one training from another; paths of the machine stay where they are.
_KEPT = ("loss", "loss_parameters", "dataset", "first_rows", "quantization", "epochs", "max_steps", "seed")


def training_of(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Loss, parameters and data of a checkpoint of `diversity-eval train`, for the results; empty for others.

    A report made elsewhere, without the checkpoint, knows by it which loss a run is of.

    Args:
        metadata: the task's, with lm-eval's model arguments in it.
    """
    for name in ("peft", "pretrained"):
        folder = metadata.get(name)
        if isinstance(folder, str) and folder and (settings := training_settings(Path(folder))) is not None:
            kept = {key: settings[key] for key in _KEPT if key in settings}
            model = settings.get("model")
            if isinstance(model, str):
                kept["model"] = Path(model).name
            return without_secrets(kept)
    return {}
