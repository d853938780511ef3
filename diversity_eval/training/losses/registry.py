"""The losses by name, with their parameters, defaults and limits; open to losses of a user's own."""

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from diversity_eval.errors import DiversityEvalError
from diversity_eval.training.losses import formulas
from diversity_eval.training.losses.closed_form import CLOSED_FORMS, ClosedForm

if TYPE_CHECKING:
    import torch

__all__ = [
    "IGNORED",
    "Loss",
    "check_labels",
    "check_loss",
    "gradient_scaling",
    "loss_named",
    "loss_names",
    "place_arguments",
    "register_loss",
    "token_loss",
]

IGNORED = -100
"""The label of a token that does not count."""

LossFunction = Callable[..., "torch.Tensor"]

# `lambda` is a reserved word of Python, so it travels under another name; a YAML or a dictionary may say it.
_OTHER_NAMES = {"lambda": "lam", "lambda_": "lam"}
_PLACE = ("position", "length")


@dataclass(frozen=True)
class Loss:
    """A loss: its function and what its parameters may be.

    `function(logits, labels, **parameters)` takes logits (n, vocabulary) in float32 or wider and n labels that
    all count, and returns n losses. `defaults` holds its parameters. One that `needs_place` also gets `position`
    (each token's place in its response, from 1) and `length` (the response's), n each. `check` raises
    ValueError for values that make no sense. `closed_form` is what the fused loss uses to avoid autograd.
    """

    name: str
    function: LossFunction
    defaults: Mapping[str, float]
    needs_place: bool
    check: Callable[[Mapping[str, float]], None] | None = None
    closed_form: ClosedForm | None = None

    def parameters(self, given: Mapping[str, Any]) -> dict[str, float]:
        """`given` over the defaults. Raises ValueError, which names the parameter and what was expected."""
        values = dict(self.defaults)
        for key, value in given.items():
            name = _OTHER_NAMES.get(key, key)
            if name not in values:
                known = ", ".join(_shown(each) for each in values) or "none"
                raise ValueError(f"the loss {self.name} has no parameter {key!r}; it has: {known}")
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
                raise ValueError(f"{self.name}: {_shown(name)} = {value!r}: expected a finite number")
            values[name] = float(value)
        if self.check is not None:
            self.check(values)
        return values


_LOSSES: dict[str, Loss] = {}


def register_loss(
    name: str,
    function: LossFunction | None = None,
    *,
    check: Callable[[Mapping[str, float]], None] | None = None,
) -> Any:
    """Make a loss known under `name`: to `token_loss`, to the fused loss and to the trainer.

    `function(logits, labels, *, parameter=default, ...)` gets (n, vocabulary) logits and n labels that all count,
    and returns n losses, differentiable in the logits; its keyword-only arguments with numbers as defaults are
    the loss's parameters. If it takes `position` and `length` too it gets each token's place. Usable as
    a decorator: `@register_loss("mine")`.

    Raises ValueError if the name is taken by another function or an argument has no default.
    """
    if function is None:
        return lambda decorated: register_loss(name, decorated, check=check)
    known = _LOSSES.get(name)
    if known is not None and known.function is not function:
        raise ValueError(f"there is a loss {name!r} already; choose another name")
    keywords = [
        p for p in inspect.signature(function).parameters.values() if p.kind is inspect.Parameter.KEYWORD_ONLY
    ]
    defaults: dict[str, float] = {}
    for parameter in keywords:
        if parameter.name in _PLACE:
            continue
        if isinstance(parameter.default, bool) or not isinstance(parameter.default, int | float):
            raise ValueError(f"loss {name!r}: parameter {parameter.name!r} needs a number as its default")
        defaults[parameter.name] = float(parameter.default)
    places = {p.name for p in keywords} & set(_PLACE)
    if len(places) == 1:
        raise ValueError(f"loss {name!r}: `position` and `length` come together")
    _LOSSES[name] = Loss(
        name=name,
        function=function,
        defaults=defaults,
        needs_place=bool(places),
        check=check,
        closed_form=CLOSED_FORMS.get(name) if function in _BUILT_IN.values() else None,
    )
    return function


def loss_names() -> list[str]:
    """The losses that are known."""
    return list(_LOSSES)


def loss_named(name: str) -> Loss:
    """The loss of that name. Raises ValueError, which lists the names and the likeliest one."""
    if name not in _LOSSES:
        close = get_close_matches(name, _LOSSES, n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        raise ValueError(f"there is no loss {name!r}: expected one of {', '.join(_LOSSES)}{hint}")
    return _LOSSES[name]


def check_loss(name: str, params: Mapping[str, Any]) -> dict[str, float]:
    """All parameters of a loss, `params` over its defaults.

    Raises DiversityEvalError, which names the loss or the parameter and what was expected.
    """
    try:
        return loss_named(name).parameters(params)
    except ValueError as error:
        raise DiversityEvalError(str(error)) from None


def token_loss(
    name: str,
    logits: "torch.Tensor",
    labels: "torch.Tensor",
    *,
    position: "torch.Tensor | None" = None,
    length: "torch.Tensor | None" = None,
    **params: float,
) -> "torch.Tensor":
    """The loss of each token, in nats, 0 where the label is -100.

    `logits` is (..., vocabulary) and `labels` (...), aligned: the logits that predict the label stand beside it.
    Half-precision logits are computed in float32, the result is float32 (float64 for float64). Never NaN, in value
    or gradient, for finite logits up to 1e4 in size. `pr` also takes `position` (each token's place in its
    response, from 1) and `length` (the response's), shaped as `labels`; the names and parameters of the others
    are in `loss_names()` and their functions in `formulas`.

    Raises ValueError for an unknown name or parameter, a value out of range, or shapes and labels that don't fit.
    """
    import torch

    loss = loss_named(name)
    values = loss.parameters(params)
    if logits.shape[:-1] != labels.shape:
        raise ValueError(f"labels {tuple(labels.shape)} do not fit logits {tuple(logits.shape)}")
    counts = labels != IGNORED
    chosen = labels[counts]
    check_labels(chosen, logits.shape[-1])
    place = place_arguments(loss, labels, counts, position, length)
    computed = logits[counts].to(torch.promote_types(logits.dtype, torch.float32))
    losses = loss.function(computed, chosen, **values, **place)
    # scatter, not assignment: the result stays tied to the logits even if no label counts
    return torch.zeros(labels.shape, dtype=losses.dtype, device=losses.device).masked_scatter(counts, losses)


def gradient_scaling(name: str, log_p: "torch.Tensor", **params: float) -> "torch.Tensor":
    """What a built-in loss multiplies a token's gradient p^b - onehot(y) by, as a function of log p of its label.

    `pr` takes `length` and, unless the token is the first, `position` beside its parameters. Range: see
    `focal_scaling` and `pr_weight`; 1 for `ce` and `gem`.
    """
    import torch

    place = {key: params.pop(key) for key in ("position", "length") if key in params}
    loss = loss_named(name)
    values = loss.parameters(params)
    if loss.closed_form is None:
        raise ValueError(f"{name} has no gradient of the form g (p^b - onehot)")
    position = torch.full_like(log_p, place.get("position", 1))
    length = torch.full_like(log_p, place.get("length", 1))
    return loss.closed_form.scaling(log_p, values, position, length)


def place_arguments(
    loss: Loss,
    labels: "torch.Tensor",
    counts: "torch.Tensor",
    position: "torch.Tensor | None",
    length: "torch.Tensor | None",
) -> dict[str, "torch.Tensor"]:
    """`position` and `length` of the tokens that count, for a loss that needs them; checked."""
    if not loss.needs_place:
        return {}
    if position is None or length is None:
        raise ValueError(
            f"the loss {loss.name} needs `position` and `length`: each token's place in its response"
        )
    if position.shape != labels.shape or length.shape != labels.shape:
        raise ValueError(
            f"position {tuple(position.shape)} and length {tuple(length.shape)} do not fit labels "
            f"{tuple(labels.shape)}"
        )
    position, length = position[counts], length[counts]
    if bool(((position < 1) | (position > length)).any()):
        raise ValueError("a token's position goes from 1 to the length of its response")
    return {"position": position, "length": length}


def check_labels(labels: "torch.Tensor", vocabulary: int) -> None:
    """Raise ValueError for a label outside the vocabulary, which indexing would take from elsewhere."""
    if labels.is_floating_point() or labels.dtype.is_complex:
        raise ValueError(f"labels are {labels.dtype}; expected token ids")
    if labels.numel() and (int(labels.min()) < 0 or int(labels.max()) >= vocabulary):
        raise ValueError(
            f"labels go from {int(labels.min())} to {int(labels.max())}; expected {IGNORED}, or 0 to {vocabulary - 1}"
        )


def _shown(name: str) -> str:
    return "lambda" if name == "lam" else name


def _gamma(values: Mapping[str, float]) -> None:
    if values["gamma"] < 0:
        raise ValueError(f"gamma = {values['gamma']:g}: expected 0 or more")


def _beta(values: Mapping[str, float]) -> None:
    if values["beta"] <= 0:
        raise ValueError(f"beta = {values['beta']:g}: expected more than 0")


def _gamma_and_beta(values: Mapping[str, float]) -> None:
    _gamma(values)
    _beta(values)


def _lambda_and_alpha(values: Mapping[str, float]) -> None:
    lam, alpha = values["lam"], values["alpha"]
    if lam <= 0:
        raise ValueError(f"lambda = {lam:g}: expected more than 0")
    if not 0 <= alpha <= 1:
        raise ValueError(f"alpha = {alpha:g}: expected 0 to 1")
    # 1 - (1 - alpha) lambda^(1/L) must be above 0; for a lambda above 1 it is smallest at L = 1, and below 1 it always is
    if (1 - alpha) * lam >= 1:
        raise ValueError(
            f"lambda = {lam:g} and alpha = {alpha:g} leave the threshold delta undefined: "
            "(1 - alpha) lambda must be below 1"
        )


_BUILT_IN: dict[str, LossFunction] = {
    "ce": formulas.cross_entropy,
    "focal": formulas.focal,
    "gem": formulas.gem,
    "pr": formulas.pr,
    "tofu": formulas.tofu,
}
_CHECKS = {"focal": _gamma, "gem": _beta, "pr": _lambda_and_alpha, "tofu": _gamma_and_beta}

for _name, _function in _BUILT_IN.items():
    register_loss(_name, _function, check=_CHECKS.get(_name))
