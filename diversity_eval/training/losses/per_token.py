"""The plain losses, on logits that are there: one number a token."""

from typing import TYPE_CHECKING

from diversity_eval.training.losses.registry import IGNORED, Loss, loss_named

if TYPE_CHECKING:
    import torch

__all__ = ["check_labels", "gradient_scaling", "place_arguments", "token_loss"]


def token_loss(
    name: str,
    logits: "torch.Tensor",
    labels: "torch.Tensor",
    *,
    position: "torch.Tensor | None" = None,
    length: "torch.Tensor | None" = None,
    **params: float,
) -> "torch.Tensor":
    """The loss of each token, in nats, 0 where the label is -100.

    `logits` is (..., vocabulary) and `labels` (...), aligned: the logits that predict the label stand
    beside it. Half-precision logits are computed in float32, the result is float32 (float64 for float64).
    Never NaN, in value or gradient, for finite logits up to 1e4 in size. `pr` also takes `position` (each
    token's place in its response, from 1) and `length` (the response's), shaped as `labels`; the names
    and parameters of the others are in `loss_names()` and their functions in `formulas`.

    Raises ValueError for an unknown name or parameter, a value out of range, or shapes and labels that
    don't fit.
    """
    import torch

    loss = loss_named(name)
    values = loss.parameters(params)
    if logits.shape[:-1] != labels.shape:
        raise ValueError(f"labels {tuple(labels.shape)} do not fit logits {tuple(logits.shape)}")
    counts = labels != IGNORED
    chosen = check_labels(labels[counts], logits.shape[-1])
    place = place_arguments(loss, labels, counts, position, length)
    computed = logits[counts].to(torch.promote_types(logits.dtype, torch.float32))
    losses = loss.losses(computed, chosen, values, place)
    # scatter, not assignment: the result stays tied to the logits even if no label counts
    return torch.zeros(labels.shape, dtype=losses.dtype, device=losses.device).masked_scatter(counts, losses)


def gradient_scaling(name: str, log_p: "torch.Tensor", **params: float) -> "torch.Tensor":
    """What a built-in loss multiplies a token's gradient p^b - onehot(y) by, from log p of its label.

    `pr` takes numbers `position` and `length` beside its parameters; without them, the only token of its
    response. Range: see `focal_scaling` and `pr_weight`; 1 for `ce` and `gem`.

    Raises ValueError for an unknown loss or parameter, or a loss whose gradient is not of that form.
    """
    import torch

    position, length = params.pop("position", 1), params.pop("length", 1)
    loss = loss_named(name)
    values = loss.parameters(params)
    if loss.closed_form is None:
        raise ValueError(f"{name} has no gradient of the form g (p^b - onehot)")
    if not 1 <= position <= length:
        raise ValueError(f"position = {position}, length = {length}: a position goes from 1 to the length")
    return loss.closed_form.scaling(
        log_p, values, torch.full_like(log_p, position), torch.full_like(log_p, length)
    )


def place_arguments(
    loss: Loss,
    labels: "torch.Tensor",
    counts: "torch.Tensor",
    position: "torch.Tensor | None",
    length: "torch.Tensor | None",
) -> dict[str, "torch.Tensor"]:
    """`position` and `length` of the tokens that count, for a loss that needs them; checked."""
    if not loss.needs_place:
        return {}
    if position is None or length is None:
        raise ValueError(
            f"the loss {loss.name} needs `position` and `length`: each token's place in its response"
        )
    if position.shape != labels.shape or length.shape != labels.shape:
        raise ValueError(
            f"position {tuple(position.shape)} and length {tuple(length.shape)} do not fit labels "
            f"{tuple(labels.shape)}"
        )
    position, length = position[counts], length[counts]
    if bool(((position < 1) | (position > length)).any()):
        raise ValueError("a token's position goes from 1 to the length of its response")
    return {"position": position, "length": length}


def check_labels(labels: "torch.Tensor", vocabulary: int) -> "torch.Tensor":
    """`labels` as integers of 64 bits, which indexing needs.

    Raises ValueError for one outside the vocabulary, which indexing would take from elsewhere.
    """
    import torch

    if labels.dtype == torch.bool or labels.is_floating_point() or labels.is_complex():
        raise ValueError(f"labels are {labels.dtype}; expected token ids")
    labels = labels.long()
    if labels.numel() and (int(labels.min()) < 0 or int(labels.max()) >= vocabulary):
        raise ValueError(
            f"labels go from {int(labels.min())} to {int(labels.max())}; "
            f"expected {IGNORED}, or 0 to {vocabulary - 1}"
        )
    return labels
