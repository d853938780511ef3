"""Settings from a YAML and from the command line, checked before anything is loaded."""

import importlib
import math
from collections.abc import Mapping
from dataclasses import fields
from difflib import get_close_matches
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from diversity_eval.errors import DiversityEvalError
from diversity_eval.training.settings import CHOICES, TrainSettings, setting_names

__all__ = ["LOSS_PARAMETERS", "build_settings", "overridden", "read_settings"]

# Those of the built-in losses may stand among the settings themselves, as on the command line.
LOSS_PARAMETERS = ("gamma", "beta", "lambda", "alpha")
_AT_LEAST_ONE = (
    "lora_rank",
    "lora_alpha",
    "batch_size",
    "accumulation",
    "log_steps",
    "max_steps",
)
_POSITIVE = ("learning_rate", "epochs")
_NOT_NEGATIVE = (
    "warmup_steps", "weight_decay", "max_grad_norm", "neftune_alpha", "seed", "lora_dropout", "save_steps",
)  # fmt: skip
_LARGEST = 2**31 - 1  # what every library takes as a count or a seed


def read_settings(path: Path) -> dict[str, Any]:
    """The settings in a YAML file, by name, not yet checked.

    Raises DiversityEvalError if it can't be read, is not YAML, or is not a mapping.
    """
    import yaml

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise DiversityEvalError(f"configuration {path}: cannot be read ({error})") from None
    except yaml.YAMLError as error:
        said = " ".join(str(error).split())
        raise DiversityEvalError(f"configuration {path}: is not YAML: {said}") from None
    except (ValueError, RecursionError):
        # A date or a number that looks like one and is none; brackets in brackets in brackets.
        raise DiversityEvalError(
            f"configuration {path}: holds a value that YAML cannot read; put texts in quotes"
        ) from None
    if not isinstance(content, dict):
        raise DiversityEvalError(f"configuration {path}: expected settings, each as `name: value`")
    return {str(name): value for name, value in content.items()}


def overridden(values: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """`values` with those of `more` over them, a loss's parameters one by one; neither is checked.

    A parameter may stand beside the settings or under `loss_parameters`. Those of another loss than `more`
    names are left out.
    """
    merged = {**values, **more}
    if not all(isinstance(each.get("loss_parameters", {}), dict) for each in (values, more)):
        return merged  # `build_settings` says what is wrong with it
    other_loss = "loss" in values and merged["loss"] != values["loss"]
    parameters: dict[str, Any] = {}
    for each in (more,) if other_loss else (values, more):
        parameters |= each.get("loss_parameters", {})
        parameters |= {name: each[name] for name in LOSS_PARAMETERS if name in each}
    plain = {
        name: value for name, value in merged.items() if name not in (*LOSS_PARAMETERS, "loss_parameters")
    }
    return {**plain, "loss_parameters": parameters} if parameters else plain


def build_settings(given: Mapping[str, Any], where: str = "the command line") -> TrainSettings:
    """Settings from values by name; `where` is what messages call their source.

    Raises DiversityEvalError for a name that does not exist, a value of the wrong kind or out of range, or
    settings that contradict each other, in one message that names the setting.
    """
    values = dict(given)
    loose = {name: values.pop(name) for name in LOSS_PARAMETERS if name in values}
    known = setting_names()
    for name in values:
        if name not in known:
            close = get_close_matches(name, [*known, *LOSS_PARAMETERS], n=1)
            hint = f"; did you mean {close[0]}?" if close else ""
            raise DiversityEvalError(f"{where}: there is no setting {name!r}{hint}")
    hints = get_type_hints(TrainSettings)
    checked = {name: _converted(name, value, hints[name], where) for name, value in values.items()}
    for name, value in loose.items():
        checked["loss_parameters"] = {**checked.get("loss_parameters", {}), name: _loss_value(value)}
    settings = TrainSettings(**checked)
    _check_ranges(settings, where)
    _check_together(settings, where)
    return settings


def _converted(name: str, value: Any, kind: Any, where: str) -> Any:
    """`value` as the setting's type; YAML has no tuple and writes 3 for 3.0."""
    options = get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)
    if value is None and type(None) in options:
        return None
    if name in CHOICES:
        if value not in CHOICES[name]:
            raise _wrong(name, value, f"one of {', '.join(CHOICES[name])}", where)
        return value
    if name == "loss_parameters":
        if not isinstance(value, dict):
            raise _wrong(name, value, "the loss's parameters, each as `name: number`", where)
        return {str(key): _loss_value(each) for key, each in value.items()}
    if name == "report_to":
        parts = [value] if isinstance(value, str) else value
        if not isinstance(parts, list | tuple) or not all(isinstance(each, str) for each in parts):
            raise _wrong(name, value, "names such as wandb or tensorboard", where)
        return tuple(each for each in parts if each != "none")
    if bool in options:
        if not isinstance(value, bool):
            raise _wrong(name, value, "true or false", where)
        return value
    if float in options:
        number = _number(value)
        if number is None:
            raise _wrong(name, value, "a number", where)
        return number
    if int in options:
        if isinstance(value, bool) or not isinstance(value, int):
            raise _wrong(name, value, "a whole number", where)
        if value > _LARGEST:
            raise _wrong(name, value, f"at most {_LARGEST}", where)
        return value
    if not isinstance(value, str) or not value.strip():
        raise _wrong(name, value, "text", where)
    return value


def _loss_value(value: Any) -> Any:
    """A loss's parameter as a number; what is none is left for the loss to complain of."""
    number = _number(value)
    return value if number is None else number


def _number(value: Any) -> float | None:
    """A finite number; also from text, since YAML 1.1 reads 2e-4 as that."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _check_ranges(settings: TrainSettings, where: str) -> None:
    for each in fields(settings):
        value = getattr(settings, each.name)
        if value is None:
            continue
        if each.name in _AT_LEAST_ONE and value < 1:
            raise _wrong(each.name, value, "1 or more", where)
        if each.name in _POSITIVE and value <= 0:
            raise _wrong(each.name, value, "more than 0", where)
        if each.name in _NOT_NEGATIVE and value < 0:
            raise _wrong(each.name, value, "0 or more", where)
    if settings.max_length < 8:
        raise _wrong("max_length", settings.max_length, "8 or more", where)
    for name in ("first_rows", "max_rows"):
        value = getattr(settings, name)
        if value is not None and value < 1:
            raise _wrong(name, value, "1 or more", where)
    if settings.lora_dropout >= 1:
        raise _wrong("lora_dropout", settings.lora_dropout, "less than 1", where)


def _check_together(settings: TrainSettings, where: str) -> None:
    from diversity_eval.training.losses import check_loss

    for name in ("model", "dataset"):
        if not getattr(settings, name):
            raise DiversityEvalError(
                f"{where}: says no {name}; add --{name}, or `{name}:` in the configuration"
            )
    _import_loss(settings.loss)
    check_loss(settings.loss, settings.loss_parameters)
    if settings.quantization != "none" and not settings.lora:
        raise DiversityEvalError(
            f"{where}: quantised weights cannot be trained themselves; say quantization none, or keep the "
            "adapter"
        )
    if settings.special_delimiters and settings.lora:
        raise DiversityEvalError(
            f"{where}: special_delimiters adds tokens that the base model lacks, so an adapter could not "
            "be loaded on it; train all weights (--no-lora --quantization none), or keep the delimiters "
            "plain text"
        )
    if settings.merge and not settings.lora:
        raise DiversityEvalError(
            f"{where}: there is no adapter to merge when all weights are trained; drop merge"
        )
    if settings.reasoning and settings.dataset != "numina_math_cot":
        raise DiversityEvalError(
            f"{where}: reasoning is for the data set numina_math_cot, not {settings.dataset}"
        )


def _import_loss(name: str) -> None:
    """Register a user's own loss that is named as MODULE:FUNCTION, and try it."""
    from diversity_eval.training.losses import loss_names, register_loss

    module, separator, function = name.partition(":")
    if not separator or name in loss_names():
        return
    try:
        found = getattr(importlib.import_module(module), function)
    except Exception as error:  # a module may do anything while it is imported
        raise DiversityEvalError(
            f"loss {name}: cannot be imported ({type(error).__name__}: {error}); expected MODULE:FUNCTION of "
            "a module that Python finds (PYTHONPATH)"
        ) from None
    if not callable(found):
        raise DiversityEvalError(f"loss {name}: is no function")
    _try_loss(name, found)
    try:
        register_loss(name, found)
    except (TypeError, ValueError) as error:
        raise DiversityEvalError(f"loss {name}: {error}") from None


def _try_loss(name: str, function: Any) -> None:
    """Call a user's loss on three tokens, so that a slip shows now and not at the first step."""
    import inspect

    import torch

    expected = "expected function(logits, labels, *, parameter=number, ...) that returns one loss a label"
    logits = torch.linspace(-1, 1, 15).reshape(3, 5).requires_grad_()
    try:
        keywords = inspect.signature(function).parameters
        place = {key: torch.ones(3, dtype=torch.long) for key in ("position", "length") if key in keywords}
        losses = function(logits, torch.tensor([0, 3, 4]), **place)
    except Exception as error:  # a user's code
        raise DiversityEvalError(
            f"loss {name}: fails on an example ({type(error).__name__}: {error}); {expected}"
        ) from None
    if not isinstance(losses, torch.Tensor) or losses.shape != (3,) or not losses.is_floating_point():
        found = tuple(losses.shape) if isinstance(losses, torch.Tensor) else type(losses).__name__
        raise DiversityEvalError(f"loss {name}: returns {found} for 3 labels; {expected}")


def _wrong(name: str, value: Any, expected: str, where: str) -> DiversityEvalError:
    return DiversityEvalError(f"{where}: {name} = {value!r}: expected {expected}")
