"""Where in its response each token stands."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

__all__ = ["response_places"]


def response_places(labels: "torch.Tensor", ignored: int = -100) -> tuple["torch.Tensor", "torch.Tensor"]:
    """Each counting token's place in its response, from 1, and the response's length, shaped as `labels`.

    `labels` is (rows, length) and not shifted. A response is a run of labels that count: that is so for one
    response a row, for several turns, and for packed rows, since each response follows its prompt. Where
    the label is `ignored` both are 1, which no loss looks at.
    """
    import torch

    counts = labels != ignored
    first = counts.clone()
    first[:, 1:] &= ~counts[:, :-1]
    run = first.cumsum(1)  # 0 before the first response of a row
    rows, width = labels.shape
    key = run + torch.arange(rows, device=labels.device).unsqueeze(1) * (width + 1)
    sizes = torch.zeros(rows * (width + 1), dtype=torch.long, device=labels.device)
    sizes.scatter_add_(0, key.flatten(), counts.flatten().long())
    length = sizes[key]
    index = torch.arange(width, device=labels.device).expand(rows, width)
    start = torch.where(first, index, torch.zeros_like(index)).cummax(1).values
    ones = torch.ones_like(index)
    return torch.where(counts, index - start + 1, ones), torch.where(counts, length, ones)
