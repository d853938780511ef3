"""Writing a checkpoint with its weights in four bits, and measuring what that costs them."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from math import isfinite, sqrt
from pathlib import Path
from typing import Any

from diversity_eval.errors import DiversityEvalError
from diversity_eval.training.checkpoints.checkpoint_cards import write_quantised_card
from diversity_eval.training.checkpoints.folders import (
    LICENSE_FILES,
    PROCESSOR_FILES,
    check_space,
    copy_files,
    has_tokenizer,
    new_folder,
)
from diversity_eval.training.checkpoints.model_files import (
    DTYPES,
    ModelFiles,
    StoredTensor,
    check_libraries,
    find_model,
)
from diversity_eval.training.checkpoints.models import load_model, load_tokenizer, save_model
from diversity_eval.training.checkpoints.nf4 import dequantised_weight, is_transposed, nf4_config, nf4_modules
from diversity_eval.training.checkpoints.reports import QuantizationError, QuantizeReport
from diversity_eval.versions import versions_of

__all__ = ["quantize"]

_LIBRARIES = ("torch", "transformers", "accelerate", "bitsandbytes")
_VERSIONS = ("torch", "transformers", "accelerate", "bitsandbytes", "safetensors")
_NF4_BITS = 4.13  # four, and the scales of blocks of 64, themselves quantised


def quantize(
    model: str,
    output: Path | str,
    *,
    revision: str | None = None,
    dtype: str = "bfloat16",
    overwrite: bool = False,
) -> QuantizeReport:
    """Write `model`, a folder or a Hub id, to `output` in NF4 with double quantisation.

    Every linear layer but the output layer is quantised; `dtype` is what the rest is held in, and what the
    layers compute in. The folder has weights (safetensors), a configuration with its quantization_config, the
    tokenizer with its chat template, generation settings, a card and `diversity_eval.json`, and loads in
    transformers, peft and `lm_eval --model hf` by its name alone. Runs on a CPU; memory: the quantised model
    and one matrix.

    Raises DiversityEvalError: a library is missing; `model` can't be had, is no causal language model, is
    quantised already, lacks weights or a tokenizer; `output` is not empty (unless `overwrite`) or there is no
    room for it.
    """
    started = time.monotonic()
    check_libraries(_LIBRARIES, "quantize")
    import torch

    if dtype not in DTYPES:
        raise DiversityEvalError(f"dtype {dtype!r}: expected {', '.join(DTYPES)}")
    source = find_model(model, revision)
    if source.quantization:
        method = source.quantization.get("quant_method")
        raise DiversityEvalError(
            f"model {model}: is quantised already ({getattr(method, 'value', method)}); name the original "
            "weights"
        )
    if not has_tokenizer(source.folder):
        raise DiversityEvalError(f"model {model}: has no tokenizer; put its files into {source.folder}")
    load_tokenizer(source.folder, model)
    output = Path(output)
    with new_folder(output, overwrite=overwrite, inputs=[source.folder]) as folder:
        check_space(folder, _size(source, dtype), f"model {model} in NF4")
        compute = getattr(torch, dtype)
        quantised = load_model(source, compute, quantization=nf4_config(compute))
        matrices = dict(nf4_modules(quantised))
        if not matrices:
            raise DiversityEvalError(f"model {model}: has no linear layers that could be quantised")
        error = _measure(source, matrices)
        save_model(quantised, folder, tokenizer=source.folder, generation=[source.folder])
        copy_files(source.folder, (*LICENSE_FILES, *PROCESSOR_FILES), folder)
        report = QuantizeReport(
            model=model,
            revision=revision,
            commit=source.commit,
            output=str(output),
            dtype=dtype,
            source_dtype=source.dtype,
            source_sha256=source.sha256(),
            parameters=sum(
                _size_of(matrices[name.removesuffix(".weight")])
                if _is_matrix(name, matrices)
                else each.numel()
                for name, each in quantised.named_parameters()
            ),
            quantised_parameters=sum(map(_size_of, matrices.values())),
            matrices=len(matrices),
            bytes_before=source.weight_bytes,
            bytes_after=sum(path.stat().st_size for path in folder.glob("*.safetensors")),
            error=error,
            seconds=round(time.monotonic() - started, 1),
            versions=versions_of(_VERSIONS),
        )
        write_quantised_card(folder, report, source)
    return report


def _size_of(module: Any) -> int:
    """How many weights a linear layer has, whatever they are packed into."""
    return int(module.in_features) * int(module.out_features)


def _is_matrix(name: str, matrices: dict[str, Any]) -> bool:
    return name.endswith(".weight") and name.removesuffix(".weight") in matrices


def _size(source: ModelFiles, dtype: str) -> int:
    """Bytes that the quantised weights need at most, from the shapes alone."""
    total = 0.0
    for tensor in source.tensors.values():
        inner = len(tensor.shape) == 2 and not any(
            part in tensor.name for part in ("embed", "wte", "lm_head")
        )
        total += tensor.elements * (_NF4_BITS / 8 if inner else DTYPES[dtype])
    return int(total * 1.02) + (1 << 20)


def _measure(source: ModelFiles, matrices: dict[str, Any]) -> QuantizationError:
    """Compare each quantised matrix with the source's, one at a time.

    Raises DiversityEvalError if the source holds numbers that are not finite.
    """
    square, norm, absolute, largest, count = 0.0, 0.0, 0.0, 0.0, 0
    worst, worst_relative, compared = "", 0.0, 0
    for name, weight in _source_weights(source, matrices):
        held = dequantised_weight(matrices[name])
        if is_transposed(matrices[name]):
            weight = weight.T
        difference = (held - weight).abs()
        one, own = float(difference.double().square().sum()), float(weight.double().square().sum())
        if not isfinite(one) or not isfinite(own):
            raise DiversityEvalError(f"model {source.name}: {name}.weight holds numbers that are not finite")
        relative = sqrt(one / own) if own else 0.0
        if relative >= worst_relative:
            worst, worst_relative = name, relative
        square, norm, absolute = square + one, norm + own, absolute + float(difference.double().sum())
        largest, count, compared = max(largest, float(difference.max())), count + weight.numel(), compared + 1
    if not compared:
        raise DiversityEvalError(
            f"model {source.name}: none of its weights has the name of a layer, so the quantisation cannot "
            "be checked; save it anew with transformers' save_pretrained"
        )
    return QuantizationError(
        relative=sqrt(square / norm) if norm else 0.0,
        mean_absolute=absolute / count,
        largest=largest,
        worst=worst,
        worst_relative=worst_relative,
        matrices=compared,
    )


def _source_weights(source: ModelFiles, matrices: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """The source's matrices in float32, by the names of the layers. One that a checkpoint holds in parts is
    left out.
    """
    import torch
    from safetensors import safe_open

    with ExitStack() as stack:
        opened: dict[Path, Any] = {}
        for name, module in matrices.items():
            stored = _stored(source, name, module)
            if stored is None:
                continue
            if stored.file not in opened:
                opened[stored.file] = stack.enter_context(safe_open(stored.file, framework="pt"))
            yield name, opened[stored.file].get_tensor(stored.name).to(torch.float32)


def _stored(source: ModelFiles, name: str, module: Any) -> StoredTensor | None:
    """The tensor of a layer; checkpoints may leave out the front of its name, or put more before it."""
    shape = (module.out_features, module.in_features)[:: -1 if is_transposed(module) else 1]
    wanted = f"{name}.weight"
    found = source.tensors.get(wanted)
    if found is None:
        near = [
            each
            for key, each in source.tensors.items()
            if key.endswith(f".{wanted}") or wanted.endswith(f".{key}")
        ]
        found = near[0] if len(near) == 1 else None
    return found if found is not None and found.shape == shape else None
