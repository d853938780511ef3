"""How the evaluated checkpoint was trained, where the trainer's account lies beside it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from diversity_eval.redaction import without_secrets

__all__ = ["training_of"]

_ACCOUNT = "diversity_eval.json"
_MOST_BYTES = 16 << 20
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
        if isinstance(folder, str) and folder and (settings := _settings(Path(folder))) is not None:
            kept = {key: settings[key] for key in _KEPT if key in settings}
            model = settings.get("model")
            if isinstance(model, str):
                kept["model"] = Path(model).name
            return without_secrets(kept)
    return {}


def _settings(folder: Path) -> Mapping[str, Any] | None:
    # An account that cannot be read says nothing, and is no reason not to evaluate.
    try:
        path = folder / _ACCOUNT
        if not path.is_file() or path.stat().st_size > _MOST_BYTES:
            return None
        account = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    settings = account.get("settings") if isinstance(account, dict) else None
    return settings if isinstance(settings, dict) else None
