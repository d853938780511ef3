"""The losses under comparison: per token, and fused with the output layer in bounded memory."""

from diversity_eval.training.losses.fused import LossStatistics, fused_linear_loss, fused_linear_loss_parts
from diversity_eval.training.losses.per_token import gradient_scaling, token_loss
from diversity_eval.training.losses.place import response_places
from diversity_eval.training.losses.registry import (
    IGNORED,
    Loss,
    check_loss,
    loss_named,
    loss_names,
    register_loss,
)

__all__ = [
    "IGNORED",
    "Loss",
    "LossStatistics",
    "check_loss",
    "fused_linear_loss",
    "fused_linear_loss_parts",
    "gradient_scaling",
    "loss_named",
    "loss_names",
    "register_loss",
    "response_places",
    "token_loss",
]
