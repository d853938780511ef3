"""A training loss in words and as a formula, for cards."""

from collections.abc import Mapping
from typing import Any

from diversity_eval.errors import DiversityEvalError
from diversity_eval.training.checkpoints.markdown import code, text

__all__ = ["formula", "loss_parameters", "loss_words"]

_NAMES = {"ce": "cross-entropy", "focal": "the focal loss", "gem": "GEM", "pr": "λ-PR", "tofu": "TOFU"}
# Per token: p of its label, p^b of it at temperature beta; det: no gradient flows.
_FORMULAS = {
    "ce": "-log p",
    "focal": "-(1 - p)^gamma log p",
    "gem": "-log p + sum over the vocabulary of det(p^b_v) log p_v",
    "pr": "-w log p, w = lambda^((l - 1) / L) [p <= delta] det(p / (alpha + (1 - alpha) p)), "
    "delta = alpha lambda^(1 / L) / (1 - (1 - alpha) lambda^(1 / L))",
    "tofu": "-det(g) beta log p^b, g = (1 - p)^gamma - gamma p (1 - p)^(gamma - 1) log p",
}


def loss_parameters(settings: Mapping[str, Any]) -> dict[str, float]:
    """All parameters of the loss, defaults included; of a loss that is not known here those that were
    given.
    """
    from diversity_eval.training.losses import check_loss

    given = settings.get("loss_parameters")
    given = dict(given) if isinstance(given, Mapping) else {}
    try:
        found = check_loss(str(settings.get("loss")), given)
    except DiversityEvalError:
        found = given
    return {("lambda" if name == "lam" else str(name)): value for name, value in found.items()}


def loss_words(settings: Mapping[str, Any]) -> str:
    """The loss by its name with its parameters, in Markdown."""
    name = str(settings.get("loss"))
    parameters = ", ".join(f"{code(key)} {text(value)}" for key, value in loss_parameters(settings).items())
    return f"{_NAMES.get(name) or f'the loss {code(name)}'}{f' ({parameters})' if parameters else ''}"


def formula(name: str) -> str | None:
    """The loss of one token; None for one that a user defined."""
    return _FORMULAS.get(name)
