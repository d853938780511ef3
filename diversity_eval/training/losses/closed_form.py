"""What the fused loss needs of a loss whose gradient is known: no autograd, one pass over the logits."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from diversity_eval.training.losses.scaling import focal_scaling, focal_weight, pr_weight

if TYPE_CHECKING:
    import torch

__all__ = ["CLOSED_FORMS", "ClosedForm", "Terms"]

Values = Mapping[str, float]


@dataclass(frozen=True)
class Terms:
    """What is known of each of n tokens once its logits were read: all (n,), in nats.

    `log_p` is log p_y; `log_p_tempered` log p^b_y; `expected_log_p` the sum over the vocabulary of p^b
    log p, only for a loss that asks for it.
    """

    log_p: "torch.Tensor"
    log_p_tempered: "torch.Tensor"
    expected_log_p: "torch.Tensor | None"


@dataclass(frozen=True)
class ClosedForm:
    """A loss whose gradient is scaling x (softmax(z / temperature) - onehot(y)).

    `scaling` takes log p_y, the parameters, and the tokens' places and lengths; `value` the terms, the
    scaling and the parameters.
    """

    scaling: "Callable[[torch.Tensor, Values, torch.Tensor | None, torch.Tensor | None], torch.Tensor]"
    value: "Callable[[Terms, torch.Tensor, Values], torch.Tensor]"
    tempered: bool = False
    expects_log_p: bool = False

    def temperature(self, values: Values) -> float:
        """The temperature of the softmax in the gradient."""
        return values["beta"] if self.tempered else 1.0


def _one(
    log_p: "torch.Tensor", values: Values, position: "torch.Tensor | None", length: "torch.Tensor | None"
) -> "torch.Tensor":
    return log_p.new_ones(log_p.shape)


def _focal(
    log_p: "torch.Tensor", values: Values, position: "torch.Tensor | None", length: "torch.Tensor | None"
) -> "torch.Tensor":
    return focal_scaling(log_p, values["gamma"])


def _pr(
    log_p: "torch.Tensor", values: Values, position: "torch.Tensor | None", length: "torch.Tensor | None"
) -> "torch.Tensor":
    assert position is not None  # the registry asks for them
    assert length is not None
    return pr_weight(log_p, values["lam"], values["alpha"], position, length)


def _weighted(terms: Terms, scaling: "torch.Tensor", values: Values) -> "torch.Tensor":
    return -scaling * terms.log_p


def _focal_value(terms: Terms, scaling: "torch.Tensor", values: Values) -> "torch.Tensor":
    return -focal_weight(terms.log_p, values["gamma"]) * terms.log_p


def _gem_value(terms: Terms, scaling: "torch.Tensor", values: Values) -> "torch.Tensor":
    assert terms.expected_log_p is not None
    return terms.expected_log_p - terms.log_p


def _tofu_value(terms: Terms, scaling: "torch.Tensor", values: Values) -> "torch.Tensor":
    return -scaling * values["beta"] * terms.log_p_tempered


CLOSED_FORMS = {
    "ce": ClosedForm(_one, _weighted),
    "focal": ClosedForm(_focal, _focal_value),
    "gem": ClosedForm(_one, _gem_value, tempered=True, expects_log_p=True),
    "pr": ClosedForm(_pr, _weighted),
    "tofu": ClosedForm(_focal, _tofu_value, tempered=True),
}
