"""The output layer and the loss in one: gradients chunk by chunk, the logits of all tokens never held at once."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from diversity_eval.training.losses.closed_form import ClosedForm, Terms
from diversity_eval.training.losses.registry import (
    IGNORED,
    Loss,
    check_labels,
    loss_named,
    place_arguments,
)

if TYPE_CHECKING:
    import torch

__all__ = ["LossStatistics", "fused_linear_loss", "fused_linear_loss_parts"]

# Logits held at a time. On a CPU a chunk should stay in the cache; a GPU wants large matrix products.
_CHUNK_BYTES = {"cpu": 16 << 20, "cuda": 256 << 20}
_LEAST_ROWS = 16


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
    """The loss `name` of the logits `hidden @ weight.T + bias`, summed over the tokens that count, over `num_items`.

    `hidden` is (..., size), `weight` (vocabulary, size), `labels` (...), aligned with `hidden`, -100 where a token
    does not count; `num_items` is the number of tokens that count if it is None. `logit_scale` multiplies the logits,
    `softcap` c then makes them c tanh(z / c) (Gemma 2). Returns a float32 scalar in nats (float64 for float64). The
    matrix products are in the dtype of `hidden` (under autocast, in its dtype), as a model's own would be, the
    loss in float32. Equal to `token_loss` on the full logits but for the order of summation.

    Gradients go to `hidden`, and to `weight` and `bias` if they require them. Extra memory: that of the gradients,
    and of `chunk_rows` tokens' logits, two or three times; it does not grow with the number of tokens. A batch without
    a token that counts gives 0, tied to the graph. Differentiable once.

    Raises ValueError as `token_loss` does.
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
    loss = loss_named(name)
    values = loss.parameters(params)
    if hidden.shape[:-1] != labels.shape:
        raise ValueError(f"labels {tuple(labels.shape)} do not fit hidden states {tuple(hidden.shape)}")
    if weight.dim() != 2 or weight.shape[1] != hidden.shape[-1]:
        raise ValueError(f"weight {tuple(weight.shape)} does not fit hidden states {tuple(hidden.shape)}")
    if bias is not None and bias.shape != weight.shape[:1]:
        raise ValueError(f"bias {tuple(bias.shape)} does not fit weight {tuple(weight.shape)}")
    if softcap is not None and softcap <= 0:
        raise ValueError(f"softcap = {softcap!r}: expected more than 0")
    counts = labels != IGNORED
    chosen = labels[counts]
    check_labels(chosen, weight.shape[0])
    head = _Head(softcap, logit_scale, _product_dtype(hidden), chunk_rows)
    place = place_arguments(loss, labels, counts, position, length)
    number = chosen.numel()
    items = max(number, 1) if num_items is None else num_items
    job = _Job(loss, values, chosen, place, head, entropy, items)
    # Picking the rows that count is autograd's own step: its backward puts zeros where nothing counts.
    mean, p_label, entropies = _function().apply(hidden[counts], weight, bias, job)
    statistics = LossStatistics(labels.new_tensor(number), p_label, entropies if entropy else None)
    return mean, statistics


@dataclass(frozen=True)
class _Head:
    """How logits come out of the matrix product."""

    softcap: float | None
    scale: float
    product_dtype: "torch.dtype"
    chunk_rows: int | None


@dataclass(frozen=True)
class _Job:
    """What does not take a gradient."""

    loss: Loss
    values: dict[str, float]
    labels: "torch.Tensor"
    place: dict[str, "torch.Tensor"]
    head: _Head
    entropy: bool
    items: "torch.Tensor | float"


@dataclass(frozen=True)
class _Wanted:
    """Which gradients are needed at all."""

    hidden: bool
    weight: bool
    bias: bool

    @property
    def any(self) -> bool:
        return self.hidden or self.weight or self.bias


@dataclass
class _Results:
    loss: "torch.Tensor"
    p_label: "torch.Tensor"
    entropy: "torch.Tensor"
    hidden: "torch.Tensor | None" = None
    weight: "torch.Tensor | None" = None
    bias: "torch.Tensor | None" = None


_FUNCTION: Any = None


def _function() -> Any:
    """The autograd function; made at its first use, since a class needs its base and torch loads late."""
    global _FUNCTION
    if _FUNCTION is not None:
        return _FUNCTION
    import torch
    from torch.autograd.function import once_differentiable

    class FusedLinearLoss(torch.autograd.Function):
        """Computes the gradients with the loss, and hands them out in backward."""

        @staticmethod
        def forward(ctx: Any, hidden: Any, weight: Any, bias: Any, job: _Job) -> Any:
            hidden_wanted, weight_wanted, bias_wanted, _ = ctx.needs_input_grad
            wanted = _Wanted(hidden_wanted, weight_wanted, bias_wanted and bias is not None)
            with torch.autocast(hidden.device.type, enabled=False):
                results = _compute(hidden, weight, bias, job, wanted)
            ctx.save_for_backward(results.hidden, results.weight, results.bias)
            ctx.mark_non_differentiable(results.p_label, results.entropy)
            return results.loss / job.items, results.p_label, results.entropy

        @staticmethod
        @once_differentiable
        def backward(ctx: Any, grad: Any, *_: Any) -> Any:
            one = bool(grad == 1)  # as it is unless somebody scales the loss: then no copies
            hidden, weight, bias = (
                each if each is None or one else each * grad.to(each.dtype) for each in ctx.saved_tensors
            )
            return hidden, weight, bias, None

    _FUNCTION = FusedLinearLoss
    return _FUNCTION


def _product_dtype(hidden: "torch.Tensor") -> "torch.dtype":
    import torch

    kind = hidden.device.type
    if torch.is_autocast_enabled(kind) and hidden.dtype != torch.float64:
        return torch.get_autocast_dtype(kind)
    return hidden.dtype


def _compute(
    hidden: "torch.Tensor", weight: "torch.Tensor", bias: "torch.Tensor | None", job: _Job, wanted: _Wanted
) -> _Results:
    import torch

    dtype = torch.promote_types(job.head.product_dtype, torch.float32)
    device = hidden.device
    zero = torch.zeros((), dtype=dtype, device=device)
    results = _Results(zero.clone(), zero.clone(), zero.clone())
    if wanted.hidden:
        results.hidden = torch.empty_like(hidden)
    # Summed over chunks, so in float32; in the weight's own dtype late chunks would be rounded away.
    grad_weight = torch.zeros(weight.shape, dtype=dtype, device=device) if wanted.weight else None
    grad_bias = torch.zeros(weight.shape[:1], dtype=dtype, device=device) if wanted.bias else None
    product_weight = weight.to(job.head.product_dtype)
    for rows in _chunks(hidden, weight, job.head, dtype):
        chunk = hidden[rows].to(job.head.product_dtype)
        part = _Chunk(job, chunk @ product_weight.T, bias, job.labels[rows], _rows(job.place, rows), dtype)
        grad = part.run(results, wanted.any)
        if grad is None:
            continue
        if grad_bias is not None:
            grad_bias += grad.sum(0)
        grad = grad.to(job.head.product_dtype)
        if results.hidden is not None:
            results.hidden[rows] = (grad @ product_weight).to(hidden.dtype)
        if grad_weight is not None and grad.dtype == grad_weight.dtype:
            grad_weight.addmm_(grad.T, chunk)
        elif grad_weight is not None:
            grad_weight += grad.T @ chunk
    results.weight = None if grad_weight is None else grad_weight.to(weight.dtype)
    results.bias = None if grad_bias is None or bias is None else grad_bias.to(bias.dtype)
    return results


def _chunks(hidden: "torch.Tensor", weight: "torch.Tensor", head: _Head, dtype: "torch.dtype") -> list[slice]:
    size = head.chunk_rows
    if size is None:
        room = _CHUNK_BYTES.get(hidden.device.type, _CHUNK_BYTES["cuda"])
        size = max(_LEAST_ROWS, room // (weight.shape[0] * dtype.itemsize))
    elif size < 1:
        raise ValueError(f"chunk_rows = {size}: expected 1 or more")
    return [slice(start, start + size) for start in range(0, hidden.shape[0], size)]


def _rows(place: dict[str, "torch.Tensor"], rows: slice) -> dict[str, "torch.Tensor"]:
    return {name: values[rows] for name, values in place.items()}


class _Chunk:
    """The tokens of one chunk: from the matrix product to the loss and the gradient at that product."""

    def __init__(
        self,
        job: _Job,
        product: "torch.Tensor",
        bias: "torch.Tensor | None",
        labels: "torch.Tensor",
        place: dict[str, "torch.Tensor"],
        dtype: "torch.dtype",
    ) -> None:
        self._job = job
        self._labels = labels
        self._place = place
        if bias is not None:
            product += bias.to(product.dtype)
        logits = product.to(dtype)
        if job.head.scale != 1.0:
            logits.mul_(job.head.scale)
        if job.head.softcap is not None:
            logits.div_(job.head.softcap).tanh_().mul_(job.head.softcap)
        self._logits = logits

    def run(self, results: _Results, gradient: bool) -> "torch.Tensor | None":
        """Add this chunk's sums to `results`; the gradient at the matrix product if it is wanted."""
        slope = self._cap_slope() if gradient else None
        form = self._job.loss.closed_form
        grad = self._by_autograd(results, gradient) if form is None else self._direct(form, results, gradient)
        if grad is None:
            return None
        if slope is not None:
            grad.mul_(slope)
        return grad

    def _cap_slope(self) -> "torch.Tensor | None":
        """The derivative of the soft cap, 1 - tanh^2, from the capped logits."""
        cap = self._job.head.softcap
        return None if cap is None else 1 - (self._logits / cap) ** 2

    def _direct(self, form: ClosedForm, results: _Results, gradient: bool) -> "torch.Tensor | None":
        """With the gradient known: one buffer beside the logits, which are shifted in place."""
        import torch

        values, z = self._job.values, self._logits
        index = self._labels.unsqueeze(1)
        z.sub_(z.amax(1, keepdim=True))
        label = z.gather(1, index).squeeze(1)
        buffer = z.exp()
        mass = buffer.sum(1)
        log_p = label - mass.log()
        results.p_label += log_p.exp().sum()
        if self._job.entropy:
            results.entropy += (mass.log() - torch.linalg.vecdot(buffer, z) / mass).sum()
        temperature = form.temperature(values)
        log_p_tempered = log_p
        tempered_mass = mass
        if form.tempered:
            torch.mul(z, 1 / temperature, out=buffer).exp_()
            tempered_mass = buffer.sum(1)
            log_p_tempered = label / temperature - tempered_mass.log()
        expected = None
        if form.expects_log_p:
            expected = torch.linalg.vecdot(buffer, z) / tempered_mass - mass.log()
        scaling = form.scaling(log_p, values, self._place.get("position"), self._place.get("length"))
        results.loss += form.value(Terms(log_p, log_p_tempered, expected), scaling, values).sum()
        if not gradient:
            return None
        # what is one number a token is multiplied in before it meets the vocabulary
        scaling = scaling * (self._job.head.scale / self._job.items)
        buffer.mul_((scaling / tempered_mass).unsqueeze(1))
        return buffer.scatter_add_(1, index, -scaling.unsqueeze(1))

    def _by_autograd(self, results: _Results, gradient: bool) -> "torch.Tensor | None":
        """For any loss that is a function of the logits."""
        import torch

        z = self._logits
        with torch.no_grad():
            log_p_all = z.log_softmax(1)
            results.p_label += log_p_all.gather(1, self._labels.unsqueeze(1)).exp().sum()
            if self._job.entropy:
                results.entropy -= torch.linalg.vecdot(log_p_all.exp(), log_p_all).sum()
            del log_p_all
        with torch.set_grad_enabled(gradient):
            z.requires_grad_(gradient)
            total = self._job.loss.function(z, self._labels, **self._job.values, **self._place).sum()
            results.loss += total.detach()
            if not gradient:
                return None
            if not total.requires_grad:  # a loss of a user's own that is constant
                return torch.zeros_like(z)
            (grad,) = torch.autograd.grad(total, z)
        return grad.mul_(self._job.head.scale / self._job.items)
