"""Quantising real checkpoints, against NF4 worked out from its definition."""

import hashlib
import json
import math
import shutil
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from diversity_eval.errors import DiversityEvalError
from diversity_eval.training.checkpoints import QuantizeReport, quantize, read_record
from tests.training.checkpoints.adapters import change_json, copy, logits, plain_logits

Floats = NDArray[np.float64]
BLOCK = 64


def nf4_values() -> Floats:
    """The sixteen values of NF4 (QLoRA, section 3): quantiles of a normal distribution, zero among them."""
    offset, normal = 0.9677083, NormalDist()
    above = [normal.inv_cdf(p) for p in np.linspace(offset, 0.5, 9)[:-1]]
    below = [-normal.inv_cdf(p) for p in np.linspace(offset, 0.5, 8)[:-1]]
    values = np.array(sorted([*below, 0.0, *above]))
    scaled: Floats = values / values.max()
    return scaled


def nf4_codes(weight: Floats) -> tuple[NDArray[np.int64], Floats]:
    """The nearest value of each weight, and the largest weight of its block."""
    blocks = weight.reshape(-1, BLOCK)
    scales = np.abs(blocks).max(axis=1, keepdims=True)
    return np.abs((blocks / scales)[..., None] - nf4_values()).argmin(axis=-1), scales


def tensors(path: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    return dict(load_file(path / "model.safetensors"))


def test_the_codes_are_those_of_the_definition(
    own_chat_checkpoint: Path, quantised: tuple[Path, QuantizeReport]
) -> None:
    source, stored = tensors(own_chat_checkpoint), tensors(quantised[0])
    names = [name for name in source if name.endswith("_proj.weight")]
    assert len(names) == 7
    square = norm = 0.0
    for name in names:
        import torch

        weight = source[name].to(torch.bfloat16).double().numpy()  # as it was loaded
        codes, scales = nf4_codes(weight)
        packed = stored[name].numpy().reshape(-1)
        found = np.stack([packed >> 4, packed & 15], axis=1).reshape(codes.shape)
        assert (found == codes).mean() > 0.999  # a weight midway between two values may go either way
        held = nf4_values()[codes] * scales
        square += float(((held - source[name].double().numpy().reshape(held.shape)) ** 2).sum())
        norm += float((source[name].double() ** 2).sum())
    # The oracle does not round the scales to eight bits.
    assert quantised[1].error.relative == pytest.approx(math.sqrt(square / norm), rel=0.02)
    assert 0.08 < quantised[1].error.relative < 0.1


def test_the_report_and_the_record(own_chat_checkpoint: Path, quantised: tuple[Path, QuantizeReport]) -> None:
    folder, report = quantised
    source = own_chat_checkpoint / "model.safetensors"
    assert report.source_sha256 == {source.name: hashlib.sha256(source.read_bytes()).hexdigest()}
    assert (report.bytes_before, report.bytes_after) == (
        source.stat().st_size,
        (folder / "model.safetensors").stat().st_size,
    )
    weights = tensors(own_chat_checkpoint)
    assert report.parameters == sum(each.numel() for each in weights.values())
    assert report.quantised_parameters == sum(w.numel() for n, w in weights.items() if "_proj" in n)
    assert (report.matrices, report.error.matrices) == (7, 7)
    assert 0 < report.error.mean_absolute < report.error.largest
    assert report.error.relative < report.error.worst_relative < 0.15
    record = read_record(folder)
    assert record is not None
    assert record["kind"] == "quantised"
    assert record["model"] == str(own_chat_checkpoint)
    assert record["error"]["relative"] == report.error.relative
    assert json.loads(json.dumps(report.as_record()))["versions"]["bitsandbytes"]


def test_it_loads_by_its_name_and_computes_what_was_quantised(
    own_chat_checkpoint: Path, quantised: tuple[Path, QuantizeReport]
) -> None:
    import torch
    from bitsandbytes.nn import Linear4bit
    from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig

    folder = quantised[0]
    model, loading = AutoModelForCausalLM.from_pretrained(folder, output_loading_info=True)
    assert not loading["missing_keys"]
    assert not loading["unexpected_keys"]
    assert sum(isinstance(module, Linear4bit) for module in model.modules()) == 7
    stored = model.config.quantization_config
    assert (stored.quant_method.value, stored.bnb_4bit_quant_type) == ("bitsandbytes", "nf4")
    assert stored.bnb_4bit_use_double_quant
    assert stored.bnb_4bit_compute_dtype == model.dtype == torch.bfloat16
    on_loading = AutoModelForCausalLM.from_pretrained(
        own_chat_checkpoint,
        dtype=torch.bfloat16,
        quantization_config=BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=torch.bfloat16,
        ),
    )  # fmt: skip
    same = logits(model, folder)
    assert torch.equal(same, logits(on_loading, folder))
    assert not torch.allclose(same, plain_logits(own_chat_checkpoint), atol=1e-2)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert tokenizer.chat_template == AutoTokenizer.from_pretrained(own_chat_checkpoint).chat_template


def test_the_folder_has_all_that_is_needed_and_no_pickle(quantised: tuple[Path, QuantizeReport]) -> None:
    folder = quantised[0]
    assert sorted(path.name for path in folder.iterdir()) == [
        "README.md", "chat_template.jinja", "config.json", "diversity_eval.json", "generation_config.json",
        "model.safetensors", "tokenizer.json", "tokenizer_config.json",
    ]  # fmt: skip
    mode = (folder / "model.safetensors").stat().st_mode & 0o777
    assert mode == (folder / "config.json").stat().st_mode & 0o777
    assert not [path.name for path in folder.parent.iterdir() if path.name != folder.name]


def test_generation_settings_and_licences_are_copied_as_they_are(
    own_chat_checkpoint: Path, tmp_path: Path
) -> None:
    source = copy(own_chat_checkpoint, tmp_path / "source")
    # As some published checkpoints have it; transformers would refuse to save this.
    (source / "generation_config.json").write_text('{"do_sample": false, "temperature": 0.6}')
    (source / "LICENSE.txt").write_text("Terms of a model.\n")
    (source / "README.md").write_text("---\nlicense: gemma\n---\n# A model\n")
    (source / "preprocessor_config.json").write_text("{}")
    quantize(str(source), tmp_path / "out")
    for name in ("generation_config.json", "LICENSE.txt", "preprocessor_config.json"):
        assert (tmp_path / "out" / name).read_bytes() == (source / name).read_bytes()
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert card.startswith("---\nlicense: gemma\n")
    assert "its card says `gemma`" in card


def test_a_checkpoint_in_several_files_and_bfloat16(own_chat_checkpoint: Path, tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    source = copy(own_chat_checkpoint, tmp_path / "source")
    (source / "model.safetensors").unlink()
    model = AutoModelForCausalLM.from_pretrained(own_chat_checkpoint, dtype=torch.bfloat16)
    model.save_pretrained(source, max_shard_size="40KB")
    files = sorted(path.name for path in source.glob("*.safetensors"))
    assert len(files) > 2
    report = quantize(str(source), tmp_path / "out", dtype="float32")
    assert sorted(report.source_sha256) == files
    assert (report.source_dtype, report.dtype) == ("bfloat16", "float32")
    assert report.error.matrices == 7
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    assert loaded.dtype == torch.float32


def test_weights_that_a_checkpoint_holds_the_other_way_round(gpt2: Path, tmp_path: Path) -> None:
    report = quantize(str(gpt2), tmp_path / "out")
    assert report.error.matrices == report.matrices == 4
    assert 0.07 < report.error.relative < report.error.worst_relative < 0.12


def spoil_bert(folder: Path) -> None:
    from transformers import BertConfig, BertForMaskedLM

    config = BertConfig(
        vocab_size=50, hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8
    )
    BertForMaskedLM(config).save_pretrained(folder)


def spoil_encoder_decoder(folder: Path) -> None:
    change_json(folder / "config.json", model_type="t5", architectures=["T5ForConditionalGeneration"])


def spoil_missing(folder: Path) -> None:
    rewrite(folder, lambda weights: weights.pop("model.layers.0.mlp.up_proj.weight"))


def spoil_nan(folder: Path) -> None:
    def change(weights: dict[str, Any]) -> None:
        weights["model.layers.0.mlp.up_proj.weight"][3, 5] = float("nan")

    rewrite(folder, change)


def rewrite(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    from safetensors.torch import save_file

    weights = tensors(folder)
    change(weights)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def spoil_cut_off(folder: Path) -> None:
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[: len(whole) // 2])


def spoil_pickle(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def spoil_index(folder: Path) -> None:
    index = {"metadata": {}, "weight_map": {"model.norm.weight": "../elsewhere.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def spoil_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer_config.json").unlink()


def spoil_adapter(folder: Path) -> None:
    (folder / "adapter_config.json").write_text("{}")


def spoil_quantised(folder: Path) -> None:
    change_json(folder / "config.json", quantization_config={"quant_method": "gptq", "bits": 4})


def spoil_config(folder: Path) -> None:
    (folder / "config.json").write_text("{")


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (spoil_bert, "BertForMaskedLM, not a causal language model"),
        (spoil_encoder_decoder, "not a causal language model"),
        (spoil_missing, r"has no weights for model.layers.0.mlp.up_proj.weight"),
        (spoil_nan, "not finite"),
        (spoil_cut_off, "model.safetensors cannot be read"),
        (spoil_pickle, "has no model.safetensors; other formats are not read"),
        (spoil_index, "lacks ../elsewhere.safetensors"),
        (spoil_tokenizer, "has no tokenizer"),
        (spoil_adapter, "is an adapter"),
        (spoil_quantised, r"is quantised already \(gptq\)"),
        (spoil_config, "config.json cannot be used"),
    ],
)
def test_what_is_refused(
    spoil: Callable[[Path], None], says: str, own_chat_checkpoint: Path, tmp_path: Path
) -> None:
    source = copy(own_chat_checkpoint, tmp_path / "source")
    spoil(source)
    with pytest.raises(DiversityEvalError, match=says) as caught:
        quantize(str(source), tmp_path / "out")
    assert str(source) in str(caught.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["source"]  # nothing half-written


def test_its_own_output_is_refused_as_a_source(
    quantised: tuple[Path, QuantizeReport], tmp_path: Path
) -> None:
    with pytest.raises(DiversityEvalError, match="is quantised already"):
        quantize(str(quantised[0]), tmp_path / "out")


@pytest.mark.parametrize("name", ["./nowhere", "/nowhere/at/all", "a/b/c", ""])
def test_no_such_folder(name: str, tmp_path: Path) -> None:
    with pytest.raises(DiversityEvalError, match="there is no such folder"):
        quantize(name, tmp_path / "out")


def test_no_such_model_on_the_hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import huggingface_hub

    def fail(*args: object, **kwargs: object) -> None:
        raise OSError("cannot be reached\nat all")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fail)
    with pytest.raises(DiversityEvalError, match="the Hub does not give it: cannot be reached at all"):
        quantize("somebody/some-model", tmp_path / "out", revision="v2")


def test_a_model_of_the_hub_is_known_by_its_commit(
    own_chat_checkpoint: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import huggingface_hub

    commit = "0123456789abcdef0123456789abcdef01234567"
    asked: dict[str, Any] = {}

    def fetch(name: str, **kwargs: Any) -> str:
        asked.update(kwargs, name=name)
        return str(copy(own_chat_checkpoint, tmp_path / "snapshots" / commit))

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fetch)
    report = quantize("somebody/some-model", tmp_path / "out", revision="v2")
    assert (asked["name"], asked["revision"]) == ("somebody/some-model", "v2")
    assert not any("bin" in pattern or "pt" in pattern for pattern in asked["allow_patterns"])
    assert (report.commit, report.revision) == (commit, "v2")
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert "base_model: somebody/some-model\nbase_model_relation: quantized\n" in card
    assert commit in card


def test_no_room_on_the_disk(
    own_chat_checkpoint: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**9, 10**9 - 1000, 1000))
    with pytest.raises(DiversityEvalError, match=r"in NF4 needs about 0\.00 GiB, and 0\.00 GiB are free"):
        quantize(str(own_chat_checkpoint), tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_the_space_asked_for_is_enough_but_not_much_more(
    own_chat_checkpoint: Path, quantised: tuple[Path, QuantizeReport]
) -> None:
    from diversity_eval.training.checkpoints.model_files import find_model
    from diversity_eval.training.checkpoints.quantize import _size

    needed = _size(find_model(str(own_chat_checkpoint)), "bfloat16")
    assert quantised[1].bytes_after < needed
    assert 0.7 < (needed - (1 << 20)) / quantised[1].bytes_after < 1.1  # but for a fixed megabyte


def test_an_unknown_dtype(own_chat_checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(DiversityEvalError, match="'int8': expected bfloat16, float16, float32"):
        quantize(str(own_chat_checkpoint), tmp_path / "out", dtype="int8")


def test_a_missing_library_names_the_extra(
    own_chat_checkpoint: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import importlib.util

    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "bitsandbytes" else object()
    )
    with pytest.raises(DiversityEvalError, match=r"needs bitsandbytes.*diversity-eval\[train\]"):
        quantize(str(own_chat_checkpoint), tmp_path / "out")
