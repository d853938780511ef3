"""How much a token counts: the factors that the losses put before a cross entropy's gradient.

All of them take log-probabilities. A probability itself underflows to 0 where a token is confidently
wrong, and rounds to 1 where it is confidently right; its logarithm does neither.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

__all__ = ["focal_scaling", "focal_weight", "pr_weight"]


def focal_weight(log_p: "torch.Tensor", gamma: float) -> "torch.Tensor":
    """(1 - p)^gamma of the focal loss, from log p; 0 to 1, falling with p (paper, eq. 5).

    Differentiable at p = 1 too, where (1 - p)^(gamma - 1) is infinite for gamma below 1.
    """
    return _other_mass(log_p) ** gamma


def focal_scaling(log_p: "torch.Tensor", gamma: float) -> "torch.Tensor":
    """g(p, gamma) = (1 - p)^gamma - gamma p (1 - p)^(gamma - 1) log p, from log p (paper, eq. 7).

    What the focal loss and TOFU multiply a token's gradient by: 1 at p = 0; 0 at p = 1 unless gamma is 0; its
    peak lies between, above 1. At least 0.
    """
    other = _other_mass(log_p)
    return other**gamma - gamma * log_p.exp() * other ** (gamma - 1) * log_p


def pr_weight(
    log_p: "torch.Tensor",
    lam: float,
    alpha: float,
    position: "torch.Tensor",
    length: "torch.Tensor",
) -> "torch.Tensor":
    """The weight of lambda-PR from log p, the token's place and the response's length (paper, eq. 4).

    w = lambda^((l-1)/L) [p <= delta] p / (alpha + (1 - alpha) p), delta = alpha t / (1 - (1 - alpha) t) with
    t = lambda^(1/L), l from 1 to L. At least 0; 0 for every token that is likelier than delta.
    """
    import math

    import torch

    length = length.to(log_p.dtype)
    log_t = math.log(lam) / length
    t = log_t.exp()
    # 1 - (1 - alpha) t without the cancellation: t is near 1 in a long response.
    delta = alpha * t / (alpha * t - torch.expm1(log_t))
    decay = ((position.to(log_p.dtype) - 1) * log_t).exp()
    # p / (alpha + (1 - alpha) p) = 1 / (alpha / p + 1 - alpha), which at alpha = 0 is 1 however small p is.
    log_alpha = math.log(alpha) if alpha > 0 else -math.inf
    ratio = 1 / ((log_alpha - log_p).exp() + (1 - alpha))
    return decay * ratio * (log_p <= delta.log())


def _other_mass(log_p: "torch.Tensor") -> "torch.Tensor":
    """1 - p without cancellation, kept off 0, below which its powers and their gradients are not finite."""
    import torch

    return (-torch.expm1(log_p)).clamp_min(torch.finfo(log_p.dtype).tiny)
