"""Plain weights from NF4, and what merging takes for granted about it."""

from pathlib import Path
from typing import Any

import pytest

from diversity_eval.training.checkpoints.model_files import find_model
from diversity_eval.training.checkpoints.models import load_model
from diversity_eval.training.checkpoints.nf4 import dequantise, dequantised_weight, nf4_config, nf4_modules
from diversity_eval.training.loading import load_base
from diversity_eval.training.output_layer import read_output_layer
from diversity_eval.training.settings import TrainSettings
from tests.training.checkpoints.adapters import logits


def test_a_dequantised_model_computes_the_same_and_is_plain(checkpoint: Path, tmp_path: Path) -> None:
    import torch
    from bitsandbytes.nn import Linear4bit

    files = find_model(str(checkpoint))
    held = load_model(files, torch.float32, quantization=nf4_config(torch.float32))
    plain = dequantise(
        load_model(files, torch.float32, quantization=nf4_config(torch.float32)), torch.float32
    )
    assert not any(isinstance(module, Linear4bit) for module in plain.modules())
    assert torch.allclose(logits(held, checkpoint), logits(plain, checkpoint), atol=1e-5)
    plain.save_pretrained(tmp_path)
    assert "quantization" not in (tmp_path / "config.json").read_text()
    assert set(find_model(str(tmp_path)).tensors) == set(files.tensors)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_weights_that_float32_holds_exactly_get_the_same_codes_in_it(
    dtype: str, checkpoint: Path, tmp_path: Path
) -> None:
    """So that a base may be loaded in float32 for computing, whatever training loaded it in."""
    import torch

    load_model(find_model(str(checkpoint)), getattr(torch, dtype)).save_pretrained(tmp_path)
    files = find_model(str(tmp_path))
    assert files.dtype == dtype
    models = [
        load_model(files, held, quantization=nf4_config(held))
        for held in (getattr(torch, dtype), torch.float32)
    ]
    for (name, narrow), (_, wide) in zip(*map(nf4_modules, models), strict=True):
        assert torch.equal(narrow.weight.data, wide.weight.data), name
        assert torch.equal(dequantised_weight(narrow), dequantised_weight(wide)), name


def gradients(model: Any) -> dict[str, Any]:
    """Of the mean cross entropy with a lively adapter, after a look at the logits as training begins."""
    import torch
    from peft import LoraConfig, get_peft_model

    adapted = get_peft_model(
        model, LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM", init_lora_weights=False)
    )
    generator = torch.Generator().manual_seed(0)
    for name, parameter in adapted.named_parameters():
        if "lora_" in name:
            parameter.data = 0.1 * torch.randn(parameter.shape, generator=generator)
    ids = torch.randint(3, 200, (2, 12), generator=generator)
    read_output_layer(adapted.get_base_model(), "small")
    adapted.train()
    adapted(input_ids=ids, labels=ids).loss.backward()
    return {name: p.grad for name, p in adapted.named_parameters() if p.grad is not None}


def test_gradients_through_nf4_are_those_through_the_same_weights_in_full(checkpoint: Path) -> None:
    """On some CPUs bitsandbytes computes otherwise after the first forward pass, and without gradients."""
    import torch

    settings = TrainSettings(model=str(checkpoint), dataset="alpaca", quantization="nf4", dtype="float32")
    found = gradients(load_base(settings).model)
    plain = dequantise(load_base(settings).model, torch.float32)
    expected = gradients(plain)
    assert len(found) == len(expected) > 10
    for name, gradient in expected.items():
        assert torch.linalg.norm(found[name] - gradient) <= 1e-4 * torch.linalg.norm(gradient), name
