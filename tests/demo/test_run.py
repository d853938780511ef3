"""The order of the demo's work, with the work itself left out."""

import threading
from pathlib import Path
from typing import Any

import pytest

from diversity_eval.demo import run as module
from diversity_eval.demo.run import DemoRun
from diversity_eval.errors import DiversityEvalError
from tests.demo.evaluations import an_evaluation

EVALUATION = an_evaluation({"self_bleu": [1.0, 2.0]})


@pytest.fixture
def evaluated(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    calls: list[list[str]] = []

    def evaluate(arguments: list[str], output: Path) -> Any:
        assert arguments[arguments.index("--output_path") + 1] == str(output)
        calls.append(arguments)
        return EVALUATION

    monkeypatch.setattr(module, "evaluate", evaluate)
    return calls


def test_what_is_shown_is_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, evaluated: list[list[str]]
) -> None:
    trained: list[Any] = []
    monkeypatch.setattr(module, "train_version", lambda *arguments: trained.append(arguments))
    model = tmp_path / "demo-model-1"
    run = DemoRun(tmp_path / "out", 3)
    assert run.row_count == len(run.rows.read_text(encoding="utf-8").splitlines())
    result = run.carry_out(model)
    assert list(result.evaluations) == list(run.evaluation_commands(model)) == ["base", "ce", "tofu"]
    assert trained == [(name, model, run.rows, run.adapters[name]) for name in ("ce", "tofu")]
    assert sorted(evaluated) == sorted(run.evaluation_commands(model).values())
    assert list(run.training_commands(model)) == list(result.trained) == ["ce", "tofu"]


def test_without_the_trainer_the_base_is_evaluated_and_nothing_else_written(
    tmp_path: Path, evaluated: list[list[str]]
) -> None:
    run = DemoRun(tmp_path / "out", 3, fine_tune=False)
    result = run.carry_out(tmp_path / "m")
    assert list(result.evaluations) == ["base"]
    assert not result.trained
    assert not run.training_commands(tmp_path / "m")
    assert not (tmp_path / "out").exists()


def test_an_output_with_something_else_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    (tmp_path / "checkpoints" / "tofu").mkdir(parents=True)
    (tmp_path / "checkpoints" / "tofu" / "adapter_model.safetensors").write_bytes(b"a week of work")
    with pytest.raises(DiversityEvalError, match="tofu: holds something"):
        DemoRun(tmp_path, 3)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoints"]


def test_an_evaluation_that_fails_ends_the_demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(arguments: list[str], output: Path) -> Any:
        raise DiversityEvalError(f"lm_eval failed: {output.name}")

    monkeypatch.setattr(module, "evaluate", fail)
    monkeypatch.setattr(module, "train_version", lambda *arguments: None)
    with pytest.raises(DiversityEvalError, match=r"lm_eval failed: (base|ce|tofu)"):
        DemoRun(tmp_path / "out", 3).carry_out(tmp_path / "m")


def test_a_version_is_trained_while_the_base_is_evaluated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = threading.Event()

    def wait_for_training(arguments: list[str], output: Path) -> Any:
        assert training.wait(30)
        return EVALUATION

    monkeypatch.setattr(module, "evaluate", wait_for_training)
    monkeypatch.setattr(module, "train_version", lambda *arguments: training.set())
    assert DemoRun(tmp_path / "out", 3).carry_out(tmp_path / "m").evaluations


def test_training_that_fails_starts_no_further_evaluation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, evaluated: list[list[str]]
) -> None:
    def fail(*arguments: Any) -> Any:
        raise DiversityEvalError("the loss is not finite")

    monkeypatch.setattr(module, "train_version", fail)
    with pytest.raises(DiversityEvalError, match="not finite"):
        DemoRun(tmp_path / "out", 3).carry_out(tmp_path / "m")
    assert len(evaluated) <= 1
