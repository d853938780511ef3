import json
from pathlib import Path

import pytest

from diversity_eval.report.checkpoints import (
    checkpoint_of,
    loss_of_name,
    model_arguments,
    model_of_name,
    training_of,
)


@pytest.mark.parametrize(
    ("name", "loss", "model"),
    [
        ("qwen3-8b-tofu", "tofu", "qwen3-8b"),
        ("Mistral-Nemo-12B/CE", "ce", "Mistral-Nemo-12B"),
        ("runs/focal/llama_gem", "gem", "runs/llama"),
        ("phi-4 (λ-PR)", "pr", "phi-4"),
        ("fl-gamma3", "focal", "fl-gamma3"),
        ("tofu-gamma3-beta0.8", "tofu", "tofu-gamma3-beta0.8"),
        ("llama-base", "base", "llama"),
        ("Qwen3-8B", None, "Qwen3-8B"),
        ("france-price", None, "france-price"),  # "ce" and "pr" inside words
        ("database", None, "database"),
        ("", None, ""),
    ],
)
def test_a_loss_in_a_name_stands_by_itself(name: str, loss: str | None, model: str) -> None:
    assert loss_of_name(name) == loss
    assert model_of_name(name) == model


def test_parameters_in_a_name() -> None:
    training = training_of("mistral-tofu-gamma=5-beta0.6")
    assert (training.loss, training.parameters) == ("tofu", {"gamma": 5.0, "beta": 0.6})
    assert training_of("mistral-tofu_g2_b0.9").parameters == {"gamma": 2.0, "beta": 0.9}
    # A model's size is no parameter of a loss.
    assert training_of("gemma-2b-tofu").parameters == {}
    assert training_of("model-gamma3").parameters == {}


@pytest.mark.parametrize(
    "given",
    [
        {"pretrained": "org/m", "dtype": "auto"},
        "pretrained=org/m,dtype=auto",
        '{"pretrained": "org/m", "dtype": "auto"}',
    ],
)
def test_model_args_in_every_form_that_lm_eval_writes(given: object) -> None:
    assert model_arguments({"config": {"model_args": given}}) == {"pretrained": "org/m", "dtype": "auto"}
    assert checkpoint_of({"config": {"model_args": given}, "model_name": "other"}) == "org/m"


@pytest.mark.parametrize("given", [None, 3, [], "", "[1]", "[" * 100_000])
def test_model_args_of_no_form_are_none(given: object) -> None:
    assert model_arguments({"config": {"model_args": given}}) == {}
    assert checkpoint_of({"config": {"model_args": given}, "model_name": "m"}) == "m"
    assert checkpoint_of({}) == ""


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"training": 3}', '{"training": {"settings": {"loss": "evil"}}}']
)
def test_a_damaged_training_record_is_as_none(tmp_path: Path, content: str) -> None:
    folder = tmp_path / "x-gem"
    folder.mkdir()
    (folder / "diversity_eval.json").write_text(content)
    assert training_of(str(folder)).loss == "gem"


def test_odd_parameters_of_a_record_are_left_out(tmp_path: Path) -> None:
    settings = {
        "loss": "tofu",
        "loss_parameters": {"beta": "x", "gamma": True, "other": float("nan"), "lam": 1},
    }
    (tmp_path / "diversity_eval.json").write_text(json.dumps({"training": {"settings": settings}}))
    assert training_of(str(tmp_path)).parameters == {"gamma": 3.0, "beta": 0.8, "lam": 1.0}
