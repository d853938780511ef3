import importlib.util
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from diversity_eval.errors import DiversityEvalError
from diversity_eval.training.loading import adapter_config, check_extra, load_base, load_tokenizer
from diversity_eval.training.settings import TrainSettings


def settings(model: Path | str, **changes: Any) -> TrainSettings:
    return TrainSettings(model=str(model), dataset="alpaca", **{"quantization": "none", **changes})


def changed(checkpoint: Path, folder: Path, **config: Any) -> Path:
    """A copy of the checkpoint with other values in its config.json (None: left out)."""
    shutil.copytree(checkpoint, folder)
    path = folder / "config.json"
    values = {**json.loads(path.read_text(encoding="utf-8")), **config}
    path.write_text(json.dumps({key: value for key, value in values.items() if value is not None}))
    return folder


@pytest.mark.parametrize("name", ["/no/such/model", "./missing", "../missing", "~/no such model", "a/b/c"])
@pytest.mark.parametrize("load", [load_base, load_tokenizer])
def test_a_folder_that_is_not_there(name: str, load: Any) -> None:
    with pytest.raises(DiversityEvalError, match=rf"^model {name}: there is no such folder$"):
        load(settings(name))


def test_a_folder_without_a_model(tmp_path: Path, checkpoint: Path) -> None:
    with pytest.raises(DiversityEvalError, match="no configuration loads"):
        load_base(settings(tmp_path))
    with pytest.raises(DiversityEvalError, match="no tokenizer loads"):
        load_tokenizer(settings(tmp_path))
    folder = changed(checkpoint, tmp_path / "copy")
    (folder / "model.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0garbage!")
    with pytest.raises(DiversityEvalError, match="does not load") as caught:
        load_base(settings(folder))
    assert "\n" not in str(caught.value)
    (folder / "model.safetensors").unlink()
    with pytest.raises(DiversityEvalError, match="does not load"):
        load_base(settings(folder))


def test_a_pickle_is_no_model(tmp_path: Path, checkpoint: Path) -> None:
    folder = changed(checkpoint, tmp_path / "copy")
    (folder / "model.safetensors").unlink()

    class Harm:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "harmed",))

    torch.save({"harm": Harm()}, folder / "pytorch_model.bin")
    with pytest.raises(DiversityEvalError, match="does not load"):
        load_base(settings(folder))
    assert not (tmp_path / "harmed").exists()


def test_a_model_with_code_of_its_own_is_not_run(tmp_path: Path, checkpoint: Path) -> None:
    own = {"AutoConfig": "own.OwnConfig", "AutoModelForCausalLM": "own.OwnModel"}
    folder = changed(checkpoint, tmp_path / "copy", model_type="own", auto_map=own)
    (folder / "own.py").write_text(f"open({str(tmp_path / 'harmed')!r}, 'w')\n")
    with pytest.raises(DiversityEvalError, match="no configuration loads"):
        load_base(settings(folder))
    assert not (tmp_path / "harmed").exists()


def test_weights_that_are_missing(tmp_path: Path, checkpoint: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = changed(checkpoint, tmp_path / "copy")
    weights = load_file(folder / "model.safetensors")
    del weights["model.norm.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(
        DiversityEvalError, match=r"has no weights for model\.norm\.weight; expected a causal"
    ):
        load_base(settings(folder))


@pytest.mark.parametrize(
    ("stored", "message"),
    [
        ({"quant_method": "gptq", "bits": 4}, "is quantised with gptq; expected full precision, or NF4 as"),
        (
            {"quant_method": "bitsandbytes", "load_in_8bit": True},
            "is quantised with bitsandbytes; expected full",
        ),
    ],
)
def test_another_quantisation_is_refused(
    tmp_path: Path, checkpoint: Path, stored: dict[str, Any], message: str
) -> None:
    folder = changed(checkpoint, tmp_path / "copy", quantization_config=stored)
    with pytest.raises(DiversityEvalError, match=message):
        load_base(settings(folder, quantization="nf4"))


def test_a_base_in_nf4_is_trained_as_such_or_not_at_all(tmp_path: Path, checkpoint: Path) -> None:
    loaded = load_base(settings(checkpoint, quantization="nf4"))
    assert not loaded.was_quantised
    assert loaded.model.is_loaded_in_4bit
    loaded.model.save_pretrained(tmp_path)
    again = load_base(settings(tmp_path, quantization="nf4"))
    assert again.was_quantised
    first, second = (dict(each.model.named_parameters()) for each in (loaded, again))
    assert all(torch.equal(value, second[name]) for name, value in first.items())
    with pytest.raises(
        DiversityEvalError, match="is NF4 already; say quantization nf4, or name the original"
    ):
        load_base(settings(tmp_path))


def test_the_dtype_that_weights_are_held_in(checkpoint: Path) -> None:
    assert load_base(settings(checkpoint)).model.dtype == torch.float32
    assert load_base(settings(checkpoint, dtype="bfloat16")).model.dtype == torch.bfloat16
    # what is trained itself is held in full precision
    assert load_base(settings(checkpoint, dtype="bfloat16", lora=False)).model.dtype == torch.float32


def test_attention_with_a_soft_cap_is_computed_with_it(tmp_path: Path) -> None:
    from tests.training.architectures import build

    build("gemma 2, soft caps").save_pretrained(tmp_path)
    assert load_base(settings(tmp_path)).model.config._attn_implementation == "eager"


def test_the_adapter_is_on_all_layers_but_the_output_layer(checkpoint: Path) -> None:
    from peft import get_peft_model

    config = adapter_config(settings(checkpoint, lora_rank=3, lora_alpha=5, lora_dropout=0.25))
    assert (config.r, config.lora_alpha, config.lora_dropout, config.bias) == (3, 5, 0.25, "none")
    model = get_peft_model(load_base(settings(checkpoint)).model, config)
    trained = {name.split(".")[-4] for name, p in model.named_parameters() if p.requires_grad}
    assert trained == {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}
    assert adapter_config(settings(checkpoint, lora=False)) is None


def test_a_library_that_is_missing_is_named(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    gone = {"peft", "bitsandbytes"}
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in gone else find(name))
    with pytest.raises(
        DiversityEvalError, match=r"training needs peft, bitsandbytes, which are not installed: pip"
    ):
        check_extra(settings(checkpoint, quantization="nf4"))
    with pytest.raises(
        DiversityEvalError, match=r"needs peft, which is not installed: pip install 'diversity-eval\["
    ):
        check_extra(settings(checkpoint))
