import importlib.util
from pathlib import Path
from typing import Any

import pytest

from diversity_eval.errors import DiversityEvalError
from diversity_eval.training.arguments import check_reporters, training_arguments
from diversity_eval.training.settings import TrainSettings

pytestmark = pytest.mark.xdist_group("trainer")


def arguments(**changes: Any) -> Any:
    return training_arguments(TrainSettings(model="m", dataset="alpaca", **changes), Path("out"))


def test_the_settings_arrive() -> None:
    found = arguments(
        batch_size=3, accumulation=5, epochs=2.5, learning_rate=1e-3, schedule="cosine", warmup_steps=7,
        weight_decay=0.2, max_grad_norm=0.3, neftune_alpha=5.0, gradient_checkpointing=False, seed=9,
        log_steps=6, save_steps=11, max_length=77, packing=True, dtype="bfloat16", max_steps=99,
    )  # fmt: skip
    expected = {
        "per_device_train_batch_size": 3, "gradient_accumulation_steps": 5, "num_train_epochs": 2.5,
        "learning_rate": 1e-3, "warmup_steps": 7, "weight_decay": 0.2, "max_grad_norm": 0.3,
        "neftune_noise_alpha": 5.0, "gradient_checkpointing": False, "seed": 9, "logging_steps": 6,
        "save_steps": 11, "max_length": 77, "packing": True, "bf16": True, "max_steps": 99,
        "output_dir": "out/checkpoints", "report_to": [], "average_tokens_across_devices": True,
    }  # fmt: skip
    assert {name: getattr(found, name) for name in expected} == expected
    assert (found.lr_scheduler_type.value, found.save_strategy.value) == ("cosine", "steps")


def test_the_defaults_of_a_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    found = arguments()
    assert (str(found.optim.value), found.bf16, found.max_steps) == ("adamw_torch", False, -1)
    assert (found.save_strategy.value, found.save_steps) == ("steps", 200)
    for never in (0, None):
        assert arguments(save_steps=never).save_strategy.value == "no"
    with pytest.raises(DiversityEvalError, match="paged_adamw_8bit needs CUDA; use adamw_torch, or auto"):
        arguments(optimizer="paged_adamw_8bit")


def test_no_reporter_is_asked_for() -> None:
    check_reporters(())


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("wandbb", r"report_to: there is no reporter 'wandbb'; did you mean wandb\?"),
        ("xyz", "report_to: there is no reporter 'xyz'; expected azure_ml, .*wandb"),
    ],
)
def test_a_reporter_that_does_not_exist(name: str, message: str) -> None:
    with pytest.raises(DiversityEvalError, match=message):
        check_reporters((name,))


@pytest.mark.parametrize(("name", "package"), [("tensorboard", "tensorboard"), ("comet_ml", "comet-ml")])
def test_a_reporter_whose_library_is_missing(name: str, package: str) -> None:
    if importlib.util.find_spec(name) is not None:
        pytest.skip(f"{name} is installed here")
    with pytest.raises(
        DiversityEvalError, match=rf"^report_to {name}: cannot be used \(.*\); pip install {package}$"
    ):
        check_reporters((name,))


def test_a_reporter_that_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers.integrations import integration_utils

    monkeypatch.setitem(integration_utils.INTEGRATION_TO_CALLBACK, "wandb", object)
    check_reporters(("wandb",))
