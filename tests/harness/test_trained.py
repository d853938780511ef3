from pathlib import Path
from typing import Any

import pytest

from diversity_eval.harness.trained import training_of
from diversity_eval.training.checkpoints.record import write_record


def account(folder: Path, settings: Any) -> str:
    """A folder with the account that the trainer itself writes."""
    folder.mkdir(parents=True, exist_ok=True)
    write_record(folder, "adapter", {"training": {"settings": settings}})
    return str(folder)


SETTINGS = {"model": "/home/someone/models/base-1b", "loss": "tofu", "loss_parameters": {"gamma": 3.0},
"dataset": "alpaca",
    "seed": 3407, "report_to": ["wandb"], "hub_token": "secret"}  # fmt: skip


def test_loss_parameters_and_data_without_paths_and_secrets(tmp_path: Path) -> None:
    folder = account(tmp_path / "tofu", SETTINGS)
    expected = {
        "loss": "tofu",
        "loss_parameters": {"gamma": 3.0},
        "dataset": "alpaca",
        "seed": 3407,
        "model": "base-1b",
    }
    assert training_of({"pretrained": folder, "num_samples": 10}) == expected
    assert training_of({"pretrained": "org/base", "peft": folder}) == expected


def test_the_adapter_s_account_counts_before_the_base_s(tmp_path: Path) -> None:
    base = account(tmp_path / "ce", {"loss": "ce"})
    adapter = account(tmp_path / "gem", {"loss": "gem"})
    assert training_of({"pretrained": base, "peft": adapter}) == {"loss": "gem"}


@pytest.mark.parametrize("content", [[], 3, {}, None])
def test_anything_else_says_nothing(tmp_path: Path, content: object) -> None:
    assert training_of({"pretrained": account(tmp_path / "x", content)}) == {}


def test_no_checkpoint_here_says_nothing(tmp_path: Path) -> None:
    assert training_of({}) == {}
    assert training_of({"pretrained": "org/model"}) == {}
    assert training_of({"pretrained": 3, "peft": ["x"]}) == {}
    (tmp_path / "diversity_eval.json").write_text("{", encoding="utf-8")
    assert training_of({"pretrained": str(tmp_path)}) == {}
    (tmp_path / "diversity_eval.json").write_bytes(b" " * ((16 << 20) + 1))
    assert training_of({"pretrained": str(tmp_path)}) == {}
