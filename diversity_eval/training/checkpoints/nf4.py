"""NF4 of bitsandbytes: what it is told, and plain weights from it."""

from collections.abc import Iterator
from typing import Any

from diversity_eval.errors import DiversityEvalError

__all__ = [
    "compute_exactly",
    "dequantise",
    "dequantised_weight",
    "is_transposed",
    "nf4_config",
    "nf4_modules",
]


def nf4_config(compute_dtype: Any) -> Any:
    """The protocol's quantisation: NF4 in blocks of 64 whose scales are quantised again (QLoRA,
    arXiv:2305.14314).
    """
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=compute_dtype,
    )


def nf4_modules(model: Any) -> Iterator[tuple[str, Any]]:
    """The layers whose weights are held in four bits, by name."""
    from bitsandbytes.nn import Linear4bit

    for name, module in list(model.named_modules()):
        if isinstance(module, Linear4bit):
            yield name, module


def compute_exactly(model: Any) -> Any:
    """The model, kept from bitsandbytes' quick kernel on CPUs that have bfloat16 dot products (AVX512-BF16).

    The first forward pass in evaluation mode would rearrange the weights for it, for good. From then on it
    computes in bfloat16 whatever `compute_dtype` says, and without gradients: a training that looked at the
    logits before it began would get wrong ones, with no error.
    """
    for name, module in nf4_modules(model):
        if not hasattr(module, "support_avx512bf16_for_cpu"):
            raise DiversityEvalError(
                f"{name}: this version of bitsandbytes does not say with which kernel it computes on a CPU; "
                "use 0.50"
            )
        module.support_avx512bf16_for_cpu = False
    return model


def is_transposed(module: Any) -> bool:
    """Whether the checkpoint holds the weights of a quantised layer as (in, out), as GPT-2's do."""
    from transformers.pytorch_utils import Conv1D

    return getattr(module, "source_cls", None) is Conv1D


def dequantised_weight(module: Any) -> Any:
    """The weights that a layer computes with, (out, in) in float32.

    Of a model that computes exactly, or before its first use: else the codes may be rearranged.
    """
    import copy

    import torch
    from bitsandbytes.functional import dequantize_4bit

    # In the stored state's own dtype, mostly bfloat16, each weight would be rounded once more.
    state = copy.copy(module.weight.quant_state)
    state.dtype = torch.float32
    return dequantize_4bit(module.weight.data, state)


def dequantise(model: Any, dtype: Any) -> Any:
    """Turn a model in NF4, which has not been used yet, into a plain one of the same function, weights in
    `dtype`.
    """
    import torch
    from transformers.pytorch_utils import Conv1D

    for name, module in nf4_modules(model):
        weight = dequantised_weight(module).to(dtype)
        with torch.device("meta"):
            if transposed := is_transposed(module):
                plain: Any = Conv1D(module.out_features, module.in_features)
            else:
                plain = torch.nn.Linear(module.in_features, module.out_features, bias=module.bias is not None)
        plain.weight = torch.nn.Parameter(
            weight.T.contiguous() if transposed else weight, requires_grad=False
        )
        if module.bias is not None:
            plain.bias = torch.nn.Parameter(module.bias.data.to(dtype), requires_grad=False)
        model.set_submodule(name, plain)
    for holder, mark in (
        (model.config, "quantization_config"),
        (model, "hf_quantizer"),
        (model, "quantization_method"),
    ):
        if hasattr(holder, mark):
            delattr(holder, mark)
    for mark in ("is_quantized", "is_loaded_in_4bit"):
        if getattr(model, mark, False):
            setattr(model, mark, False)
    # How the stored codes were read, which transformers would undo when it saves, and can't.
    conversions = getattr(model, "_weight_conversions", None)
    if conversions is not None:
        model._weight_conversions = [each for each in conversions if not _reads_codes(each)]
    return model.to(dtype)


def _reads_codes(conversion: Any) -> bool:
    return any(
        "bitsandbytes" in type(each).__module__ for each in getattr(conversion, "operations", None) or ()
    )
