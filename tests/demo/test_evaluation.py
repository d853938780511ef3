"""The lm_eval commands of the demo, and reading what they write."""

import argparse
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest

from diversity_eval.demo.evaluation import evaluate, lm_eval_arguments, read_evaluation, shown_command
from diversity_eval.errors import DiversityEvalError
from tests.demo.evaluations import an_evaluation
from tests.logs.lm_eval_runs import demo_run, own_run


def as_lm_eval_reads(arguments: list[str]) -> argparse.Namespace:
    from lm_eval._cli.run import Run

    parser = argparse.ArgumentParser()
    Run.create(parser.add_subparsers())
    return parser.parse_args(["run", *arguments])


@pytest.mark.parametrize("folder", ["/cache/model", "/a,b/it's=[1]/{x}", "/with space/m"])
def test_lm_eval_reads_the_folders_back(folder: str) -> None:
    arguments = lm_eval_arguments(Path(folder), Path(folder, "adapter"), Path(folder, "out"), 7)
    parsed = as_lm_eval_reads(arguments)
    assert parsed.model_args == {
        "pretrained": folder,
        "peft": f"{folder}/adapter",
        "tokenizer": f"{folder}/adapter",
        "dtype": "float32",
    }
    assert parsed.output_path == f"{folder}/out"
    assert parsed.metadata == {"num_samples": 7}
    assert parsed.log_samples is True


def test_the_base_model_has_no_adapter() -> None:
    parsed = as_lm_eval_reads(lm_eval_arguments(Path("/m"), None, Path("out"), 2))
    assert parsed.model_args == {"pretrained": "/m", "dtype": "float32"}


def test_a_shell_reads_the_shown_command_back() -> None:
    arguments = ["--model_args", 'it\'s "here"', "--log_samples"]
    assert shlex.split(shown_command("lm_eval", arguments)) == ["OMP_NUM_THREADS=1", "lm_eval", *arguments]


def run_that(monkeypatch: pytest.MonkeyPatch, code: int) -> list[dict[str, Any]]:
    calls: list[dict[str, Any]] = []

    def run(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        calls.append({"command": command, **options})
        return subprocess.CompletedProcess(command, code, "", "Traceback ...\nOSError: no such model")

    monkeypatch.setattr(subprocess, "run", run)
    return calls


def test_an_lm_eval_that_fails_is_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = run_that(monkeypatch, 1)
    with pytest.raises(DiversityEvalError, match=r"lm_eval failed.*\n.*\nOSError: no such model"):
        evaluate(["--model", "hf"], tmp_path)
    assert calls[0]["command"][1:] == ["-m", "lm_eval", "run", "--model", "hf"]
    assert calls[0]["env"]["OMP_NUM_THREADS"] == "1"


def test_results_of_an_earlier_run_are_not_taken_for_new_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "results_2026-01-01T00-00-00.000000.json").write_text("{}", encoding="utf-8")
    run_that(monkeypatch, 0)
    with pytest.raises(DiversityEvalError, match="lm_eval wrote no results below"):
        evaluate([], tmp_path)


def test_a_real_results_file(checkpoint: Path) -> None:
    (results_file,) = demo_run(checkpoint).glob("results_*.json")
    evaluation = read_evaluation(results_file)
    for task in ("demo_stories", "demo_prompts"):
        prompts = evaluation.runs[task].prompts
        values = [prompt.metrics["mean_words"] for prompt in prompts]
        assert len(prompts) == 4
        assert evaluation.value(task, "mean_words") == pytest.approx(sum(values) / 4)
        assert evaluation.value(task, "mean_words", "_stderr") is not None
        assert all(len(prompt.responses) == 2 for prompt in prompts)


def test_a_results_file_of_other_tasks(checkpoint: Path) -> None:
    (results_file,) = own_run(checkpoint).glob("results_*.json")
    with pytest.raises(DiversityEvalError, match="no results of demo_stories"):
        read_evaluation(results_file)


def test_what_is_no_number_is_none() -> None:
    evaluation = an_evaluation({"self_bleu": [float("nan"), 1.0]})
    assert evaluation.value("demo_stories", "self_bleu") is None
    assert evaluation.value("demo_stories", "self_bleu", "_stderr") == 0.25
    assert evaluation.value("demo_stories", "vendi_score") is None
    assert evaluation.results["demo_prompts"]["self_bleu,none"] is None
