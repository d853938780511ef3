"""The five losses in float64, token by token, written from their formulas and nothing of the package's."""

import math

import torch

__all__ = ["DEFAULTS", "reference_loss"]

DEFAULTS: dict[str, dict[str, float]] = {
    "ce": {},
    "focal": {"gamma": 3.0},
    "gem": {"beta": 0.7},
    "pr": {"lambda": 0.1, "alpha": 1e-5},
    "tofu": {"gamma": 3.0, "beta": 0.8},
}


def reference_loss(
    name: str, logits: torch.Tensor, labels: torch.Tensor, items: float | None = None, **given: float
) -> torch.Tensor:
    """The mean loss of unshifted `labels` (rows, length), by `items` if given; a response is a run."""
    values = {**DEFAULTS[name], **given}
    total = logits.new_zeros((), dtype=torch.float64)
    count = 0
    for row in range(labels.shape[0]):
        for start, end in _responses(labels[row].tolist()):
            for place in range(start, end):
                z = logits[row, place - 1].double()
                total = total + _one(name, z, int(labels[row, place]), place - start + 1, end - start, values)
                count += 1
    return total / (count if items is None else items)


def _one(
    name: str, z: torch.Tensor, y: int, position: int, length: int, values: dict[str, float]
) -> torch.Tensor:
    log_p: torch.Tensor = z - z.logsumexp(0)
    p = log_p[y].exp().item()
    gamma, beta = values.get("gamma", 0.0), values.get("beta", 1.0)
    log_p_tempered = z / beta - (z / beta).logsumexp(0)
    if name == "ce":
        return -log_p[y]
    if name == "focal":
        return -torch.pow(1 - log_p[y].exp(), gamma) * log_p[y]
    if name == "gem":
        return -log_p[y] + (log_p_tempered.exp().detach() * log_p).sum()
    if name == "pr":
        lam, alpha = values["lambda"], values["alpha"]
        root = lam ** (1 / length)
        threshold = alpha * root / (1 - (1 - alpha) * root)
        weight: float = lam ** ((position - 1) / length) * (p <= threshold) * p / (alpha + (1 - alpha) * p)
        return -weight * log_p[y]
    scaling: float = (1 - p) ** gamma - gamma * p * (1 - p) ** (gamma - 1) * math.log(p)
    return -scaling * beta * log_p_tempered[y]


def _responses(labels: list[int]) -> list[tuple[int, int]]:
    found, start = [], None
    for place, label in enumerate([*labels, -100]):
        if label != -100 and start is None:
            start = place
        elif label == -100 and start is not None:
            found.append((start, place))
            start = None
    return found
