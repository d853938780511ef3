"""The arithmetic of the fused loss: logits, losses and gradients of one chunk of tokens after the other."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from diversity_eval.training.losses.closed_form import ClosedForm, Terms
from diversity_eval.training.losses.registry import Loss

if TYPE_CHECKING:
    import torch

__all__ = ["Head", "Job", "Results", "Wanted", "compute"]

# Size of a chunk's logits. Every chunk reads the whole weight, so small chunks are slow; large ones are
# what the fused loss is there to avoid. Measured with benchmarks/losses.py on a CPU; a GPU wants larger
# products.
_CHUNK_BYTES = {"cpu": 32 << 20, "cuda": 256 << 20}
_LEAST_ROWS = 128


@dataclass(frozen=True)
class Head:
    """How logits come out of the matrix product."""

    softcap: float | None
    scale: float
    product_dtype: "torch.dtype"
    chunk_rows: int | None


@dataclass(frozen=True)
class Job:
    """What does not take a gradient; `labels` and `place` are those of the n tokens that count.

    `index` says where these tokens are in the hidden states: a tensor (n,) for each dimension but the last.
    """

    loss: Loss
    values: dict[str, float]
    labels: "torch.Tensor"
    index: "tuple[torch.Tensor, ...]"
    place: "Mapping[str, torch.Tensor]"
    head: Head
    entropy: bool
    items: float


@dataclass(frozen=True)
class Wanted:
    """Which gradients are needed at all."""

    hidden: bool
    weight: bool
    bias: bool

    @property
    def any(self) -> bool:
        """Whether there is one."""
        return self.hidden or self.weight or self.bias


@dataclass
class Results:
    """Sums over the tokens that count, and the gradients of their loss over `items`.

    The gradient at the hidden states is still to be divided by `hidden_divisor`.
    """

    loss: "torch.Tensor"
    p_label: "torch.Tensor"
    entropy: "torch.Tensor"
    hidden: "torch.Tensor | None" = None
    weight: "torch.Tensor | None" = None
    bias: "torch.Tensor | None" = None
    hidden_divisor: float = 1.0


def compute(
    hidden: "torch.Tensor",
    weight: "torch.Tensor",
    bias: "torch.Tensor | None",
    job: Job,
    wanted: Wanted,
) -> Results:
    """The loss and the wanted gradients. To be called without a graph and without autocast."""
    import torch

    product_dtype = job.head.product_dtype
    dtype = torch.promote_types(product_dtype, torch.float32)
    zero = torch.zeros((), dtype=dtype, device=hidden.device)
    results = Results(loss=zero, p_label=zero.clone(), entropy=zero.clone())
    # float16 has no room for what is left of a small gradient after a division by thousands of tokens,
    # and a loss scale comes too late to save it. So there the division comes last.
    late = torch.float16 in (product_dtype, hidden.dtype)
    after = job.items if late else 1.0
    if wanted.hidden:
        results.hidden = torch.zeros(hidden.shape, dtype=hidden.dtype, device=hidden.device)
        results.hidden_divisor = after if hidden.dtype == torch.float16 else 1.0
    # Summed over chunks, so in float32; in the weight's own dtype late chunks would be rounded away.
    grad_weight = weight.new_zeros(weight.shape, dtype=dtype) if wanted.weight else None
    grad_bias = weight.new_zeros(weight.shape[:1], dtype=dtype) if wanted.bias else None
    product_weight = weight.to(product_dtype)
    product_bias = None if bias is None else bias.to(product_dtype)
    chunks = _Chunks(job, weight.shape[0], dtype, hidden.device, 1.0 if late else 1 / job.items)
    for rows in chunks.slices:
        index = tuple(each[rows] for each in job.index)
        chunk = hidden[index].to(product_dtype)
        chunks.project(chunk, product_weight, product_bias)
        grad = chunks.run(rows, results, wanted.any)
        if grad is None:
            continue
        if grad_bias is not None:
            grad_bias += grad.sum(0)
        grad = chunks.as_product(grad)
        if results.hidden is not None:
            part = grad @ product_weight
            if results.hidden_divisor != after:  # wide enough to be divided here
                part = part.to(dtype).div_(after)
            results.hidden[index] = part.to(hidden.dtype)
        if grad_weight is not None and grad.dtype == dtype:
            grad_weight.addmm_(grad.T, chunk)
        elif grad_weight is not None:
            grad_weight += grad.T @ chunk
    results.weight = None if grad_weight is None else grad_weight.div_(after).to(weight.dtype)
    results.bias = None if grad_bias is None or bias is None else grad_bias.div_(after).to(bias.dtype)
    return results


class _Chunks:
    """One chunk of tokens after the other in the same buffers: fresh memory is slow on a CPU."""

    def __init__(
        self, job: Job, vocabulary: int, dtype: "torch.dtype", device: "torch.device", factor: float
    ) -> None:
        import torch

        self._job = job
        self._factor = factor * job.head.scale  # what every gradient at the product is multiplied by
        tokens = job.labels.numel()
        rows = min(tokens, job.head.chunk_rows or _rows(vocabulary, dtype, device.type))
        self.slices = [slice(start, start + rows) for start in range(0, tokens, max(rows, 1))]
        shape = (rows, vocabulary)
        self._product = torch.empty(shape, dtype=job.head.product_dtype, device=device)
        same = self._product.dtype == dtype
        self._wide = self._product if same else torch.empty(shape, dtype=dtype, device=device)
        self._second = torch.empty(shape if job.loss.closed_form else (0,), dtype=dtype, device=device)
        self._logits = self._wide

    def project(self, chunk: "torch.Tensor", weight: "torch.Tensor", bias: "torch.Tensor | None") -> None:
        """The logits of a chunk of hidden states (rows, size)."""
        import torch

        product = self._product[: len(chunk)]
        if bias is None:
            torch.mm(chunk, weight.T, out=product)
        else:
            torch.addmm(bias, chunk, weight.T, out=product)
        logits = self._wide[: len(chunk)]
        if logits.dtype != product.dtype:
            logits.copy_(product)
        head = self._job.head
        if head.scale != 1.0:
            logits.mul_(head.scale)
        if head.softcap is not None:
            logits.div_(head.softcap).tanh_().mul_(head.softcap)
        self._logits = logits

    def run(self, rows: slice, results: Results, gradient: bool) -> "torch.Tensor | None":
        """Add the chunk's sums to `results`; the gradient at the matrix product if it is wanted."""
        form = self._job.loss.closed_form
        labels = self._job.labels[rows]
        place = {name: values[rows] for name, values in self._job.place.items()}
        if form is None:
            return self._by_autograd(labels, place, results, gradient)
        return self._direct(form, labels, place, results, gradient)

    def as_product(self, grad: "torch.Tensor") -> "torch.Tensor":
        """`grad` in the dtype of the matrix products."""
        product = self._product[: len(grad)]
        return grad if grad.dtype == product.dtype else product.copy_(grad)

    def _direct(
        self,
        form: ClosedForm,
        labels: "torch.Tensor",
        place: "dict[str, torch.Tensor]",
        results: Results,
        gradient: bool,
    ) -> "torch.Tensor | None":
        """With the gradient known: one buffer beside the logits, which are shifted in place."""
        import torch

        values, z, buffer = self._job.values, self._logits, self._second[: len(labels)]
        index = labels.unsqueeze(1)
        top = z.amax(1, keepdim=True)
        z.sub_(top)
        label = z.gather(1, index).squeeze(1)
        torch.exp(z, out=buffer)
        mass = buffer.sum(1)
        log_mass = mass.log()
        log_p = label - log_mass
        results.p_label += log_p.exp().sum()
        if self._job.entropy:
            results.entropy += (log_mass - torch.linalg.vecdot(buffer, z) / mass).sum()
        log_p_tempered = log_p
        if form.tempered:
            temperature = form.temperature(values)
            torch.mul(z, 1 / temperature, out=buffer).exp_()
            mass = buffer.sum(1)
            log_p_tempered = label / temperature - mass.log()
        expected = None
        if form.expects_log_p:
            expected = torch.linalg.vecdot(buffer, z) / mass - log_mass
        scaling = form.scaling(log_p, values, place.get("position"), place.get("length"))
        results.loss += form.value(Terms(log_p, log_p_tempered, expected), scaling, values).sum()
        if not gradient:
            return None
        # what is one number a token is multiplied in before it meets the vocabulary
        scaling = scaling * self._factor
        buffer.mul_((scaling / mass).unsqueeze(1))
        buffer.scatter_(1, index, (scaling * torch.expm1(log_p_tempered)).unsqueeze(1))  # p - 1 at the label
        if self._job.head.softcap is not None:
            buffer.mul_(self._cap_slope(z.add_(top)))
        return buffer

    def _by_autograd(
        self,
        labels: "torch.Tensor",
        place: "dict[str, torch.Tensor]",
        results: Results,
        gradient: bool,
    ) -> "torch.Tensor | None":
        """For any loss that is a function of the logits."""
        import torch

        z = self._logits.detach()
        log_p_all = z.log_softmax(1)
        results.p_label += log_p_all.gather(1, labels.unsqueeze(1)).exp().sum()
        if self._job.entropy:
            results.entropy -= torch.linalg.vecdot(log_p_all.exp(), log_p_all).sum()
        del log_p_all
        with torch.set_grad_enabled(gradient):
            z.requires_grad_(gradient)
            total = self._job.loss.losses(z, labels, self._job.values, place).sum()
        results.loss += total.detach()
        if not gradient:
            return None
        if not total.requires_grad:  # a loss of a user's own that is constant
            return torch.zeros_like(z)
        (grad,) = torch.autograd.grad(total, z)
        grad = grad * self._factor  # not in place: a simple loss's gradient may be one number, expanded
        if self._job.head.softcap is not None:
            grad.mul_(self._cap_slope(z.detach()))
        return grad

    def _cap_slope(self, capped: "torch.Tensor") -> "torch.Tensor":
        """The derivative of the soft cap, 1 - tanh^2, in the place of the capped logits."""
        assert self._job.head.softcap is not None
        return capped.div_(self._job.head.softcap).square_().neg_().add_(1)


def _rows(vocabulary: int, dtype: "torch.dtype", device: str) -> int:
    room = _CHUNK_BYTES.get(device, _CHUNK_BYTES["cuda"])
    return max(_LEAST_ROWS, room // (vocabulary * dtype.itemsize))
