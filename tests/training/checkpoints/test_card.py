"""The card of a trained checkpoint: what it says, and what hostile values can't make of it."""

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from diversity_eval.training.checkpoints import (
    QuantizeReport,
    TrainingRecord,
    merge_adapter,
    read_record,
    write_model_card,
)
from tests.training.checkpoints.adapters import change_json, copy, record_of


def parts(folder: Path) -> tuple[dict[str, Any], str]:
    """The YAML head and the rest."""
    found = re.fullmatch(r"---\n(.*?)\n---\n\n?(.*)", (folder / "README.md").read_text("utf-8"), re.DOTALL)
    assert found is not None
    head = yaml.safe_load(found[1])
    assert isinstance(head, dict)
    return head, found[2]


def commands(card: str) -> Iterator[list[str]]:
    """Every command in a code block, as a shell would split it."""
    for block in re.findall(r"^```sh\n(.*?)^```$", card, re.DOTALL | re.MULTILINE):
        for command in block.replace("\\\n", " ").splitlines():
            yield shlex.split(command)


def model_arguments(card: str) -> list[tuple[str, dict[str, Any]]]:
    """Of each lm_eval command the model's kind and its arguments, as lm-eval reads them."""
    from lm_eval.utils import simple_parse_args_string

    found = []
    for command in commands(card):
        if command[0] == "lm_eval":
            kind = command[command.index("--model") + 1]
            found.append((kind, simple_parse_args_string(command[command.index("--model_args") + 1])))
    return found


def test_an_adapter_trained_on_nf4(adapter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = copy(adapter, Path("runs/tofu"))
    write_model_card(folder, record_of({"quantization": "nf4", "loss_parameters": {"gamma": 2, "beta": 0.6}}))
    head, card = parts(folder)
    assert head["base_model"] == "somebody/base"
    assert (head["base_model_relation"], head["library_name"]) == ("adapter", "peft")
    assert head["license"] == "other"
    assert {"loss-tofu", "lora", "qlora"} <= set(head["tags"])
    assert "A low-rank adapter (LoRA, rank 16, alpha 16) on its weights in NF4, of `somebody/base`" in card
    assert "TOFU (`gamma` 2.0, `beta` 0.6)" in card
    assert "-det(g) beta log p^b" in card
    for row in ("| rows read | 12 |", "| rows used | 9 |", "| left out: empty response | 3 |",
                "| used, but: response cut | 1 |", "| `seed` | `3407` |", "| peft | 0.21.2 |"):  # fmt: skip
        assert row in card
    assert "CPU, 2 threads" in card
    assert "no licence of it is known" in card
    assert "Check the base model's licence" in card
    assert ["diversity-eval", "quantize", "somebody/base", "--dtype", "float32", "-o", "base-nf4"] in list(
        commands(card)
    )
    assert model_arguments(card) == [
        ("hf", {"pretrained": "base-nf4", "peft": "runs/tofu", "tokenizer": "runs/tofu"}),
        ("hf", {"pretrained": "somebody/base", "peft": "runs/tofu", "tokenizer": "runs/tofu"}),
        ("vllm", {"pretrained": "somebody/base", "lora_local_path": "runs/tofu", "max_lora_rank": 8,
                  "tokenizer": "runs/tofu"}),
    ]  # fmt: skip


def test_on_a_base_that_is_in_nf4_itself(
    quantised: tuple[Path, QuantizeReport], adapter: Path, tmp_path: Path
) -> None:
    folder = copy(adapter, tmp_path / "tofu")
    write_model_card(folder, record_of({"model": str(quantised[0]), "quantization": "nf4"}))
    head, card = parts(folder)
    assert "base_model" not in head  # the Hub takes no path there
    assert model_arguments(card) == [
        ("hf", {"pretrained": str(quantised[0]), "peft": "tofu", "tokenizer": "tofu"})
    ]
    assert "vLLM reads NF4 only with its bitsandbytes plugin" in card


def test_full_precision_a_revision_and_the_licence_of_the_base(
    adapter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub

    card_of_base = tmp_path / "cached" / "README.md"
    card_of_base.parent.mkdir()
    card_of_base.write_text("---\nlicense: llama3.1\nlicense_link: https://host/terms\n---\n")
    monkeypatch.setattr(
        huggingface_hub, "try_to_load_from_cache", lambda name, file, revision=None: str(card_of_base)
    )
    folder = copy(adapter, tmp_path / "ce")
    settings = {"quantization": "none", "loss": "ce", "revision": "v2", "dataset": "somebody/rows"}
    write_model_card(folder, record_of(settings))
    head, card = parts(folder)
    assert (head["license"], head["datasets"]) == ("llama3.1", ["somebody/rows"])
    assert "its card says `llama3.1`" in card
    assert [arguments["revision"] for _, arguments in model_arguments(card)] == ["v2", "v2"]
    assert "on its weights in NF4" not in card
    assert "quantize" not in [word for command in commands(card) for word in command]


def test_a_model_all_of_whose_weights_were_trained(tmp_path: Path) -> None:
    write_model_card(tmp_path, record_of({"lora": False, "quantization": "none"}))
    head, card = parts(tmp_path)
    assert (head["library_name"], head["base_model_relation"]) == ("transformers", "finetune")
    assert [kind for kind, _ in model_arguments(card)] == ["hf", "vllm"]
    assert "All weights of `somebody/base`" in card
    record = read_record(tmp_path)
    assert record is not None
    assert record["kind"] == "model"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"modules_to_save": ["lm_head"]}, "trained whole layers"),
        ({"use_dora": True}, "DoRA"),
        ({"bias": "all"}, "biases"),
        ({"r": 600}, "so high a rank"),
        ({"trainable_token_indices": [1]}, "single tokens"),
    ],
)
def test_adapters_that_vllm_does_not_load(
    changes: dict[str, Any], said: str, adapter: Path, tmp_path: Path
) -> None:
    folder = copy(adapter, tmp_path / "adapter")
    change_json(folder / "adapter_config.json", **changes)
    write_model_card(folder, record_of({"quantization": "none"}))
    _, card = parts(folder)
    assert [kind for kind, _ in model_arguments(card)] == ["hf"]
    assert re.search(f"vLLM loads no adapter with .*{said}", card)


@pytest.mark.parametrize(("rank", "most"), [(1, 1), (4, 8), (16, 16), (17, 32), (256, 256), (300, 320)])
def test_vllm_is_told_a_rank_that_it_knows(rank: int, most: int, adapter: Path, tmp_path: Path) -> None:
    folder = copy(adapter, tmp_path / "adapter")
    change_json(folder / "adapter_config.json", r=1, rank_pattern={"q_proj": rank})
    write_model_card(folder, record_of({"quantization": "none"}))
    assert model_arguments(parts(folder)[1])[-1][1]["max_lora_rank"] == most


def test_the_merge_is_told(adapter: Path, tmp_path: Path) -> None:
    folder = copy(adapter, tmp_path / "adapter")
    record = record_of({"quantization": "nf4"})
    merged = merge_adapter(folder, folder / "merged", onto="original", training=record)
    write_model_card(folder, replace(record, merged=merged.as_record()))
    _, card = parts(folder)
    assert "In `merged`. \nThe original weights in full precision: asked for." in card
    assert f"| {merged.check.from_training:.4g} |" in card
    assert ("vllm", {"pretrained": "adapter/merged"}) in model_arguments(card)
    found = read_record(folder)
    assert found is not None
    assert found["training"]["merged"]["check"]["effect"] == merged.check.effect


NASTY = [
    "a: b\n---\nlicense: mit\n---\n# Free", "`rm -rf ~`", "x|y|z", "</td><script>alert(1)</script>",
    "![i](http://h/x.png)", "$(touch x); #", "\u202eevil\x00\x1b[31m", "lone \ud800 half", "'\"`````",
]  # fmt: skip


@pytest.mark.parametrize("nasty", NASTY)
def test_hostile_values_stay_values(nasty: str, adapter: Path, tmp_path: Path) -> None:
    from markdown_it import MarkdownIt

    folder = copy(adapter, tmp_path / "adapter")
    fields: dict[str, Any] = {"model": nasty, "dataset": nasty, "loss": nasty, "quantization": "nf4"}
    record = replace(
        record_of(fields),
        results={nasty: nasty}, hardware=nasty, versions={nasty: nasty}, license_notes=[nasty],
        provenance={"source": nasty, "location": nasty, "license": nasty},
        data_report={"read": 1, "used": 1, "left_out": {nasty: 1}},
    )  # fmt: skip
    write_model_card(folder, record)
    write_model_card(tmp_path, record_of({"quantization": "nf4"}))
    head, card = parts(folder)
    assert head["license"] == "other"
    parser = MarkdownIt("commonmark", {"html": True}).enable("table")
    kinds = [
        (token.type, token.tag)
        for outer in parser.parse(card)
        for token in (outer, *(outer.children or ()))
        if token.type not in ("text", "softbreak", "code_inline")
    ]
    assert not {"html_block", "html_inline", "image", "link_open"} & {kind for kind, _ in kinds}
    headings = [line for kind, line in kinds if kind == "heading_open"]
    plain = [token.tag for token in parser.parse(parts(tmp_path)[1]) if token.type == "heading_open"]
    assert headings == plain
    for command in commands(card):  # nothing that a value says becomes a word of its own or another command
        assert command[0] in ("lm_eval", "diversity-eval")
        assert "--model_args" not in command or len(command) == 11


def test_secrets_are_left_out(tmp_path: Path) -> None:
    record = record_of({"quantization": "none", "model": "https://me:pass@host/base", "lora": False})
    record = replace(
        record, results={"api_key": "sk-1"}, provenance={"location": "https://u:tok@host/rows.jsonl"}
    )
    write_model_card(tmp_path, record)
    for name in ("README.md", "diversity_eval.json"):
        content = (tmp_path / name).read_text(encoding="utf-8")
        for secret in ("sk-1", "pass@", "tok@"):
            assert secret not in content


def test_numbers_that_json_lacks(tmp_path: Path) -> None:
    record: TrainingRecord = replace(
        record_of({"lora": False, "quantization": "none"}), results={"loss": float("nan"), "n": float("-inf")}
    )
    write_model_card(tmp_path, record)
    content = (tmp_path / "diversity_eval.json").read_text(encoding="utf-8")
    found = json.loads(content, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert found["training"]["results"] == {"loss": "nan", "n": "-inf"}


def test_a_loss_of_a_user_s_own(tmp_path: Path) -> None:
    settings = {
        "lora": False, "quantization": "none", "loss": "mine.py:loss", "loss_parameters": {"strength": 2.5}
    }  # fmt: skip
    write_model_card(tmp_path, record_of(settings))
    _, card = parts(tmp_path)
    assert "the loss `mine.py:loss` (`strength` 2.5)" in card
    assert "Defined outside of this package" in card


def test_the_weights_get_the_permissions_of_other_files(adapter: Path, tmp_path: Path) -> None:
    folder = copy(adapter, tmp_path / "adapter")
    (folder / "adapter_model.safetensors").chmod(0o600)
    write_model_card(folder, record_of({"quantization": "none"}))
    assert (folder / "adapter_model.safetensors").stat().st_mode & 0o777 == (
        folder / "README.md"
    ).stat().st_mode & 0o777
