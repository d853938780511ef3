"""The losses, each a function of logits (n, vocabulary) and n labels to n losses in nats, by autograd.

z are a token's logits, y its label, p = softmax(z), p^b = softmax(z / beta), and det() lets no gradient
through. "Paper" is "Diversity in Large Language Models under Supervised Fine-Tuning"; facts about its
settings are in docs/design/training.md.
"""

from typing import TYPE_CHECKING

from diversity_eval.training.losses.scaling import focal_scaling, focal_weight, pr_weight

if TYPE_CHECKING:
    import torch

__all__ = ["cross_entropy", "focal", "gem", "pr", "tofu"]


def cross_entropy(logits: "torch.Tensor", labels: "torch.Tensor") -> "torch.Tensor":
    """-log p_y. Gradient: p - onehot(y). At least 0. Paper, section 2."""
    return -_log_p(logits, labels)


def focal(logits: "torch.Tensor", labels: "torch.Tensor", *, gamma: float = 3.0) -> "torch.Tensor":
    """-(1 - p_y)^gamma log p_y, gamma >= 0. Gradient: g(p_y, gamma) (p - onehot(y)). At least 0.

    Lin et al. 2017; paper, eq. 5 and proposition 3.2.
    """
    log_p = _log_p(logits, labels)
    return -focal_weight(log_p, gamma) * log_p


def gem(logits: "torch.Tensor", labels: "torch.Tensor", *, beta: float = 0.7) -> "torch.Tensor":
    """-log p_y + sum over the vocabulary of det(p^b) log p, beta > 0. Gradient: p^b - onehot(y).

    Any sign: it falls below 0 where the label is likelier than a draw from p^b. Li et al. 2024; paper,
    eq. 3 and theorem 3.1.
    """
    log_p = logits.log_softmax(-1)
    tempered = _tempered(logits.detach(), beta).softmax(-1)
    expected = (tempered * log_p).sum(-1)
    return expected - log_p.gather(-1, labels.unsqueeze(-1)).squeeze(-1)


def pr(
    logits: "torch.Tensor",
    labels: "torch.Tensor",
    *,
    lam: float = 0.1,
    alpha: float = 1e-5,
    position: "torch.Tensor",
    length: "torch.Tensor",
) -> "torch.Tensor":
    """-det(w) log p_y with the weight w of `pr_weight`: lambda > 0, 0 <= alpha <= 1, (1 - alpha) lambda < 1.

    Gradient: w (p - onehot(y)). At least 0; 0 for a token likelier than the threshold delta. `position`
    is the token's place in its response (from 1), `length` the response's. Verine et al. 2025; paper, eq.
    4.
    """
    log_p = _log_p(logits, labels)
    return -pr_weight(log_p.detach(), lam, alpha, position, length) * log_p


def tofu(
    logits: "torch.Tensor", labels: "torch.Tensor", *, gamma: float = 3.0, beta: float = 0.8
) -> "torch.Tensor":
    """-det(g(p_y, gamma)) beta log p^b_y, gamma >= 0, beta > 0. Gradient: g (p^b - onehot(y)). At least 0.

    g is `focal_scaling` at the untempered p_y. Paper, eq. 8 and corollary 3.5.
    """
    scaling = focal_scaling(_log_p(logits.detach(), labels), gamma)
    return -scaling * beta * _log_p(_tempered(logits, beta), labels)


def _tempered(logits: "torch.Tensor", beta: float) -> "torch.Tensor":
    """z / beta but for a constant: dividing logits of 1e4 before they are shifted costs their last digits."""
    return (logits - logits.detach().amax(-1, keepdim=True)) / beta


def _log_p(logits: "torch.Tensor", labels: "torch.Tensor") -> "torch.Tensor":
    import torch

    return -torch.nn.functional.cross_entropy(logits, labels, reduction="none")
