"""An adapter and its merged checkpoint on real vLLM, against the same adapter under lm-eval's hf model."""

import json
from pathlib import Path

import pytest

from diversity_eval.training.checkpoints import merge_adapter
from tests.integration.test_vllm import lm_eval, vllm_bin
from tests.training.checkpoints.adapters import build_adapter
from tests.training.checkpoints.greedy import answers_of, hf_answers, write_greedy_task

assert vllm_bin  # the fixture, found by its name
pytestmark = pytest.mark.vllm


def vllm_answers(vllm_bin: Path, data: Path, task: Path, folder: Path, arguments: str) -> list[str]:
    """The answers of `lm_eval --model vllm`, in float32, to prompts in the tokenizer's chat template."""
    folder.mkdir()
    command = (
        f"--model vllm --model_args {arguments},dtype=float32,enforce_eager=True --include_path {task} "
        "--tasks own_greedy --apply_chat_template --output_path . --log_samples"
    )
    finished = lm_eval(vllm_bin, data, command, folder)
    assert finished.returncode == 0, finished.stderr[-3000:]
    (log,) = folder.glob("*/samples_own_greedy_*.jsonl")
    return answers_of([json.loads(line) for line in log.read_text(encoding="utf-8").split("\n") if line])


def test_an_adapter_and_its_merged_checkpoint(
    vllm_bin: Path,
    own_chat_checkpoint: Path,
    data_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import datasets.config

    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "datasets"))
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "datasets")
    task = write_greedy_task(tmp_path / "task")
    # Above 16, which `max_lora_rank` is unless it is given; 20 is none that vLLM knows.
    adapter = build_adapter(own_chat_checkpoint, tmp_path / "adapter", r=20, lora_alpha=40)
    merge_adapter(adapter, tmp_path / "merged")
    base = f"pretrained={own_chat_checkpoint}"
    with_adapter = f"{base},lora_local_path={adapter},tokenizer={adapter},max_lora_rank=32"
    expected = hf_answers(
        task, pretrained=str(own_chat_checkpoint), peft=str(adapter), tokenizer=str(adapter)
    )
    assert expected != hf_answers(task, pretrained=str(own_chat_checkpoint))
    assert vllm_answers(vllm_bin, data_folder, task, tmp_path / "lora", with_adapter) == expected
    plain = f"pretrained={tmp_path / 'merged'}"
    assert vllm_answers(vllm_bin, data_folder, task, tmp_path / "plain", plain) == expected
