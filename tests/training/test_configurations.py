"""Shipped configurations, and files that extend one another."""

import re
import shlex
from itertools import product
from pathlib import Path

import pytest

from diversity_eval.cli.train import train
from diversity_eval.errors import DiversityEvalError
from diversity_eval.training.configurations import (
    configuration_folder,
    read_configuration,
    shipped_configurations,
)
from diversity_eval.training.settings_files import build_settings

NAMES = shipped_configurations()


def options_of(command: str) -> set[str]:
    """The options of a command that `train` does not have."""
    known = {name for parameter in train.params for name in parameter.opts}
    return {word for word in shlex.split(command) if word.startswith("-") and word not in known}


@pytest.mark.parametrize("name", NAMES)
def test_each_opens_with_the_command_that_runs_it(name: str) -> None:
    first = (configuration_folder() / f"{name}.yaml").read_text(encoding="utf-8").split("\n", 1)[0]
    found = re.fullmatch(r"# (diversity-eval train --config (\S+) --model BASE -o \S+)", first)
    assert found is not None, first
    assert found.group(2) == name
    assert options_of(found.group(1)) == set()


@pytest.mark.parametrize("name", NAMES)
def test_each_is_valid_and_has_the_protocol_of_the_paper_but_for_what_it_is_named_after(name: str) -> None:
    values, _ = read_configuration(name)
    settings = build_settings({**values, "model": "BASE"}, name)
    own = {"baselines/neftune": {"neftune_alpha"}, "baselines/weight_decay": {"weight_decay"}}
    own["baselines/full"] = {"quantization", "lora", "learning_rate"}
    # The figures of the protocol, written down here a second time.
    protocol = {
        "quantization": "nf4", "lora": True, "lora_rank": 16, "lora_alpha": 16, "lora_dropout": 0.0,
        "epochs": 1.0, "batch_size": 2, "accumulation": 4, "learning_rate": 2e-4, "schedule": "linear",
        "warmup_steps": 50, "weight_decay": 0.01, "max_length": 2048, "seed": 3407, "neftune_alpha": None,
    }  # fmt: skip
    different = {key for key, value in protocol.items() if getattr(settings, key) != value}
    assert different == own.get(name, set())


def test_the_defaults_are_the_protocol() -> None:
    values, _ = read_configuration("alpaca/ce")
    assert build_settings({**values, "model": "m"}) == build_settings({"model": "m", "dataset": "alpaca"})


def test_the_grid_is_whole() -> None:
    cells = set()
    for name in NAMES:
        if name.startswith("ablation/"):
            values, _ = read_configuration(name)
            settings = build_settings({**values, "model": "m"})
            cells.add((settings.loss, *sorted(settings.loss_parameters.items())))
    tofu = {("tofu", ("beta", b), ("gamma", g)) for g, b in product((2.0, 3.0, 5.0), (0.6, 0.7, 0.8, 0.9))}
    assert cells == tofu | {("focal", ("gamma", g)) for g in (2.0, 3.0, 4.0, 5.0)}


def test_each_loss_has_the_papers_parameters() -> None:
    expected = {
        "ce": {}, "focal": {"gamma": 3}, "gem": {"beta": 0.7}, "pr": {"lambda": 0.1, "alpha": 1e-5},
        "tofu": {"gamma": 3, "beta": 0.8},
    }  # fmt: skip
    for data, (loss, parameters) in product(("alpaca", "ultrafeedback", "numina_math_cot"), expected.items()):
        settings = build_settings({**read_configuration(f"{data}/{loss}")[0], "model": "m"})
        assert (settings.dataset, settings.loss, settings.loss_parameters) == (data, loss, parameters)
    assert build_settings({**read_configuration("numina_math_cot/pr")[0], "model": "m"}).max_rows == 100_000


@pytest.mark.parametrize("name", ["alpaca/tofu", "alpaca/tofu.yaml", "configs/alpaca/tofu.yaml"])
def test_a_shipped_one_is_found_by_name_from_anywhere(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert read_configuration(name)[0]["loss"] == "tofu"


def test_an_existing_file_comes_before_a_shipped_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "alpaca").mkdir()
    (tmp_path / "alpaca" / "tofu.yaml").write_text("loss: gem\n", encoding="utf-8")
    assert read_configuration("alpaca/tofu.yaml")[0] == {"loss": "gem"}


def test_a_misspelt_name_is_told_with_the_likeliest() -> None:
    with pytest.raises(DiversityEvalError, match=r"alpaca/toffu: no such file.*did you mean alpaca/tofu"):
        read_configuration("alpaca/toffu")


def test_extending_takes_over_what_is_not_said(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("loss: tofu\ngamma: 5\nbeta: 0.6\nseed: 1\n", encoding="utf-8")
    (tmp_path / "same.yaml").write_text("extends: base.yaml\nbeta: 0.9\n", encoding="utf-8")
    (tmp_path / "other.yaml").write_text("extends: base.yaml\nloss: focal\n", encoding="utf-8")
    same, other = str(tmp_path / "same.yaml"), str(tmp_path / "other.yaml")
    assert read_configuration(same)[0] == {
        "loss": "tofu", "loss_parameters": {"gamma": 5, "beta": 0.9}, "seed": 1,
    }  # fmt: skip
    # gamma 5 was chosen for another loss, so focal has its default
    assert read_configuration(other)[0] == {"loss": "focal", "seed": 1}


def test_extending_in_a_circle_or_what_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("extends: b.yaml\n", encoding="utf-8")
    (tmp_path / "b.yaml").write_text("extends: a.yaml\n", encoding="utf-8")
    with pytest.raises(DiversityEvalError, match="extends itself"):
        read_configuration(str(tmp_path / "a.yaml"))
    (tmp_path / "c.yaml").write_text("extends: nowhere.yaml\n", encoding="utf-8")
    with pytest.raises(DiversityEvalError, match=r"nowhere\.yaml, which does not exist"):
        read_configuration(str(tmp_path / "c.yaml"))
    (tmp_path / "d.yaml").write_text("extends: [c.yaml]\n", encoding="utf-8")
    with pytest.raises(DiversityEvalError, match="expected another file's name"):
        read_configuration(str(tmp_path / "d.yaml"))
