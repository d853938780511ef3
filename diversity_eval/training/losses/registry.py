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
    "check_loss",
    "loss_named",
    "loss_names",
    "register_loss",
]

IGNORED = -100
"""The label of a token that does not count."""

LossFunction = Callable[..., "torch.Tensor"]

# `lambda` is a reserved word of Python, so it travels under another name; a YAML or a dictionary may say it.
_OTHER_NAMES = {"lambda": "lam", "lambda_": "lam"}
_PLACE = ("position", "length")
# arguments of `token_loss` and the fused loss, between which a parameter of that name would be lost
_TAKEN = frozenset(
    (
        "name", "logits", "hidden", "weight", "labels", "bias", "num_items",
        "softcap", "logit_scale", "chunk_rows", "entropy",
    )
)  # fmt: skip


@dataclass(frozen=True)
class Loss:
    """A loss: its function and what its parameters may be.

    `function(logits, labels, **parameters)` takes logits (n, vocabulary) in float32 or wider and n labels
    that all count, and returns n losses. `defaults` holds its parameters. One that `needs_place` also
    gets `position` (each token's place in its response, from 1) and `length` (the response's), n each.
    `check` raises ValueError for values that make no sense. `closed_form` is what the fused loss uses to
    avoid autograd.
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
        seen = set()
        for key, value in given.items():
            name = key if key in values else _OTHER_NAMES.get(key, key)
            if name not in values:
                known = ", ".join(_shown(each) for each in values) or "none"
                raise ValueError(f"the loss {self.name} has no parameter {key!r}; it has: {known}")
            if name in seen:
                raise ValueError(f"{self.name}: {_shown(name)} is given twice")
            seen.add(name)
            number = _finite(value)
            if number is None:
                raise ValueError(f"{self.name}: {_shown(name)} = {value!r}: expected a finite number")
            values[name] = number
        if self.check is not None:
            self.check(values)
        return values

    def losses(
        self,
        logits: "torch.Tensor",
        labels: "torch.Tensor",
        values: Mapping[str, float],
        place: Mapping[str, "torch.Tensor"],
    ) -> "torch.Tensor":
        """What the function returns. Raises ValueError if that is not one loss for each label."""
        losses = self.function(logits, labels, **values, **place)
        shape = getattr(losses, "shape", None)
        if shape != labels.shape:
            found = type(losses).__name__ if shape is None else tuple(shape)
            raise ValueError(
                f"the loss {self.name} returned {found} for {len(labels)} tokens: expected one each"
            )
        return losses


_LOSSES: dict[str, Loss] = {}


def register_loss(
    name: str,
    function: LossFunction | None = None,
    *,
    check: Callable[[Mapping[str, float]], None] | None = None,
) -> Any:
    """Make a loss known under `name`: to `token_loss`, to the fused loss and to the trainer.

    `function(logits, labels, *, parameter=default, ...)` gets (n, vocabulary) logits and n labels that
    all count, and returns n losses, differentiable in the logits; its keyword-only arguments with numbers
    as defaults are the loss's parameters. If it takes `position` and `length` too, keyword-only and
    without a default, it gets each token's place. Usable as a decorator: `@register_loss("mine")`.

    Raises ValueError if the name is taken by another function, or if an argument is not as said here.
    """
    if function is None:
        return lambda decorated: register_loss(name, decorated, check=check)
    known = _LOSSES.get(name)
    if known is not None and known.function is not function:
        raise ValueError(f"there is a loss {name!r} already; choose another name")
    parameters = list(inspect.signature(function).parameters.values())
    keywords = [each for each in parameters if each.kind is inspect.Parameter.KEYWORD_ONLY]
    if len(parameters) != len(keywords) + 2:
        raise ValueError(
            f"loss {name!r}: expected function(logits, labels, *, parameter=default, ...); "
            f"it is {inspect.signature(function)}"
        )
    defaults: dict[str, float] = {}
    for parameter in keywords:
        if parameter.name in _PLACE:
            continue
        default = _finite(parameter.default)
        if default is None:
            raise ValueError(f"loss {name!r}: parameter {parameter.name!r} needs a number as its default")
        if parameter.name in _TAKEN:
            raise ValueError(
                f"loss {name!r}: a parameter cannot be called {parameter.name!r}; choose another name"
            )
        defaults[parameter.name] = default
    places = {each.name for each in keywords} & set(_PLACE)
    if len(places) == 1:
        raise ValueError(f"loss {name!r}: `position` and `length` come together")
    _LOSSES[name] = Loss(
        name=name,
        function=function,
        defaults=defaults,
        needs_place=bool(places),
        check=check,
        closed_form=CLOSED_FORMS.get(name),
    )
    return function


def loss_names() -> list[str]:
    """The losses that are known."""
    return list(_LOSSES)


def loss_named(name: str) -> Loss:
    """The loss of that name. Raises ValueError, which lists the names and the likeliest one."""
    if not isinstance(name, str) or name not in _LOSSES:
        close = get_close_matches(str(name).lower(), _LOSSES, n=1)
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


def _finite(value: object) -> float | None:
    """`value` as a float, if it is a finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:  # an integer of more than 308 digits
        return None
    return number if math.isfinite(number) else None


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
    # 1 - (1 - alpha) lambda^(1/L) must be above 0. For a lambda below 1 it always is, and above 1 it is
    # smallest at L = 1.
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
