"""Which checkpoint a run is of, and how that was trained, from what the run's results say."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from diversity_eval.logs.training_account import training_settings

__all__ = ["Training", "checkpoint_of", "loss_of_name", "training_of"]

_LOSSES = ("ce", "focal", "gem", "pr", "tofu", "base")
_OTHER_NAMES = {"fl": "focal", "lambda-pr": "pr", "λ-pr": "pr"}
# A loss in a name stands between separators: `qwen3-8b-tofu`, `mistral/ce`; not inside a word.
_IN_NAME = re.compile(
    r"(?:^|[\s/_.()\[\]-])(ce|focal|fl|gem|lambda-pr|λ-pr|pr|tofu|base)(?=$|[\s/_.()\[\]-])", re.IGNORECASE
)
_PARAMETER = re.compile(r"(?:^|[^a-z])(gamma|beta|g|b)[=_-]?([0-9]+(?:\.[0-9]+)?)(?![0-9a-z])", re.IGNORECASE)
_LONG = {"g": "gamma", "b": "beta"}


@dataclass(frozen=True)
class Training:
    """How a checkpoint was trained; None and empty where it is not known."""

    loss: str | None = None
    parameters: Mapping[str, float] = field(default_factory=dict)
    base_model: str | None = None


def checkpoint_of(results: Mapping[str, Any]) -> str:
    """The checkpoint's name or path in a results file of lm-eval; empty if nothing says.

    An adapter is the checkpoint, not the base model that it belongs to, which lm-eval calls the model.
    """
    arguments = model_arguments(results)
    for argument in ("peft", "delta", "lora_local_path", "pretrained", "model"):
        value = arguments.get(argument)
        if isinstance(value, str) and value:
            return value
    model = results.get("model_name")
    return model if isinstance(model, str) else ""


def model_arguments(results: Mapping[str, Any]) -> dict[str, Any]:
    """lm-eval's `--model_args`, which it writes as a mapping, a JSON text or `name=value,...`."""
    config = results.get("config")
    given = config.get("model_args") if isinstance(config, Mapping) else None
    if isinstance(given, Mapping):
        return dict(given)
    if not isinstance(given, str):
        return {}
    try:
        found = json.loads(given)
    except (ValueError, RecursionError):
        pairs = [part.partition("=") for part in given.split(",")]
        return {name.strip(): value for name, equals, value in pairs if equals}
    return found if isinstance(found, dict) else {}


def training_of(checkpoint: str, settings: Mapping[str, Any] | None = None) -> Training:
    """How a checkpoint was trained: as its settings say, else as its name tells.

    Args:
        checkpoint: its name or path; the trainer's account in that folder is read if it is there.
        settings: the trainer's, where they are at hand (`loss`, `loss_parameters`, `model`).
    """
    if settings is None:
        settings = training_settings(Path(checkpoint)) or {}
    if settings.get("loss") not in _LOSSES:
        return Training(loss_of_name(checkpoint), _parameters_of_name(checkpoint))
    own = settings.get("loss_parameters")
    parameters = {
        str(name): float(value)
        for name, value in (own if isinstance(own, Mapping) else {}).items()
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    }
    model = settings.get("model")
    return Training(str(settings["loss"]), {**_defaults(str(settings["loss"])), **parameters},
                    model if isinstance(model, str) else None)  # fmt: skip


def loss_of_name(name: str) -> str | None:
    """The loss that a name mentions last, as in `qwen3-8b-tofu`; None if it mentions none."""
    found = [match[1].lower() for match in _IN_NAME.finditer(name)]
    return _OTHER_NAMES.get(found[-1], found[-1]) if found else None


def model_of_name(name: str) -> str:
    """A name without its loss and the loss's parameters: `qwen3-8b` of `qwen3-8b-tofu`; the whole name if
    that leaves nothing.
    """
    rest = _PARAMETER.sub("", _IN_NAME.sub("", name)).strip(" /_.()[]-")
    return rest or name


def _parameters_of_name(name: str) -> dict[str, float]:
    if loss_of_name(name) is None:
        return {}
    return {
        _LONG.get(match[1].lower(), match[1].lower()): float(match[2]) for match in _PARAMETER.finditer(name)
    }


def _defaults(loss: str) -> dict[str, float]:
    """Gamma and beta as the trainer takes them where its settings do not say."""
    return {"focal": {"gamma": 3.0}, "gem": {"beta": 0.7}, "tofu": {"gamma": 3.0, "beta": 0.8}}.get(loss, {})
