"""The whole suite in one command: plain `lm_eval`, a small checkpoint, all real benchmarks."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import build_checkpoint

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, data_folder: Path) -> Any:
    """What `lm_eval --tasks diversity_suite --limit 2` writes."""
    folder = tmp_path_factory.mktemp("suite")
    # To its tokenizer a word is many tokens, so some questions of MMLU are long.
    build_checkpoint(folder / "tiny", context=8192, own_template=True)
    command = [
        sys.executable, "-m", "lm_eval", "--include_path", str(ROOT / "tasks"), "--tasks", "diversity_suite",
        "--limit", "2", "--model", "hf", "--model_args", "pretrained=tiny,dtype=float32", "--device", "cpu",
        "--batch_size", "32", "--gen_kwargs", "max_gen_toks=16",
        "--metadata", "classifier=none,reward=none,embeddings=none", "--output_path", "out",
    ]  # fmt: skip
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "DIVERSITY_EVAL_DATA": str(data_folder)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(next((folder / "out").glob("*/results_*.json")).read_text(encoding="utf-8"))


@pytest.mark.integration
def test_every_benchmark_has_its_own_results(run: Any) -> None:
    results = run["results"]
    wanted = {
        "short_stories": "self_bleu",
        "small_prompts_512": "self_bleu",
        "novelty_bench_wildchat": "self_bleu",
        "math500_coverage": "coverage",
        "gsm8k_coverage": "pass_at_16",
        "minerva_math_coverage": "majority_vote",
        "malicious_instruct": "asr",
        "harmbench": "asr_worst",
        "arc_challenge_label": "accuracy",
        "mmlu_label_virology": "accuracy_macro",
        "first_token_probe": "entropy",
    }
    for task, metric in wanted.items():
        assert isinstance(results[task][f"{metric},none"], float), task
        assert run["n-samples"][task]["effective"] == 2
    assert len(run["configs"]) == 11 + 3 + 57 + 1  # 5 creative lengths and kinds more, 57 subjects


@pytest.mark.integration
def test_means_are_of_like_things(run: Any) -> None:
    results = run["results"]
    assert not any("," in key for key in results["diversity_suite"])
    math = [results[f"{name}_coverage"]["coverage,none"] for name in ("math500", "gsm8k", "minerva_math")]
    assert results["math_coverage"]["coverage,none"] == pytest.approx(sum(math) / 3)
    safety = [results[name]["asr,none"] for name in ("malicious_instruct", "harmbench")]
    assert results["safety_asr"]["asr,none"] == pytest.approx(sum(safety) / 2)
    subjects = [name for name in run["configs"] if name.startswith("mmlu_label_")]
    assert len(subjects) == 57
    mean = sum(results[name]["accuracy,none"] for name in subjects) / 57  # two questions each: micro is macro
    for metric in ("accuracy", "accuracy_macro"):
        assert results["mmlu_label"][f"{metric},none"] == pytest.approx(mean)
    assert "self_bleu,none" not in results["safety_asr"]


@pytest.mark.integration
def test_fewer_new_tokens_than_asked_for_are_in_no_prompt_s_place(run: Any) -> None:
    for task, config in run["configs"].items():
        record = config["metadata"]["diversity_eval"]
        if task != "first_token_probe":
            assert record["generation"]["max_gen_toks"] == 16
            assert record["documents_with_fewer_new_tokens"] == {}
