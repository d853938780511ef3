"""The output layer and the loss in one: chunk by chunk, the logits of all tokens never held at once."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from diversity_eval.training.losses.chunked import Head, Job, Wanted, compute
from diversity_eval.training.losses.per_token import check_labels, place_arguments
from diversity_eval.training.losses.registry import IGNORED, loss_named

if TYPE_CHECKING:
    import torch

__all__ = ["LossStatistics", "fused_linear_loss", "fused_linear_loss_parts"]


@dataclass(frozen=True)
class LossStatistics:
    """What a batch's tokens were like, summed over the `tokens` that count; without gradient.

    `p_label` sums the probability of the label, `entropy` (in nats; None if it was not asked for) that of the
    output distribution, both at temperature 1. Tensors of no dimension, so that reading them can wait.
    """

    tokens: "torch.Tensor"
    p_label: "torch.Tensor"
    entropy: "torch.Tensor | None"


def fused_linear_loss(
    name: str,
    hidden: "torch.Tensor",
    weight: "torch.Tensor",
    labels: "torch.Tensor",
    *,
    bias: "torch.Tensor | None" = None,
    num_items: "torch.Tensor | float | None" = None,
    position: "torch.Tensor | None" = None,
    length: "torch.Tensor | None" = None,
    softcap: float | None = None,
    logit_scale: float = 1.0,
    chunk_rows: int | None = None,
    **params: float,
) -> "torch.Tensor":
    """The loss `name` of `hidden @ weight.T + bias`, summed over the tokens that count, over `num_items`.

    `hidden` is (..., size), `weight` (vocabulary, size), `labels` (...), aligned with `hidden`, -100
    where a token does not count; `num_items` is the number of tokens that count if it is None.
    `logit_scale` multiplies the logits, `softcap` c then makes them c tanh(z / c) (Gemma 2). Returns a
    float32 scalar in nats (float64 for float64). The matrix products are in the dtype of `hidden` (under
    autocast, in its dtype), as a model's own would be, the loss in float32. Equal to `token_loss` on the
    full logits but for the order of summation.

    Gradients go to `hidden`, and to `weight` and `bias` if they require them. Extra memory: that of the
    gradients (of `hidden` twice in float16), of `weight` in the dtype of the products if it has another,
    and the logits of `chunk_rows` tokens two or three times; apart from the gradients it does not grow
    with the number of tokens. A batch without a token that counts gives 0, tied to the graph.
    Differentiable once.

    Raises ValueError as `token_loss` does, and for a `num_items`, `softcap` or `chunk_rows` that is not
    above 0.
    """
    loss, _ = fused_linear_loss_parts(
        name,
        hidden,
        weight,
        labels,
        bias=bias,
        num_items=num_items,
        position=position,
        length=length,
        softcap=softcap,
        logit_scale=logit_scale,
        chunk_rows=chunk_rows,
        entropy=False,
        **params,
    )
    return loss


def fused_linear_loss_parts(
    name: str,
    hidden: "torch.Tensor",
    weight: "torch.Tensor",
    labels: "torch.Tensor",
    *,
    bias: "torch.Tensor | None" = None,
    num_items: "torch.Tensor | float | None" = None,
    position: "torch.Tensor | None" = None,
    length: "torch.Tensor | None" = None,
    softcap: float | None = None,
    logit_scale: float = 1.0,
    chunk_rows: int | None = None,
    entropy: bool = False,
    **params: float,
) -> "tuple[torch.Tensor, LossStatistics]":
    """`fused_linear_loss`, and what the tokens were like; with `entropy`, their output entropy too."""
    import torch

    loss = loss_named(name)
    values = loss.parameters(params)
    if hidden.shape[:-1] != labels.shape:
        raise ValueError(f"labels {tuple(labels.shape)} do not fit hidden states {tuple(hidden.shape)}")
    if weight.dim() != 2 or weight.shape[1] != hidden.shape[-1]:
        raise ValueError(f"weight {tuple(weight.shape)} does not fit hidden states {tuple(hidden.shape)}")
    if bias is not None and bias.shape != weight.shape[:1]:
        raise ValueError(f"bias {tuple(bias.shape)} does not fit weight {tuple(weight.shape)}")
    if softcap is not None and not 0 < softcap < math.inf:
        raise ValueError(f"softcap = {softcap!r}: expected more than 0")
    if not math.isfinite(logit_scale):
        raise ValueError(f"logit_scale = {logit_scale!r}: expected a finite number")
    if chunk_rows is not None and chunk_rows < 1:
        raise ValueError(f"chunk_rows = {chunk_rows}: expected 1 or more")
    if labels.dim() == 0:  # a single token
        hidden, labels = hidden.unsqueeze(0), labels.unsqueeze(0)
        position, length = (each if each is None else each.reshape(1) for each in (position, length))
    counts = labels != IGNORED
    chosen = check_labels(labels[counts], weight.shape[0])
    job = Job(
        loss=loss,
        values=values,
        labels=chosen,
        index=counts.nonzero(as_tuple=True),
        place=place_arguments(loss, labels, counts, position, length),
        head=Head(softcap, logit_scale, _product_dtype(hidden), chunk_rows),
        entropy=entropy,
        items=_items(num_items, chosen.numel()),
    )
    # Inside a function's forward, nothing says whether gradients are wanted at all.
    mean, p_label, entropies = _function().apply(hidden, weight, bias, job, torch.is_grad_enabled())
    tokens = torch.tensor(chosen.numel(), device=labels.device)
    return mean, LossStatistics(tokens, p_label, entropies if entropy else None)


_FUNCTION: Any = None


def _function() -> Any:
    """The autograd function; made at its first use, since a class needs its base and torch loads late."""
    global _FUNCTION
    if _FUNCTION is not None:
        return _FUNCTION
    import torch

    class FusedLinearLoss(torch.autograd.Function):
        """Computes the gradients with the loss, and hands them out in backward."""

        @staticmethod
        def forward(ctx: Any, hidden: Any, weight: Any, bias: Any, job: Job, graph: bool) -> Any:
            hidden_wanted, weight_wanted, bias_wanted = (graph and each for each in ctx.needs_input_grad[:3])
            with torch.autocast(hidden.device.type, enabled=False):
                results = compute(
                    hidden, weight, bias, job, Wanted(hidden_wanted, weight_wanted, bias_wanted)
                )
            ctx.save_for_backward(results.hidden, results.weight, results.bias)
            ctx.hidden_divisor = results.hidden_divisor
            ctx.mark_non_differentiable(results.p_label, results.entropy)
            return results.loss / job.items, results.p_label, results.entropy

        @staticmethod
        def backward(ctx: Any, grad: Any, *_: Any) -> Any:
            if torch.is_grad_enabled():  # that is, with create_graph=True
                raise RuntimeError("the fused loss has no second derivative; take token_loss of the logits")
            hidden, weight, bias = ctx.saved_tensors
            return (
                _times(hidden, grad / ctx.hidden_divisor),
                _times(weight, grad),
                _times(bias, grad),
                None,
                None,
            )

    _FUNCTION = FusedLinearLoss
    return _FUNCTION


def _times(gradient: "torch.Tensor | None", factor: "torch.Tensor") -> "torch.Tensor | None":
    """`gradient` x `factor`; no copy where the factor is 1, as it is unless somebody scales the loss."""
    if gradient is None or bool(factor == 1):
        return gradient
    # The factor stays in float32: a loss scale of 65,536 is beyond float16.
    return gradient * factor


def _product_dtype(hidden: "torch.Tensor") -> "torch.dtype":
    import torch

    kind = hidden.device.type
    if torch.is_autocast_enabled(kind) and hidden.dtype != torch.float64:
        return torch.get_autocast_dtype(kind)
    return hidden.dtype


def _items(given: "torch.Tensor | float | None", counted: int) -> float:
    """What the sum is divided by. Without a token that counts the sum is 0, whatever it is divided by."""
    if counted == 0:
        return 1.0
    if given is None:
        return float(counted)
    try:
        items = float(given)
    except (TypeError, ValueError, RuntimeError):
        raise ValueError(f"num_items = {given!r}: expected one number") from None
    if not 0 < items < math.inf:
        raise ValueError(f"num_items = {items:g}: expected more than 0, since {counted} tokens count")
    return items
