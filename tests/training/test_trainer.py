"""Whole runs of the trainer against one another, and against a trainer written in a few lines."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch

from diversity_eval.training import data
from diversity_eval.training.data import DataReport, EncodedRow, TrainingSet
from tests.training.runs import STEPS, Finished, SharedRuns, encoded_rows, reference_run
from tests.training.token_losses import DEFAULTS, reference_loss

# Trained runs are shared, and TRL takes seconds to import.
pytestmark = pytest.mark.xdist_group("trainer")


def moved(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> float:
    """The Frobenius norm of the difference of two sets of weights."""
    assert first.keys() == second.keys()
    return math.sqrt(sum(float(((first[key] - second[key]).double() ** 2).sum()) for key in first))


def distance(found: Finished, expected: Finished) -> float:
    """How far two adapters are apart, as a share of what training moved the B matrices, which begin at 0."""
    moves = {name: value for name, value in expected.weights.items() if "lora_B" in name}
    start = {name: torch.zeros_like(value) for name, value in moves.items()}
    return moved(found.weights, expected.weights) / moved(moves, start)


def loaded(model: Path) -> Any:
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)


def adapted(model: Path, seed: int = 1) -> Any:
    """The base with the adapter that the trainer begins with."""
    from peft import LoraConfig, get_peft_model
    from transformers import set_seed

    base = loaded(model)
    set_seed(seed)
    lora = LoraConfig(r=4, lora_alpha=16, target_modules="all-linear", task_type="CAUSAL_LM")
    return get_peft_model(base, lora)


def saved_names(model: Any) -> dict[str, torch.Tensor]:
    from peft import get_peft_model_state_dict

    return {name: value.detach() for name, value in get_peft_model_state_dict(model).items()}


@pytest.mark.parametrize(("batch_size", "accumulation"), [(8, 1), (4, 2), (1, 8)])
def test_only_the_rows_of_a_step_matter(runs: SharedRuns, batch_size: int, accumulation: int) -> None:
    usual, other = runs(), runs(batch_size=batch_size, accumulation=accumulation)
    assert usual.result.steps == other.result.steps == STEPS
    assert other.losses == pytest.approx(usual.losses, rel=1e-6)
    for key in ("tokens", "p_label", "entropy", "grad_norm", "learning_rate"):
        assert [row[key] for row in other.log] == pytest.approx([row[key] for row in usual.log], rel=1e-5)
    assert distance(other, usual) < 1e-3


@pytest.mark.parametrize("name", DEFAULTS)
def test_the_fused_loss_trains_as_the_plain_one(runs: SharedRuns, name: str) -> None:
    fused, plain = runs(loss=name), runs(loss=name, fused=False)
    assert fused.losses == pytest.approx(plain.losses, rel=1e-5)
    assert distance(fused, plain) < 1e-3
    assert fused.losses[-1] < fused.losses[0]


@pytest.mark.parametrize("name", ["tofu", "pr", "ce"])
def test_an_adapter_is_trained_as_by_a_loop_of_ones_own(runs: SharedRuns, name: str) -> None:
    found = runs(loss=name)
    model = adapted(runs.model)
    start = {key: value.clone() for key, value in saved_names(model).items()}
    losses, norms = reference_run(model, encoded_rows(runs), name)
    assert found.losses == pytest.approx(losses, rel=1e-5)
    assert [row["grad_norm"] for row in found.log] == pytest.approx(norms, rel=1e-4)
    assert [row["learning_rate"] for row in found.log] == pytest.approx(
        [0, 2.5e-3, 5e-3, 3.75e-3, 2.5e-3, 1.25e-3]
    )
    final = saved_names(model)
    assert moved(found.weights, final) < 1e-3 * moved(start, final)


def test_all_weights_are_trained_as_by_a_loop_of_ones_own(runs: SharedRuns) -> None:
    found = runs(loss="gem", lora=False)
    model = loaded(runs.model)
    start = {name: value.detach().clone() for name, value in model.named_parameters()}
    losses, norms = reference_run(model, encoded_rows(runs), "gem")
    assert found.losses == pytest.approx(losses, rel=1e-5)
    assert [row["grad_norm"] for row in found.log] == pytest.approx(norms, rel=1e-4)
    final = {name: value.detach() for name, value in model.named_parameters()}
    assert moved(found.weights, final) < 1e-3 * moved(start, final)


def test_a_microbatch_in_which_nothing_counts(runs: SharedRuns, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = runs(batch_size=1, accumulation=8).losses  # before the rows are exchanged: runs are shared
    rows = encoded_rows(runs)
    for place in (4, 11):
        rows[place] = EncodedRow(
            rows[place].input_ids, [-100] * len(rows[place].labels), "row without labels"
        )
    monkeypatch.setattr(data, "load_training_set", lambda *_: TrainingSet(rows, DataReport(), {}))
    found = runs.anew(batch_size=1, accumulation=8)
    model = adapted(runs.model)
    losses, _ = reference_run(model, rows, "tofu")
    assert found.losses == pytest.approx(losses, rel=1e-5)
    assert found.result.not_finite == {"losses": 0, "steps": 0}
    assert found.losses != pytest.approx(whole, rel=1e-3)


def test_the_first_row_of_the_log_is_about_the_base_model(runs: SharedRuns) -> None:
    # The warm-up begins at a learning rate of 0.
    rows = encoded_rows(runs)
    order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(1)).tolist()
    model = loaded(runs.model).double()
    p_label, entropy, losses, tokens = 0.0, 0.0, 0.0, 0
    for row in (rows[place] for place in order[:8]):
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([row.input_ids])).logits
        for place, label in enumerate(row.labels):
            if label == -100:
                continue
            p = logits[0, place - 1].softmax(0)
            p_label += float(p[label])
            entropy -= float((p * p.log()).sum())
            tokens += 1
        losses += float(reference_loss("tofu", logits, torch.tensor([row.labels]), items=1))
    (first, *_) = runs().log
    assert first["tokens"] == tokens
    assert first["p_label"] == pytest.approx(p_label / tokens, rel=1e-5)
    assert first["entropy"] == pytest.approx(entropy / tokens, rel=1e-5)
    assert first["loss"] == pytest.approx(losses / tokens, rel=1e-5)
    assert 0.01 < first["p_label"] < 0.5, "the model says nothing that could be wrong"


def test_only_responses_count(runs: SharedRuns) -> None:
    rows = encoded_rows(runs)
    responses = [sum(label != -100 for label in row.labels) for row in rows]
    log = runs().log
    assert sum(row["tokens"] for row in log[:3]) == sum(row["tokens"] for row in log[3:]) == sum(responses)
    assert sum(responses) < 0.7 * sum(len(row.labels) for row in rows)


def test_packed_rows_are_trained_on_apart(runs: SharedRuns) -> None:
    # One sequence holds all rows, so each step has all of them, packed or not.
    changes = {"epochs": 6, "batch_size": 2, "accumulation": 1, "max_length": 2000}
    packed = runs(**changes, packing=True)
    plain = runs(**{**changes, "batch_size": 20})
    assert packed.result.steps == plain.result.steps == 6
    assert packed.losses == pytest.approx(plain.losses, rel=1e-5)
    assert [row["tokens"] for row in packed.log] == [row["tokens"] for row in plain.log]
    assert distance(packed, plain) < 1e-3


def test_the_same_seed_trains_the_same_and_another_does_not(runs: SharedRuns) -> None:
    again, other = runs.anew(), runs(seed=2)
    assert again.losses == runs().losses
    assert moved(again.weights, runs().weights) == 0
    assert other.losses != pytest.approx(runs().losses, rel=1e-3)


def test_neftune_disturbs_training_by_its_seed(runs: SharedRuns) -> None:
    usual, disturbed, again = runs(), runs(neftune_alpha=20.0), runs.anew(neftune_alpha=20.0)
    assert again.losses == disturbed.losses
    assert moved(again.weights, disturbed.weights) == 0
    assert distance(disturbed, usual) > 0.01
    # also in the first step, in which the weights are the same
    assert disturbed.losses[0] != pytest.approx(usual.losses[0], rel=1e-4)


def test_weight_decay_shrinks(runs: SharedRuns) -> None:
    usual, decayed = runs(loss="ce"), runs(loss="ce", weight_decay=20.0)
    # A, which begins far from 0; lr x decay summed over the steps is 0.3
    norms = [
        sum(float((value**2).sum()) for name, value in run.weights.items() if "lora_A" in name) ** 0.5
        for run in (usual, decayed)
    ]
    assert norms[1] < 0.85 * norms[0]
    assert decayed.losses[0] == usual.losses[0]


def test_gradients_are_clipped(runs: SharedRuns) -> None:
    # AdamW does not see the scale of gradients, only how it changes from step to step.
    free, clipped = runs(max_grad_norm=0.0), runs(max_grad_norm=1e-7)
    assert [row["grad_norm"] for row in free.log[:2]] == pytest.approx(
        [row["grad_norm"] for row in clipped.log[:2]]
    )
    assert distance(clipped, free) > 1e-3


def test_gradient_checkpointing_changes_nothing(runs: SharedRuns) -> None:
    found = runs(gradient_checkpointing=False)
    assert found.losses == pytest.approx(runs().losses, rel=1e-6)
    assert distance(found, runs()) < 1e-4


def test_bfloat16_trains_nearly_the_same(runs: SharedRuns) -> None:
    exact, rounded = runs(loss="ce"), runs(loss="ce", dtype="bfloat16")
    assert rounded.losses == pytest.approx(exact.losses, rel=0.05)
    assert rounded.losses != exact.losses
    assert rounded.losses[-1] < rounded.losses[0]
    # the base is in half precision, what is trained is not
    assert {value.dtype for value in rounded.weights.values()} == {torch.float32}


def test_all_weights_in_bfloat16_are_kept_in_float32_while_they_train(runs: SharedRuns) -> None:
    # A learning rate whose steps bfloat16 would round away.
    changes = {"loss": "ce", "lora": False, "learning_rate": 1e-5}
    found, exact = runs(**changes, dtype="bfloat16"), runs(**changes)
    start = {name: value.detach() for name, value in loaded(runs.model).named_parameters()}
    assert moved(exact.weights, start) > 0
    assert moved(found.weights, start) == pytest.approx(moved(exact.weights, start), rel=0.05)
    assert moved(found.weights, exact.weights) < 0.5 * moved(exact.weights, start)
