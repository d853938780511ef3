import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from diversity_eval.scoring.aggregate import aggregate
from diversity_eval.scoring.family import PromptResponses
from diversity_eval.scoring.prompt_scorer import PromptMetrics, PromptScorer
from diversity_eval.scoring.reported import Reported
from tests.logs.lm_eval_runs import demo_run, own_run


def metrics(*values: dict[str, float]) -> list[PromptMetrics]:
    return [PromptMetrics(value) for value in values]


def test_means_errors_deviations_and_sums_worked_by_hand() -> None:
    found = aggregate(
        metrics(
            {"self_bleu": 1.0, "undefined": 0.0}, {"self_bleu": 4.0, "undefined": 1.0}, {"undefined": 1.0}
        ),
        Reported(),
    )
    assert found == {
        "self_bleu,none": 2.5,
        "self_bleu_stderr,none": pytest.approx(1.5),  # sqrt(2 * 1.5^2 / 1) / sqrt(2)
        "undefined,none": 2.0,
        "undefined_stderr,none": "N/A",
        "self_bleu_std,none": pytest.approx(4.5**0.5),
        "self_bleu_std_stderr,none": "N/A",
    }


def test_one_prompt_has_no_error_and_no_deviation() -> None:
    found = aggregate(metrics({"self_bleu": 1.0}), Reported())
    assert found["self_bleu_stderr,none"] == "N/A"
    assert math.isnan(float(found["self_bleu_std,none"]))


def test_a_metric_that_is_never_defined_is_nan() -> None:
    scorer = PromptScorer()
    prompts = [PromptResponses(("one",)), PromptResponses(("two",))]
    scorer.score_all(prompts)
    found = aggregate([scorer.score(prompt) for prompt in prompts], scorer.reported)
    assert math.isnan(float(found["self_bleu,none"]))
    assert math.isnan(float(found["self_bleu_stderr,none"]))
    assert found["undefined,none"] == 2.0
    assert "vendi_score,none" not in found


@pytest.mark.parametrize("run", [own_run, demo_run])
def test_lm_eval_s_own_results_to_the_last_digit(checkpoint: Path, run: Any) -> None:
    (file,) = run(checkpoint).glob("results_*.json")
    for task, expected in json.loads(file.read_text(encoding="utf-8"))["results"].items():
        (log,) = run(checkpoint).glob(f"samples_{task}_*.jsonl")
        lines = [json.loads(line) for line in log.read_text(encoding="utf-8").split("\n")[:-1]]
        rows: Sequence[PromptMetrics] = metrics(
            *({name: row[name] for name in row["metrics"]} for row in lines)
        )
        found = aggregate(rows, Reported())
        assert found == {key: value for key, value in expected.items() if key.endswith(",none")}
