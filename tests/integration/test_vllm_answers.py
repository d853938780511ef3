"""The first-token probe, coverage, attacks and options on real vLLM; the probe against `--model hf`."""

from pathlib import Path

import pytest
from lm_eval import simple_evaluate
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager

from tests.integration.test_vllm import ROOT, lm_eval, read, vllm_bin

pytestmark = pytest.mark.vllm
__all__ = ["vllm_bin"]  # a fixture

TASKS = {
    "first_token_probe": "entropy",
    "gsm8k_coverage": "coverage",
    "harmbench": "asr",
    "arc_challenge_label": "accuracy",
}


def test_all_kinds_of_answers_and_the_probe_as_with_hf(
    vllm_bin: Path, checkpoint: Path, data_folder: Path, tmp_path: Path
) -> None:
    arguments = f"--tasks {','.join(TASKS)} --model vllm --limit 4 --output_path {tmp_path} --log_samples"
    arguments += f" --model_args pretrained={checkpoint},enforce_eager=True,dtype=float32"
    arguments += " --gen_kwargs max_gen_toks=12"
    finished = lm_eval(vllm_bin, data_folder, arguments, tmp_path)
    assert finished.returncode == 0, finished.stderr[-3000:]
    results, responses = read(tmp_path, "gsm8k_coverage")
    assert [len(texts) for texts in responses] == [16] * 4
    for task, metric in TASKS.items():
        assert isinstance(results["results"][task][f"{metric},none"], float), task
    _, responses = read(tmp_path, "arc_challenge_label")
    assert [len(texts) for texts in responses] == [1] * 4

    by_hf = simple_evaluate(
        model=HFLM(pretrained=str(checkpoint), device="cpu", dtype="float32", batch_size=8),
        tasks=["first_token_probe"],
        task_manager=TaskManager(include_path=str(ROOT / "tasks"), include_defaults=False),
        limit=4,
    )
    expected, found = by_hf["results"]["first_token_probe"], results["results"]["first_token_probe"]
    for name in ("mass_right", "entropy", "kl_uniform", "mass_distractors", "mass_shared", "mass_rest"):
        assert found[f"{name},none"] == pytest.approx(expected[f"{name},none"], abs=1e-4, nan_ok=True)
