"""Hidden states, an output layer and labels, and the plain way from them to a loss."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch

from diversity_eval.training.losses import token_loss
from tests.training.losses import references

OWN = "focal of ones own"
NAMES = (*references.NAMES, OWN)


def focal_of_ones_own(logits: torch.Tensor, labels: torch.Tensor, *, power: float = 2.0) -> torch.Tensor:
    log_p = logits.log_softmax(-1).gather(-1, labels.unsqueeze(-1)).squeeze(-1)
    return -((1 - log_p.exp()) ** power) * log_p + 0.01 * logits.square().mean(-1)


@dataclass
class Batch:
    """One loss, and what it is computed from. All that takes a gradient is a leaf."""

    name: str
    hidden: torch.Tensor
    weight: torch.Tensor
    labels: torch.Tensor
    bias: torch.Tensor | None = None
    place: dict[str, Any] = field(default_factory=dict)
    params: dict[str, Any] = field(default_factory=dict)

    def leaves(self) -> list[torch.Tensor]:
        found = [self.hidden, self.weight, *([] if self.bias is None else [self.bias])]
        return [each for each in found if each.requires_grad]

    def to(self, dtype: torch.dtype) -> "Batch":
        """The same numbers in another dtype."""

        def moved(tensor: torch.Tensor) -> torch.Tensor:
            return tensor.detach().to(dtype).requires_grad_(tensor.requires_grad)

        bias = None if self.bias is None else moved(self.bias)
        return Batch(
            self.name, moved(self.hidden), moved(self.weight), self.labels, bias, self.place, self.params
        )

    def arguments(self) -> dict[str, Any]:
        return {"bias": self.bias, **self.place, **self.params}


def batch(
    name: str,
    *,
    tokens: int = 37,
    size: int = 24,
    vocabulary: int = 211,
    train_head: bool = False,
    bias: bool = False,
    ignored: float = 0.25,
    spread: float = 2.0,
    seed: int = 0,
    dtype: torch.dtype = torch.float32,
) -> Batch:
    """Logits of about `spread`, and labels of which a share is -100; some of them the likeliest token."""
    generator = torch.Generator().manual_seed(seed)
    hidden = torch.randn(tokens, size, generator=generator)
    weight = torch.randn(vocabulary, size, generator=generator) * (spread / size**0.5)
    labels = torch.randint(vocabulary, (tokens,), generator=generator)
    likeliest = (hidden @ weight.T).argmax(1)
    labels = torch.where(torch.arange(tokens) % 3 == 0, likeliest, labels)
    labels[torch.rand(tokens, generator=generator) < ignored] = -100
    known = name in references.NAMES
    made = Batch(
        name,
        hidden.requires_grad_(),
        weight.requires_grad_(train_head),
        labels,
        torch.randn(vocabulary, generator=generator).requires_grad_(train_head) if bias else None,
        references.place_tensors(name, references.places(tokens)),
        dict(references.TELLING[name]) if known else {},
    )
    return made.to(dtype)


def plain_losses(batch: Batch, *, softcap: float | None = None, logit_scale: float = 1.0) -> torch.Tensor:
    """All logits, then all losses."""
    logits = torch.nn.functional.linear(batch.hidden, batch.weight, batch.bias)
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32)) * logit_scale
    if softcap is not None:
        logits = softcap * torch.tanh(logits / softcap)
    return token_loss(batch.name, logits, batch.labels, **batch.place, **batch.params)


def plain(
    batch: Batch,
    *,
    num_items: float | None = None,
    losses: Callable[[torch.Tensor], torch.Tensor] = torch.clone,
    **head: Any,
) -> torch.Tensor:
    """The definition: the sum of the losses, or of a function of them, by the number of tokens that count."""
    items = int((batch.labels != -100).sum()) if num_items is None else num_items
    return losses(plain_losses(batch, **head)).sum() / items


def distance(found: torch.Tensor | None, expected: torch.Tensor | None) -> float:
    """Relative, in the Frobenius norm."""
    assert found is not None
    assert expected is not None
    assert found.shape == expected.shape
    norm = torch.linalg.vector_norm(expected.double())
    return float(torch.linalg.vector_norm(found.double() - expected.double()) / norm)
