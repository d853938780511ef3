"""The probe under lm-eval's own evaluator, against the model's softmax computed by hand."""

import math
from pathlib import Path
from typing import Any

import pytest
from lm_eval.models.huggingface import HFLM

from diversity_eval.errors import DiversityEvalError
from diversity_eval.harness.first_tokens import surface_forms
from diversity_eval.metrics.signature import Signature
from tests.conftest import build_checkpoint
from tests.harness.documents import openings
from tests.harness.scripted import ScriptedLM, evaluate

# Ends in a line break, as many do.
CHAT = "{% for m in messages %}[{{ m.role }}] {{ m.content }}\n{% endfor %}{{ '[assistant]\\n' }}"
NAMES = ("mass_right", "entropy", "kl_uniform", "mass_distractors", "mass_shared", "mass_rest")


def hf(folder: Path) -> HFLM:
    return HFLM(pretrained=str(folder), device="cpu", dtype="float32", batch_size=16)


@pytest.fixture(scope="module")
def lm(checkpoint: Path) -> HFLM:
    return hf(checkpoint)


def by_hand(lm: HFLM, prompt: str, row: dict[str, Any]) -> dict[str, float]:
    """The masses, from one forward pass over the prompt's own tokens, in float64."""
    import torch

    ids = lm.tokenizer(prompt, return_tensors="pt").input_ids
    with torch.inference_mode():
        p = lm.model(ids).logits[0, -1].double().softmax(-1)

    def tokens(words: list[str]) -> set[int]:
        n = ids.shape[1]
        return {int(lm.tokenizer(prompt + form).input_ids[n]) for form in surface_forms(words)}

    right = [tokens(words) for words in row["right"]]
    wrong = set().union(*(tokens(words) for words in row["wrong"]))
    all_right = set().union(*right)
    return {
        "mass_right": float(sum(p[i] for i in all_right - wrong)),
        "mass_distractors": float(sum(p[i] for i in wrong - all_right)),
        "mass_shared": float(sum(p[i] for i in wrong & all_right)),
    }


@pytest.mark.parametrize("chat", [False, True])
def test_masses_are_those_of_the_model_s_softmax(tmp_path: Path, chat: bool) -> None:
    model = hf(build_checkpoint(tmp_path, template=CHAT if chat else ""))
    results = evaluate(model, "own_openings", apply_chat_template=chat)
    for sample, row in zip(results["samples"]["own_openings"], openings()[0], strict=True):
        prompt = f"[user] {row['prompt']}\n[assistant]\n" if chat else row["prompt"]
        assert sample["arguments"][0][0] == prompt
        assert len(sample["arguments"]) == len(sample["resps"]) >= 5
        expected = by_hand(model, prompt, row)
        assert {name: sample[name] for name in expected} == pytest.approx(expected, abs=1e-5)
        assert sum(sample[f"mass_{part}"] for part in ("right", "distractors", "shared", "rest")) == (
            pytest.approx(1)
        )
        assert sample["distribution"]


def test_entropy_and_distance_of_outcomes_that_share_nothing(lm: HFLM) -> None:
    results = evaluate(lm, "own_openings")
    digits = results["samples"]["own_openings"][1]
    right = [part["probability"] for part in digits["distribution"] if part["kind"] == "right"]
    q = [p / sum(right) for p in right]
    assert len(right) == 3
    assert digits["entropy"] == pytest.approx(-sum(p * math.log(p) for p in q))
    assert digits["kl_uniform"] == pytest.approx(math.log(3) - digits["entropy"])


def test_results_have_mean_spread_and_signature(lm: HFLM) -> None:
    results = evaluate(lm, "own_openings")
    found = results["results"]["own_openings"]
    samples = results["samples"]["own_openings"]
    for name in NAMES:
        values = [sample[name] for sample in samples if name in sample]
        assert found[f"{name},none"] == pytest.approx(sum(values) / len(values))
        assert f"{name}_std,none" in found
    record = results["configs"]["own_openings"]["metadata"]["diversity_eval"]
    assert set(record["signatures"]) == set(NAMES)
    fields = Signature.parse(record["signatures"]["entropy"]).as_dict()
    assert (fields["docs"], fields["prompt"], fields["task"]) == ("all 2", "plain", "own_openings@1.0")
    assert record["backend"] == "hf"
    assert results["higher_is_better"]["own_openings"]["entropy"] is True
    assert results["higher_is_better"]["own_openings"]["kl_uniform"] is False


def test_predictions_alone_are_the_log_likelihoods(lm: HFLM) -> None:
    results = evaluate(lm, "own_openings", predict_only=True)
    for sample in results["samples"]["own_openings"]:
        assert sample["bypass"] == [value for ((value, _),) in sample["resps"]]


def test_models_that_give_no_probabilities_here_are_refused() -> None:
    with pytest.raises(DiversityEvalError, match="ScriptedLM gives no probabilities of single tokens"):
        evaluate(ScriptedLM(lambda i, prompt: ""), "own_openings")
