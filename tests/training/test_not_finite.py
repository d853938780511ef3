"""Losses and gradients that are not finite: counted, harmless, and reported."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from diversity_eval.errors import DiversityEvalError
from diversity_eval.training.data import EncodedRow
from tests.training.faults import Fault, break_passes
from tests.training.runs import SharedRuns, encoded_rows, read_log, reference_run
from tests.training.test_trainer import adapted

pytestmark = pytest.mark.xdist_group("trainer")
# Two rows a pass, four passes a step; the last step of an epoch has two.
SECOND_STEP = range(4, 8)


def assert_finite(weights: dict[str, torch.Tensor]) -> None:
    assert all(bool(torch.isfinite(each).all()) for each in weights.values())


def test_a_lost_pass_adds_nothing(runs: SharedRuns, monkeypatch: pytest.MonkeyPatch) -> None:
    break_passes(monkeypatch, "loss", {5})
    found = runs.anew()
    assert found.result.not_finite == {"losses": 1, "steps": 0}
    assert found.result.steps == 6
    assert_finite(found.weights)
    rows = encoded_rows(runs)
    order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(1)).tolist()
    lost = order[10:12]
    without = [
        EncodedRow(row.input_ids, [-100] * len(row.labels), "") if place in lost else row
        for place, row in enumerate(rows)
    ]
    # Clipping hides that fewer tokens make a smaller gradient. The rows are there again in the second epoch.
    losses, norms = reference_run(adapted(runs.model), without, "tofu")
    assert min(norms) > 1.5
    assert found.losses[:3] == pytest.approx(losses[:3], rel=1e-5)
    tokens = [sum(label != -100 for label in rows[place].labels) for place in order[8:16]]
    log = found.log
    assert log[1]["tokens"] == sum(tokens) - sum(tokens[2:4])
    assert "not_finite_losses" not in log[0]
    assert [row["not_finite_losses"] for row in log[1:]] == [1] * 5


@pytest.mark.parametrize(("fault", "losses"), [("loss", 4), ("gradient", 0)])
def test_a_step_without_a_finite_gradient_is_left_out(
    runs: SharedRuns, monkeypatch: pytest.MonkeyPatch, fault: Fault, losses: int
) -> None:
    # The gradient is broken by one pass, the loss is only gone if all of them are.
    break_passes(monkeypatch, fault, SECOND_STEP if fault == "loss" else {6})
    found = runs.anew(max_steps=3, save_steps=1, weight_decay=1.0)
    assert found.result.not_finite == {"losses": losses, "steps": 1}
    assert_finite(found.weights)
    # The learning rate of the second step is not 0, and neither weights nor averages may move.
    folder = found.folder / "checkpoints"
    assert sorted(path.name for path in folder.iterdir()) == ["checkpoint-2", "checkpoint-3"]
    second, third = (
        load_file(folder / f"checkpoint-{step}" / "adapter_model.safetensors") for step in (2, 3)
    )
    start = {name.replace(".default", ""): value for name, value in adapted(runs.model).state_dict().items()}
    assert all(torch.equal(value, start[name]) for name, value in second.items())
    assert any(not torch.equal(value, start[name]) for name, value in third.items())
    first_row, second_row, third_row = found.log
    assert first_row["loss"] > 0
    assert third_row["loss"] > 0
    if fault == "loss":
        assert second_row["loss"] is None
        assert second_row["tokens"] == 0
        assert "p_label" not in second_row
    else:
        assert second_row["loss"] > 0
        assert second_row["grad_norm"] is None
    assert second_row["not_finite_steps"] == 1


def test_the_result_is_about_what_was_finite(runs: SharedRuns, monkeypatch: pytest.MonkeyPatch) -> None:
    break_passes(monkeypatch, "loss", range(4, 10))
    found = runs.anew(max_steps=3)
    assert found.result.not_finite == {"losses": 6, "steps": 2}
    (row,) = (row for row in found.log if row["loss"] is not None)
    result = found.result
    assert (result.last_loss, result.last_p_label, result.last_entropy) == (
        row["loss"],
        row["p_label"],
        row["entropy"],
    )
    assert result.loss == pytest.approx(row["loss"])
    assert math.isfinite(result.loss or math.nan)


@pytest.mark.parametrize(("fault", "name"), [("loss", "loss"), ("gradient", "gradient")])
def test_a_strict_run_stops_at_once(
    runs: SharedRuns, monkeypatch: pytest.MonkeyPatch, fault: Fault, name: str
) -> None:
    break_passes(monkeypatch, fault, {5})
    folder = runs.new_folder()
    with pytest.raises(DiversityEvalError) as caught:
        runs.anew(folder, strict=True)
    assert str(caught.value) == (
        f"step 2: the {name} is not finite, and the run is strict; lower the learning rate, or compute in "
        "float32 (--dtype float32)"
    )
    assert [row["step"] for row in read_log(folder)] == [1]
    assert not (folder / "adapter_model.safetensors").exists()


@pytest.mark.parametrize("fault", ["loss", "gradient"])
def test_a_run_that_learnt_nothing_is_an_error(
    runs: SharedRuns, monkeypatch: pytest.MonkeyPatch, fault: Fault
) -> None:
    break_passes(monkeypatch, fault, range(1000))
    folder = runs.new_folder()
    with pytest.raises(
        DiversityEvalError, match=r"^not one of 6 steps had a finite loss and gradient, so nothing was"
    ):
        runs.anew(folder)
    assert not (folder / "diversity_eval.json").exists()


def test_a_run_that_goes_on_goes_on_counting(
    runs: SharedRuns, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    changes: dict[str, Any] = {"save_steps": 3}
    with monkeypatch.context() as patch:
        break_passes(patch, "loss", range(4, 9))
        whole = runs.anew(**changes)
    with monkeypatch.context() as patch:
        break_passes(patch, "loss", range(4, 9))
        break_passes(patch, "interrupt", {12})
        with pytest.raises(KeyboardInterrupt):
            runs.anew(tmp_path / "out", **changes)
    found = runs.anew(tmp_path / "out", **changes)
    assert found.result.resumed_from == 3
    assert found.result.not_finite == whole.result.not_finite == {"losses": 5, "steps": 1}
    assert all(torch.equal(value, whole.weights[name]) for name, value in found.weights.items())
