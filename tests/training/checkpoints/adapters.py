"""Adapters that change what a model says, as training would leave them, and models to put them on."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from diversity_eval.training.checkpoints import TrainingRecord
from diversity_eval.training.settings import TrainSettings

SENTENCE = "The small boat went out at dawn. Would you follow a map that nobody knew?"


def build_adapter(base: Path, folder: Path, *, size: float = 0.2, **changes: Any) -> Path:
    """A LoRA adapter on a base in full precision, with a B that is not zero, and the base's tokenizer."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    settings: dict[str, Any] = {
        "r": 4, "lora_alpha": 8, "target_modules": "all-linear", "task_type": "CAUSAL_LM", **changes
    }  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        adapted = get_peft_model(model, LoraConfig(**settings))
        for parameter in adapted.parameters():
            if parameter.requires_grad:
                parameter.data += torch.randn_like(parameter) * size
    adapted.save_pretrained(folder)
    AutoTokenizer.from_pretrained(base).save_pretrained(folder)
    return folder


def change_json(path: Path, **changes: Any) -> None:
    """Replace keys of a JSON file; None takes a key out."""
    content = {**json.loads(path.read_text(encoding="utf-8")), **changes}
    kept = {key: value for key, value in content.items() if value is not None}
    path.write_text(json.dumps(kept), encoding="utf-8")


def copy(source: Path, target: Path) -> Path:
    shutil.copytree(source, target)
    return target


def record_of(settings: Mapping[str, Any], compute_dtype: str = "float32") -> TrainingRecord:
    """What the trainer would know after a run with these settings."""
    known = {"model": "somebody/base", "dataset": "alpaca", "loss": "tofu", **settings}
    return TrainingRecord(
        settings=TrainSettings(**known).as_record(),
        data_report={"read": 12, "used": 9, "left_out": {"empty response": 3}, "noted": {"response cut": 1}},
        provenance={"source": "alpaca_train", "location": "rows.jsonl", "sha256": "ab" * 32, "license": None},
        results={"steps": 5, "mean_logged_loss": 1.25, "compute_dtype": compute_dtype},
        versions={"diversity_eval": "0.1.0", "peft": "0.21.2"},
        hardware="CPU, 2 threads",
    )


def logits(model: Any, folder: Path, text: str = SENTENCE) -> Any:
    """What a model says to one sentence, (tokens, vocabulary) in float32."""
    import torch
    from transformers import AutoTokenizer

    ids = AutoTokenizer.from_pretrained(folder)(text, return_tensors="pt").input_ids
    assert ids.shape[1] > 10
    with torch.inference_mode():
        return model.eval()(input_ids=ids).logits[0].float().clone()


def plain_logits(folder: Path, text: str = SENTENCE) -> Any:
    """The logits of a checkpoint, loaded by its name alone in float32."""
    import torch
    from transformers import AutoModelForCausalLM

    return logits(AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32), folder, text)


def adapter_logits(base: Path, adapter: Path, *, vocabulary: int | None = None) -> Any:
    """The logits of an adapter on a base in full precision, both loaded by peft alone, in float32."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    if vocabulary is not None:
        model.resize_token_embeddings(vocabulary)
    return logits(PeftModel.from_pretrained(model, adapter), adapter)


def nf4_adapter_logits(base: Path, adapter: Path, *, quantise: bool) -> Any:
    """The same on bitsandbytes' own four-bit layers, computing in float32; `quantise` a base that is not
    yet.
    """
    import torch
    from bitsandbytes.nn import Linear4bit
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    arguments: dict[str, Any] = {"dtype": torch.float32}
    if quantise:
        arguments["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=torch.float32,
        )  # fmt: skip
    model = AutoModelForCausalLM.from_pretrained(base, **arguments)
    layers = [module for module in model.modules() if isinstance(module, Linear4bit)]
    assert layers
    for layer in layers:
        layer.compute_dtype = torch.float32
        layer.support_avx512bf16_for_cpu = False  # a kernel that rounds to bfloat16
    return logits(PeftModel.from_pretrained(model, adapter), adapter)
