"""What was written evaluates under real lm-eval, by the commands that the cards give."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from diversity_eval.training.checkpoints import merge_adapter, quantize, write_model_card
from tests.training.checkpoints.adapters import change_json, copy, record_of
from tests.training.checkpoints.greedy import hf_answers, write_greedy_task


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets.config

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "datasets")


@pytest.mark.usefixtures("cache")
def test_adapters_bases_and_merged_checkpoints_under_the_hf_model(
    own_chat_checkpoint: Path, adapter: Path, tmp_path: Path
) -> None:
    """Greedy answers to prompts in the chat template that the adapter's tokenizer carries."""
    task = write_greedy_task(tmp_path / "task")
    nf4 = tmp_path / "nf4"
    quantize(
        str(own_chat_checkpoint), nf4, dtype="float32"
    )  # computes in float32: no rounding between the two
    merge_adapter(adapter, tmp_path / "dequantised", base=str(nf4))
    merge_adapter(adapter, tmp_path / "original")
    answers = {
        "base": hf_answers(task, pretrained=str(own_chat_checkpoint)),
        "on base": hf_answers(
            task, pretrained=str(own_chat_checkpoint), peft=str(adapter), tokenizer=str(adapter)
        ),
        "nf4": hf_answers(task, pretrained=str(nf4)),
        "on nf4": hf_answers(task, pretrained=str(nf4), peft=str(adapter), tokenizer=str(adapter)),
        "merged": hf_answers(task, pretrained=str(tmp_path / "original")),
        "merged nf4": hf_answers(task, pretrained=str(tmp_path / "dequantised")),
    }
    assert answers["merged"] == answers["on base"]
    assert answers["merged nf4"] == answers["on nf4"]
    # Else these could pass for each other.
    assert answers["base"] != answers["on base"]
    assert answers["nf4"] != answers["on nf4"] != answers["on base"]
    assert hf_answers(task, chat=False, pretrained=str(tmp_path / "original")) != answers["merged"]


@pytest.mark.integration
def test_the_commands_of_an_adapter_s_card(
    own_chat_checkpoint: Path, adapter: Path, data_folder: Path, tmp_path: Path
) -> None:
    """As a reader would paste them, in the folder above: quantise the base, then evaluate the adapter on
    it.
    """
    copy(own_chat_checkpoint, tmp_path / "runs" / "base")
    trained = copy(adapter, tmp_path / "runs" / "tofu")
    change_json(trained / "adapter_config.json", base_model_name_or_path="base")
    write_model_card(trained, record_of({"model": "./base", "quantization": "nf4"}))
    card = (trained / "README.md").read_text(encoding="utf-8")
    block = re.search(r"on weights in NF4:\n\n```sh\n(.*?)```", card, re.DOTALL)
    assert block is not None
    make, run = (shlex.split(line) for line in block[1].replace("\\\n", " ").splitlines())
    assert (make[0], run[0]) == ("diversity-eval", "lm_eval")
    environment = {**os.environ, "DIVERSITY_EVAL_DATA": str(data_folder), "HF_HUB_OFFLINE": "1"}
    quick = "--limit 2 --device cpu --metadata num_samples=2,embeddings=none --gen_kwargs max_gen_toks=16"
    commands = (
        [sys.executable, "-c", "from diversity_eval.cli import main; main()", *make[1:]],
        [sys.executable, "-m", "lm_eval", *run[1:], *quick.split()],
    )
    for command in commands:
        finished = subprocess.run(
            command, cwd=tmp_path / "runs", env=environment, capture_output=True, text=True, timeout=900,
            check=False,
        )  # fmt: skip
        assert finished.returncode == 0, finished.stderr[-3000:]
    (log,) = (tmp_path / "runs").glob("results/*/samples_small_prompts_*.jsonl")
    rows = [json.loads(line) for line in log.read_text(encoding="utf-8").split("\n") if line]
    assert len(rows) == 2
    assert all("<|instruct|>" in str(row["arguments"]) for row in rows)
