"""What the losses and their gradients are, written from their definitions and not from the package's code.

`value`, `gradient` and the scalings: for one token, in NumPy's extended precision. `naive`: as on paper, with
probabilities, in PyTorch and float64, for autograd to differentiate.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike

NAMES = ("ce", "focal", "gem", "pr", "tofu")
DEFAULTS: dict[str, dict[str, Any]] = {
    "ce": {},
    "focal": {"gamma": 3.0},
    "gem": {"beta": 0.7},
    "pr": {"lam": 0.1, "alpha": 1e-5},
    "tofu": {"gamma": 3.0, "beta": 0.8},
}
# pr's defaults let almost no token of a short response count
TELLING: dict[str, dict[str, Any]] = {**DEFAULTS, "pr": {"lam": 0.6, "alpha": 0.3}}

Place = tuple[int, int]


def log_softmax(logits: ArrayLike) -> np.ndarray:
    z = np.asarray(logits, dtype=np.longdouble)
    z = z - z.max()
    return np.asarray(z - np.log(np.exp(z).sum()))


def focal_g(log_p: Any, gamma: float) -> Any:
    log_p = np.longdouble(log_p)
    if gamma == 0:
        return np.longdouble(1)
    p, rest = np.exp(log_p), -np.expm1(log_p)
    if rest == 0:
        return np.longdouble(0)
    return rest**gamma - gamma * p * rest ** (gamma - 1) * log_p


def pr_w(log_p: Any, lam: float, alpha: float, place: Place) -> Any:
    log_p, base = np.longdouble(log_p), np.longdouble(lam)
    position, length = place
    t = base ** (np.longdouble(1) / length)
    delta = alpha * t / (1 - (1 - np.longdouble(alpha)) * t)
    if delta == 0 or log_p > np.log(delta):
        return np.longdouble(0)
    p = np.exp(log_p)
    share = p / (alpha + (1 - alpha) * p)
    return base ** (np.longdouble(position - 1) / length) * share


def scaling(name: str, log_p: Any, params: Mapping[str, float], place: Place) -> Any:
    """What the gradient of CE, at the loss's temperature, is multiplied by."""
    if name in ("focal", "tofu"):
        return focal_g(log_p, params["gamma"])
    if name == "pr":
        return pr_w(log_p, params["lam"], params["alpha"], place)
    return np.longdouble(1)


def value(
    name: str, logits: ArrayLike, label: int, params: Mapping[str, float], place: Place = (1, 1)
) -> float:
    log_p = log_softmax(logits)
    own = log_p[label]
    if name == "ce":
        return float(-own)
    if name == "focal":
        return float(-((-np.expm1(own)) ** np.longdouble(params["gamma"])) * own)
    if name == "pr":
        return float(-pr_w(own, params["lam"], params["alpha"], place) * own)
    tempered = log_softmax(np.asarray(logits, dtype=np.longdouble) / params["beta"])
    if name == "gem":
        return float(-own + (np.exp(tempered) * log_p).sum())
    return float(-focal_g(own, params["gamma"]) * params["beta"] * tempered[label])


def gradient(
    name: str, logits: ArrayLike, label: int, params: Mapping[str, float], place: Place = (1, 1)
) -> np.ndarray:
    z = np.asarray(logits, dtype=np.longdouble)
    factor = scaling(name, log_softmax(z)[label], params, place)
    temperature = params["beta"] if name in ("gem", "tofu") else 1.0
    direction = np.exp(log_softmax(z / temperature))
    direction[label] -= 1
    return np.asarray(factor * direction, dtype=np.float64)


def naive(
    name: str, logits: torch.Tensor, labels: torch.Tensor, params: Mapping[str, float], place: list[Place]
) -> torch.Tensor:
    """Losses (n,) of float64 logits (n, vocabulary) of ordinary size."""
    assert logits.dtype == torch.float64
    p_all = torch.softmax(logits, -1)
    rows = torch.arange(len(labels))
    p = p_all[rows, labels]
    if name == "ce":
        return -torch.log(p)
    if name == "focal":
        return -((1 - p) ** params["gamma"]) * torch.log(p)
    if name == "pr":
        lam, alpha = params["lam"], params["alpha"]
        position = torch.tensor([each[0] for each in place], dtype=torch.float64)
        length = torch.tensor([each[1] for each in place], dtype=torch.float64)
        root = lam ** (1 / length)
        delta = alpha * root / (1 - (1 - alpha) * root)
        weight = lam ** ((position - 1) / length) * (p <= delta) * (p / (alpha + (1 - alpha) * p)).detach()
        return -weight * torch.log(p)
    beta = params["beta"]
    tempered = torch.softmax(logits / beta, -1)
    if name == "gem":
        return -torch.log(p) + (tempered.detach() * torch.log(p_all)).sum(-1)
    gamma = params["gamma"]
    g = ((1 - p) ** gamma - gamma * p * (1 - p) ** (gamma - 1) * torch.log(p)).detach()
    return -g * beta * torch.log(tempered[rows, labels])


def places(count: int, length: int = 7) -> list[Place]:
    """Tokens of responses of `length` tokens, one after the other."""
    return [(index % length + 1, length) for index in range(count)]


def place_tensors(name: str, place: list[Place]) -> dict[str, Any]:
    """`position` and `length`, for the loss that takes them."""
    if name != "pr":
        return {}
    return {
        "position": torch.tensor([each[0] for each in place]),
        "length": torch.tensor([each[1] for each in place]),
    }
