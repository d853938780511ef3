"""The loss inside a model's own forward pass, from its hidden states and its output layer.

It has to be computed there and not beside it: what wraps a model (DDP, FSDP, accelerate, PEFT) does its work
around `forward`.
"""

import functools
import types
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from diversity_eval.errors import DiversityEvalError

if TYPE_CHECKING:
    import torch

__all__ = ["LossChoice", "OutputLayer", "compute_loss_in_forward", "read_output_layer"]

# What the logits of a short text may differ by from the model's own, as a share of the largest.
_TOLERANCE = {"float32": 1e-4, "float64": 1e-4, "float16": 1e-2, "bfloat16": 5e-2}
_PROBE = 12
# What configurations call c in c tanh(z / c): Gemma 2, RecurrentGemma, xLSTM.
_SOFTCAPS = ("final_logit_softcapping", "logits_soft_cap", "output_logit_soft_cap")


@dataclass(frozen=True)
class LossChoice:
    """Which loss, with which parameters, and whether the logits are kept in chunks."""

    name: str
    parameters: dict[str, float]
    fused: bool = True


@dataclass(frozen=True)
class OutputLayer:
    """A model's logits from its last hidden states: scale x (hidden @ weight.T + bias), then a soft cap."""

    softcap: float | None
    scale: float


def read_output_layer(model: Any, name: str) -> OutputLayer:
    """Find out how `model` (called `name` in messages) turns hidden states into logits.

    Compares with the logits of the model itself, so that a model that does something else is refused rather
    than trained on other logits than its own. Raises DiversityEvalError then.
    """
    import torch

    head = model.get_output_embeddings()
    if head is None or getattr(head, "weight", None) is None:
        raise DiversityEvalError(
            f"{name}: has no output layer with a weight; expected a causal language model"
        )
    if not head.weight.dtype.is_floating_point:
        raise DiversityEvalError(f"{name}: its output layer is quantised; expected it in full precision")
    config = model.config.get_text_config()
    caps = (getattr(config, option, None) for option in _SOFTCAPS)
    softcap = next((float(cap) for cap in caps if cap), None)
    ids = _probe_ids(model, config)
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            own = model(input_ids=ids, use_cache=False).logits.double()
            hidden = model.base_model(input_ids=ids, use_cache=False).last_hidden_state
            product = torch.nn.functional.linear(hidden, head.weight, getattr(head, "bias", None)).double()
    except Exception as error:  # any model's code
        raise _unusual(name, f"{type(error).__name__}: {error}") from None
    finally:
        model.train(training)
    before_cap = own if softcap is None else softcap * torch.atanh((own / softcap).clamp(-1 + 1e-7, 1 - 1e-7))
    if before_cap.shape != product.shape:
        raise _unusual(name, f"logits {tuple(own.shape)} instead of {tuple(product.shape)}")
    scale = _scale(float((before_cap * product).sum() / (product * product).sum()), config)
    ours = product * scale
    if softcap is not None:
        ours = softcap * torch.tanh(ours / softcap)
    difference = float((ours - own).abs().max() / own.abs().max())
    dtype = str(head.weight.dtype).removeprefix("torch.")
    if not difference <= _TOLERANCE.get(dtype, 5e-2):
        raise _unusual(name, f"the logits differ by {difference:.2g} of the largest")
    return OutputLayer(softcap, scale)


def compute_loss_in_forward(model: Any, choice: LossChoice, layer: OutputLayer) -> None:
    """Make `model(..., labels=..., token_loss=True)` return the loss and what the tokens were like.

    Without `token_loss` the model is what it was. The result is a dictionary of tensors without dimension:
    `loss` (the sum over counting tokens by `num_items`, or by their number), `tokens`, `p_label`, `entropy`
    (sums, see `LossStatistics`).
    """
    original = model.forward

    # The signature stays: `generate` and the Trainer look at it.
    @functools.wraps(type(model).forward)
    def forward(self: Any, *args: Any, token_loss: bool = False, num_items: Any = None, **kwargs: Any) -> Any:
        if not token_loss:
            return original(*args, **kwargs)
        labels = kwargs.pop("labels")
        kwargs["use_cache"] = False
        if choice.fused:
            hidden = self.base_model(*args, **kwargs).last_hidden_state
            return _fused(self.get_output_embeddings(), hidden, labels, choice, layer, num_items)
        return _plain(original(*args, **kwargs).logits, labels, choice, num_items)

    model.forward = types.MethodType(forward, model)


def _fused(
    head: Any,
    hidden: "torch.Tensor",
    labels: "torch.Tensor",
    choice: LossChoice,
    layer: OutputLayer,
    num_items: Any,
) -> "dict[str, torch.Tensor]":
    from diversity_eval.training.losses import fused_linear_loss_parts

    weight, bias = _whole(head.weight), _whole(getattr(head, "bias", None))
    hidden = hidden.to(weight.device)
    labels = labels.to(weight.device)
    loss, statistics = fused_linear_loss_parts(
        choice.name,
        hidden,
        weight,
        _next(labels),
        bias=bias,
        num_items=num_items,
        softcap=layer.softcap,
        logit_scale=layer.scale,
        entropy=True,
        **_place(choice, labels),
        **_parameters(choice),
    )
    assert statistics.entropy is not None  # asked for
    return {
        "loss": loss,
        "tokens": statistics.tokens,
        "p_label": statistics.p_label,
        "entropy": statistics.entropy,
    }


def _plain(
    logits: "torch.Tensor", labels: "torch.Tensor", choice: LossChoice, num_items: Any
) -> "dict[str, torch.Tensor]":
    import torch

    from diversity_eval.training.losses import IGNORED, token_loss

    labels = labels.to(logits.device)
    shifted = _next(labels)
    total = token_loss(choice.name, logits, shifted, **_place(choice, labels), **_parameters(choice)).sum()
    counts = shifted != IGNORED
    tokens = counts.sum()
    with torch.no_grad():
        log_p = logits[counts].float().log_softmax(-1)
        p_label = log_p.gather(-1, shifted[counts].unsqueeze(-1)).exp().sum()
        entropy = -(log_p.exp() * log_p).sum()
    return {
        "loss": total / (tokens.clamp(min=1) if num_items is None else num_items),
        "tokens": tokens,
        "p_label": p_label,
        "entropy": entropy,
    }


def _place(choice: LossChoice, labels: "torch.Tensor") -> dict[str, Any]:
    from diversity_eval.training.losses import loss_named, response_places

    if not loss_named(choice.name).needs_place:
        return {}
    position, length = response_places(labels)
    return {"position": position.roll(-1, 1), "length": length.roll(-1, 1)}


def _next(labels: "torch.Tensor") -> "torch.Tensor":
    """Each place's label the token that follows; the last place has none.

    Moving the labels costs less than leaving out the last hidden state: a slice's gradient is a copy of all.
    """
    from diversity_eval.training.losses import IGNORED

    moved = labels.roll(-1, 1)
    moved[:, -1] = IGNORED
    return moved


def _parameters(choice: LossChoice) -> dict[str, Any]:
    """The loss's own; none of them is called as an argument of the loss functions."""
    return dict(choice.parameters)


def _whole(parameter: Any) -> Any:
    """FSDP2 holds its share of a parameter; the product needs all of it."""
    return parameter.full_tensor() if hasattr(parameter, "full_tensor") else parameter


def _probe_ids(model: Any, config: Any) -> "torch.Tensor":
    """A few tokens from all over the vocabulary, the same each time."""
    import torch

    vocabulary = int(config.vocab_size)
    ids = [(7 + 7919 * place) % vocabulary for place in range(_PROBE)]
    return torch.tensor([ids], device=model.get_input_embeddings().weight.device)


def _scale(measured: float, config: Any) -> float:
    """The factor on the logits: 1, or one that the configuration names (Cohere, Granite, Falcon-H1, ...).

    The measured one is rounded; the configuration has it exactly, as a factor or as a divisor.
    """
    if abs(measured - 1) < 2e-3:
        return 1.0
    named = [
        float(value)
        for key, value in config.to_dict().items()
        if ("logit" in key or "lm_head" in key or "output_mult" in key)
        and isinstance(value, int | float)
        and not isinstance(value, bool)
        and value
    ]
    if base := getattr(config, "dim_model_base", None):  # MiniCPM scales by the width
        named.append(float(base) / config.hidden_size)
    for exact in (*named, *(1 / value for value in named)):
        if abs(measured / exact - 1) < 2e-2:
            return exact
    return 1.0  # and the comparison of the logits fails


def _unusual(name: str, what: str) -> DiversityEvalError:
    return DiversityEvalError(
        f"{name}: its logits are not those of its last hidden states through its output layer ({what}), so "
        "the fused loss would train on something else; use --no-fused, which takes the model's own logits"
    )
