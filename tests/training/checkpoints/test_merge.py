"""Merging real adapters, against peft's own adapter on the same base, and against the sum worked out by
hand.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from diversity_eval.errors import DiversityEvalError
from diversity_eval.training.checkpoints import QuantizeReport, merge_adapter, read_record, write_model_card
from diversity_eval.training.checkpoints.logits import CHECK_TEXT
from tests.training.checkpoints.adapters import (
    adapter_logits,
    build_adapter,
    change_json,
    copy,
    nf4_adapter_logits,
    plain_logits,
    record_of,
)

Quantised = tuple[Path, QuantizeReport]


def tensors(file: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    return dict(load_file(file))


def gap(first: Any, second: Any) -> float:
    return float((first - second).abs().max())


def test_merged_into_full_precision_it_is_the_adapter_on_its_base(
    own_chat_checkpoint: Path, adapter: Path, tmp_path: Path
) -> None:
    report = merge_adapter(adapter, tmp_path / "merged")
    wanted = adapter_logits(own_chat_checkpoint, adapter)
    assert gap(plain_logits(tmp_path / "merged"), wanted) < 1e-5
    assert gap(plain_logits(own_chat_checkpoint), wanted) > 0.1  # the adapter says something
    assert (report.onto, report.trained_on, report.dtype) == ("original", "unknown", "float32")
    assert report.check.from_adapter < 1e-5
    assert report.check.from_training is None
    assert report.check.effect > 0.1
    assert not report.untied


def test_each_weight_is_the_sum(own_chat_checkpoint: Path, adapter: Path, tmp_path: Path) -> None:
    merge_adapter(adapter, tmp_path / "merged")
    base, merged = (
        tensors(folder / "model.safetensors") for folder in (own_chat_checkpoint, tmp_path / "merged")
    )
    parts = tensors(adapter / "adapter_model.safetensors")
    assert set(merged) == set(base)
    changed = 0
    for name, weight in base.items():
        stem = f"base_model.model.{name.removesuffix('.weight')}"
        wanted = weight.double()
        if f"{stem}.lora_A.weight" in parts:
            changed += 1
            down, up = (parts[f"{stem}.lora_{which}.weight"].double() for which in "AB")
            wanted = wanted + 8 / 4 * up @ down
        assert gap(merged[name].double(), wanted) < 1e-6
    assert changed == 7


def test_both_meanings_of_merging_into_nf4(
    own_chat_checkpoint: Path, quantised: Quantised, adapter: Path, tmp_path: Path
) -> None:
    """Against bitsandbytes' own layers. The two differ, so that neither could pass for the other."""
    base = str(quantised[0])
    on_nf4 = nf4_adapter_logits(quantised[0], adapter, quantise=False)
    on_original = adapter_logits(own_chat_checkpoint, adapter)
    assert gap(on_nf4, on_original) > 0.01
    dequantised = merge_adapter(adapter, tmp_path / "dequantised", base=base)
    assert gap(plain_logits(tmp_path / "dequantised"), on_nf4) < 1e-4
    original = merge_adapter(adapter, tmp_path / "original", base=base, onto="original")
    assert gap(plain_logits(tmp_path / "original"), on_original) < 1e-5
    assert (dequantised.onto, dequantised.trained_on) == ("dequantised", "nf4")
    assert dequantised.check.from_training == dequantised.check.from_adapter
    assert dequantised.check.from_adapter < 1e-4
    assert (original.onto, original.base) == ("original", str(own_chat_checkpoint))
    assert original.check.from_adapter < 1e-5
    # The numbers of the report, measured again on what was written: both merged models are their adapters'
    # equals.
    others = [plain_logits(tmp_path / name, CHECK_TEXT) for name in ("original", "dequantised")]
    assert original.check.from_training == pytest.approx(gap(*others), rel=1e-3)
    assert original.check.effect == pytest.approx(
        gap(others[0], plain_logits(own_chat_checkpoint, CHECK_TEXT)), rel=1e-3
    )
    assert original.check.range == pytest.approx(float(others[0].max() - others[0].min()), rel=1e-3)
    for name in ("dequantised", "original"):
        assert "quantization" not in (tmp_path / name / "config.json").read_text()
        assert {str(each.dtype) for each in tensors(tmp_path / name / "model.safetensors").values()} == {
            "torch.float32"
        }


@pytest.mark.parametrize("told", ["record", "argument", "settings file"])
def test_a_base_that_training_put_through_nf4(
    told: str, own_chat_checkpoint: Path, adapter: Path, tmp_path: Path
) -> None:
    """The base is in full precision on disk; only the account of the training says that it was not used
    so.
    """
    trained = copy(adapter, tmp_path / "adapter")
    record = record_of({"quantization": "nf4", "dtype": "float32"})
    if told == "record":
        write_model_card(trained, record)
    elif told == "settings file":
        (trained / "settings.json").write_text('{"quantization": "nf4", "dtype": "float32"}')
    given = record if told == "argument" else None
    report = merge_adapter(trained, tmp_path / "merged", training=given)
    on_nf4 = nf4_adapter_logits(own_chat_checkpoint, adapter, quantise=True)
    assert (report.onto, report.trained_on) == ("dequantised", "nf4")
    assert gap(plain_logits(tmp_path / "merged"), on_nf4) < 1e-4
    other = merge_adapter(trained, tmp_path / "original", onto="original", training=given)
    assert gap(plain_logits(tmp_path / "original"), on_nf4) > 0.01
    assert other.check.from_training is not None
    assert other.check.from_training > 0.01 > other.check.from_adapter


def test_full_precision_that_is_known_to_be_what_it_was_trained_on(adapter: Path, tmp_path: Path) -> None:
    record = record_of({"quantization": "none"})
    report = merge_adapter(adapter, tmp_path / "merged", training=record)
    assert (report.onto, report.trained_on) == ("original", "full")
    assert report.check.from_training == report.check.from_adapter
    with pytest.raises(DiversityEvalError, match="nothing to dequantise"):
        merge_adapter(adapter, tmp_path / "other", onto="dequantised", training=record)


def test_the_record_and_the_card_say_what_it_went_into(
    own_chat_checkpoint: Path, quantised: Quantised, adapter: Path, tmp_path: Path
) -> None:
    trained = copy(adapter, tmp_path / "adapter")
    write_model_card(trained, record_of({"quantization": "nf4", "loss_parameters": {"beta": 0.7}}))
    for onto, words in (
        ("original", "**the original weights in full precision**"),
        ("dequantised", "**the dequantised NF4 weights**"),
    ):
        folder = tmp_path / onto
        report = merge_adapter(trained, folder, base=str(quantised[0]), onto=onto)  # type: ignore[arg-type]
        record = read_record(folder)
        assert record is not None
        assert (record["kind"], record["onto"]) == ("merged", onto)
        assert record["check"]["from_training"] == report.check.from_training
        assert record["training"]["settings"]["loss"] == "tofu"
        card = (folder / "README.md").read_text(encoding="utf-8")
        assert words in card
        assert f"| {report.check.from_adapter:.4g} |" in card
        assert "TOFU (`gamma` 3.0, `beta` 0.7)" in card
        assert ("weights that it has not seen" in card) == (onto == "original")
        assert str(tmp_path) not in card.replace(str(own_chat_checkpoint), "").replace(str(quantised[0]), "")


def test_tokenizer_and_generation_settings_come_along(
    own_chat_checkpoint: Path, adapter: Path, tmp_path: Path
) -> None:
    from transformers import AutoTokenizer

    trained = copy(adapter, tmp_path / "adapter")
    template = "{% for m in messages %}{{ m.content }}{% endfor %}"
    (trained / "chat_template.jinja").write_text(template)
    (trained / "generation_config.json").write_text('{"eos_token_id": 5}')
    merge_adapter(trained, tmp_path / "merged")
    assert AutoTokenizer.from_pretrained(tmp_path / "merged").chat_template == template
    assert (tmp_path / "merged" / "generation_config.json").read_text() == '{"eos_token_id": 5}'
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "generation_config.json"):
        (trained / name).unlink(missing_ok=True)
    merge_adapter(trained, tmp_path / "again")
    for name in ("tokenizer.json", "chat_template.jinja", "generation_config.json"):
        assert (tmp_path / "again" / name).read_bytes() == (own_chat_checkpoint / name).read_bytes()


@pytest.mark.parametrize(
    "changes",
    [
        {"target_modules": ["q_proj", "embed_tokens"]},
        {"target_modules": ["q_proj", "lm_head"]},
        {"modules_to_save": ["lm_head"]},
        {"modules_to_save": ["embed_tokens"]},
        {"trainable_token_indices": {"embed_tokens": [5, 17]}},
        {"bias": "all"},
        {"bias": "lora_only"},
        {"use_dora": True},
        {"use_rslora": True},
        {"rank_pattern": {"q_proj": 9}, "alpha_pattern": {"k_proj": 3}},
        {"target_modules": ["down_proj"], "lora_dropout": 0.5},
    ],
    ids=lambda changes: "-".join(changes) + str(changes.get("target_modules", "")),
)
def test_every_kind_of_adapter(changes: dict[str, Any], own_chat_checkpoint: Path, tmp_path: Path) -> None:
    """The base ties its embeddings, which one that changes only one of them must part."""
    trained = build_adapter(own_chat_checkpoint, tmp_path / "adapter", **changes)
    report = merge_adapter(trained, tmp_path / "merged")
    wanted = adapter_logits(own_chat_checkpoint, trained)
    assert gap(plain_logits(own_chat_checkpoint), wanted) > 0.05
    assert gap(plain_logits(tmp_path / "merged"), wanted) < 1e-4
    tied = {"embed_tokens.weight", "lm_head.weight"} & {
        name.rpartition("model.")[2] for name in tensors(tmp_path / "merged" / "model.safetensors")
    }
    assert report.untied == (len(tied) == 2)


def test_a_vocabulary_that_training_enlarged(own_chat_checkpoint: Path, tmp_path: Path) -> None:
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(own_chat_checkpoint)
    tokenizer.add_tokens(["<|instruct|>", "<|response|>"])
    model = AutoModelForCausalLM.from_pretrained(own_chat_checkpoint, dtype=torch.float32)
    model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    adapted = get_peft_model(model, LoraConfig(target_modules="all-linear", task_type="CAUSAL_LM"))
    for parameter in adapted.parameters():
        parameter.data += 0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(3))
    adapted.save_pretrained(tmp_path / "adapter", save_embedding_layers=True)
    tokenizer.save_pretrained(tmp_path / "adapter")

    report = merge_adapter(tmp_path / "adapter", tmp_path / "merged")
    assert report.vocabulary == len(tokenizer)
    ids = tokenizer("<|instruct|>\nWhat would you do?<|response|>", return_tensors="pt").input_ids
    assert int(ids.max()) >= len(AutoTokenizer.from_pretrained(own_chat_checkpoint))
    merged = AutoModelForCausalLM.from_pretrained(tmp_path / "merged", dtype=torch.float32)
    # Norms and embeddings were changed in place above; of these only the embeddings are in the adapter.
    wanted = adapter_logits(own_chat_checkpoint, tmp_path / "adapter", vocabulary=len(tokenizer))
    assert gap(plain_logits(tmp_path / "merged"), wanted) < 1e-4
    assert merged(input_ids=ids).logits.shape[-1] == len(tokenizer)


def test_new_tokens_without_embeddings_are_refused(adapter: Path, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    trained = copy(adapter, tmp_path / "adapter")
    tokenizer = AutoTokenizer.from_pretrained(trained)
    tokenizer.add_tokens(["<|instruct|>"])
    tokenizer.save_pretrained(trained)
    with pytest.raises(DiversityEvalError, match="none come with the adapter for the new ones"):
        merge_adapter(trained, tmp_path / "merged")


def test_the_dtype_of_the_base_is_kept(own_chat_checkpoint: Path, adapter: Path, tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    base = copy(own_chat_checkpoint, tmp_path / "base")
    AutoModelForCausalLM.from_pretrained(base, dtype=torch.bfloat16).save_pretrained(base)
    rounded = merge_adapter(adapter, tmp_path / "bf16", base=str(base))
    exact = merge_adapter(adapter, tmp_path / "fp32", base=str(base), dtype="float32")
    for folder, dtype in (("bf16", torch.bfloat16), ("fp32", torch.float32)):
        assert {each.dtype for each in tensors(tmp_path / folder / "model.safetensors").values()} == {dtype}
        assert AutoModelForCausalLM.from_pretrained(tmp_path / folder).dtype == dtype
    assert (rounded.dtype, exact.dtype) == ("bfloat16", "float32")
    wanted = adapter_logits(base, adapter)
    assert gap(plain_logits(tmp_path / "fp32"), wanted) < 1e-5
    assert 1e-4 < gap(plain_logits(tmp_path / "bf16"), wanted) < 0.05
    assert exact.check.from_adapter < 1e-5 < 1e-4 < rounded.check.from_adapter < 0.05


def test_half_precision_rounds_once(own_chat_checkpoint: Path, adapter: Path, tmp_path: Path) -> None:
    """The sum is computed in float32: a delta that is rounded before it is added would be off by more."""
    import torch

    merge_adapter(adapter, tmp_path / "merged", dtype="bfloat16")
    base, merged = (
        tensors(folder / "model.safetensors") for folder in (own_chat_checkpoint, tmp_path / "merged")
    )
    parts = tensors(adapter / "adapter_model.safetensors")
    name = "model.layers.0.mlp.down_proj"
    down, up = (parts[f"base_model.model.{name}.lora_{which}.weight"].double() for which in "AB")
    wanted = (base[f"{name}.weight"].double() + 2 * up @ down).to(torch.bfloat16)
    equal = (merged[f"{name}.weight"] == wanted).double().mean()
    assert equal > 0.999


def test_gpt2_whose_weights_are_the_other_way_round(gpt2: Path, tmp_path: Path) -> None:
    trained = build_adapter(
        gpt2, tmp_path / "adapter", target_modules=["c_attn", "c_proj"], fan_in_fan_out=True
    )
    merge_adapter(trained, tmp_path / "plain")
    assert gap(plain_logits(tmp_path / "plain"), adapter_logits(gpt2, trained)) < 1e-4
    record = record_of({"quantization": "nf4", "dtype": "float32"})
    merge_adapter(trained, tmp_path / "merged", training=record)
    change_json(trained / "adapter_config.json", fan_in_fan_out=False)  # as bitsandbytes' layers hold them
    wanted = nf4_adapter_logits(gpt2, trained, quantise=True)
    assert gap(plain_logits(tmp_path / "merged"), wanted) < 1e-4
    assert gap(plain_logits(tmp_path / "merged"), plain_logits(tmp_path / "plain")) > 0.01


# What is refused


def test_where_the_original_weights_are_not_known(
    own_chat_checkpoint: Path, quantised: Quantised, adapter: Path, tmp_path: Path
) -> None:
    base = copy(quantised[0], tmp_path / "base")
    (base / "diversity_eval.json").unlink()
    with pytest.raises(
        DiversityEvalError, match="nothing says what it was quantised from; name the original"
    ):
        merge_adapter(adapter, tmp_path / "merged", base=str(base), onto="original")
    report = merge_adapter(adapter, tmp_path / "merged", base=str(own_chat_checkpoint), onto="original")
    assert report.base == str(own_chat_checkpoint)


def test_original_weights_that_are_others_now(quantised: Quantised, adapter: Path, tmp_path: Path) -> None:
    base = copy(quantised[0], tmp_path / "base")
    change_json(base / "diversity_eval.json", source_sha256={"model.safetensors": "0" * 64})
    with pytest.raises(DiversityEvalError, match="whose weights are others now"):
        merge_adapter(adapter, tmp_path / "merged", base=str(base), onto="original")
    change_json(base / "diversity_eval.json", model="/nowhere/base")
    with pytest.raises(DiversityEvalError, match="was quantised from /nowhere/base, which is not here"):
        merge_adapter(adapter, tmp_path / "merged", base=str(base), onto="original")


def spoil_kind(folder: Path) -> None:
    change_json(folder / "adapter_config.json", peft_type="PREFIX_TUNING")


def spoil_config(folder: Path) -> None:
    (folder / "adapter_config.json").write_text("[")


def spoil_no_config(folder: Path) -> None:
    (folder / "adapter_config.json").unlink()


def spoil_pickle(folder: Path) -> None:
    (folder / "adapter_model.safetensors").rename(folder / "adapter_model.bin")


def spoil_cut_off(folder: Path) -> None:
    whole = (folder / "adapter_model.safetensors").read_bytes()
    (folder / "adapter_model.safetensors").write_bytes(whole[:200])


def rewrite(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    from safetensors.torch import save_file

    weights = tensors(folder / "adapter_model.safetensors")
    change(weights)
    save_file(weights, folder / "adapter_model.safetensors", metadata={"format": "pt"})


NAME = "base_model.model.model.layers.0.mlp.up_proj.lora_B.weight"


def spoil_nan(folder: Path) -> None:
    rewrite(folder, lambda weights: weights[NAME].fill_(float("nan")))


def spoil_missing(folder: Path) -> None:
    rewrite(folder, lambda weights: weights.pop(NAME))


def spoil_surplus(folder: Path) -> None:
    rewrite(folder, lambda weights: weights.update({NAME.replace(".0.", ".7."): weights[NAME].clone()}))


def spoil_shape(folder: Path) -> None:
    rewrite(folder, lambda weights: weights.update({NAME: weights[NAME][:50].contiguous()}))


def spoil_no_base(folder: Path) -> None:
    change_json(folder / "adapter_config.json", base_model_name_or_path=None)


def spoil_base(folder: Path) -> None:
    change_json(folder / "adapter_config.json", base_model_name_or_path="/nowhere/base")


def spoil_record(folder: Path) -> None:
    (folder / "diversity_eval.json").write_text('{"format": 99}')


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (spoil_kind, "'PREFIX_TUNING'; only LoRA can be merged"),
        (spoil_config, "adapter_config.json cannot be read"),
        (spoil_no_config, "has no adapter_config.json"),
        (spoil_pickle, "has no adapter_model.safetensors; other formats are not read"),
        (spoil_cut_off, "adapter_model.safetensors cannot be read"),
        (spoil_nan, "cannot be merged: NaNs detected"),
        (spoil_missing, f"it has no weights for {NAME}"),
        (spoil_surplus, "the base has no place for base_model.model.model.layers.7.mlp.up_proj"),
        (spoil_shape, "does not fit the base"),
        (spoil_no_base, "names no base model; say which"),
        (spoil_base, "'/nowhere/base': there is no such folder"),
        (spoil_record, "is not a record of this version"),
    ],
)
def test_adapters_that_are_refused(
    spoil: Callable[[Path], None], says: str, adapter: Path, tmp_path: Path
) -> None:
    trained = copy(adapter, tmp_path / "adapter")
    spoil(trained)
    with pytest.raises(DiversityEvalError, match=says):
        merge_adapter(trained, tmp_path / "merged")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["adapter"]


def test_a_base_that_is_quantised_otherwise(own_chat_checkpoint: Path, adapter: Path, tmp_path: Path) -> None:
    base = copy(own_chat_checkpoint, tmp_path / "base")
    change_json(base / "config.json", quantization_config={"quant_method": "gptq", "bits": 4})
    with pytest.raises(DiversityEvalError, match=r"is quantised with gptq.*name the original weights"):
        merge_adapter(adapter, tmp_path / "merged", base=str(base))


def test_a_merge_that_came_out_wrong_is_not_kept(
    adapter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if the adapter had been left out."""

    def forget(adapted: Any, what: str) -> tuple[Any, bool]:
        return adapted.unload(), False

    monkeypatch.setattr(sys.modules["diversity_eval.training.checkpoints.merge"], "merge_into_base", forget)
    with pytest.raises(
        DiversityEvalError, match="more than rounding to float32 explains, so nothing was kept"
    ):
        merge_adapter(adapter, tmp_path / "merged")
    assert list(tmp_path.iterdir()) == []


def test_names_that_mean_nothing(adapter: Path, tmp_path: Path) -> None:
    with pytest.raises(DiversityEvalError, match="onto 'nf4': expected original or dequantised"):
        merge_adapter(adapter, tmp_path / "merged", onto="nf4")  # type: ignore[arg-type]
    with pytest.raises(DiversityEvalError, match="dtype 'int4': expected bfloat16"):
        merge_adapter(adapter, tmp_path / "merged", dtype="int4")  # type: ignore[arg-type]
    with pytest.raises(DiversityEvalError, match="there is no such folder"):
        merge_adapter(tmp_path / "nothing", tmp_path / "merged")


def test_it_may_go_into_the_adapter_s_folder_but_not_over_it(adapter: Path, tmp_path: Path) -> None:
    trained = copy(adapter, tmp_path / "adapter")
    merge_adapter(trained, trained / "merged")
    with pytest.raises(DiversityEvalError, match="is not empty"):
        merge_adapter(trained, trained / "merged")
    merge_adapter(trained, trained / "merged", overwrite=True)
    with pytest.raises(DiversityEvalError, match="holds what is being read"):
        merge_adapter(trained, trained, overwrite=True)
    assert (trained / "adapter_model.safetensors").is_file()
