import math
from dataclasses import replace

import numpy as np
import pytest

from diversity_eval.metrics.statistics import bootstrap_ci
from diversity_eval.report.compare import compare_rows
from tests.report.comparisons import around, comparison, evaluation, rows_of_one


def test_a_cell_is_the_mean_deviation_and_interval_of_its_values() -> None:
    column = around(20)
    made = compare_rows(rows_of_one("a", "b"), [
        evaluation("a", "short_stories", {"self_bleu": column}, available=100),
        evaluation("b", "short_stories", {"self_bleu": around(21, seed=1)}, available=100),
    ], seed=4, resamples=2000)  # fmt: skip
    cell = made.cells["a", "short_stories/self_bleu"]
    assert cell.mean == pytest.approx(np.mean(column))
    assert cell.std == pytest.approx(np.std(column, ddof=1))
    assert (cell.lower, cell.upper) == pytest.approx(bootstrap_ci(column, seed=4, resamples=2000))
    assert (cell.n, cell.available, cell.marks) == (30, 100, ("30 of 100 prompts",))


def test_groups_are_means_prompt_by_prompt_and_compared_with_their_own_baseline() -> None:
    made = comparison([("q-ce", "q", "ce"), ("q-tofu", "q", "tofu"), ("p-ce", "p", "ce"), ("p-tofu",
    "p", "tofu")],
                      groups={"both": ["q", "p"]})  # fmt: skip
    key = "harmbench/asr"
    cell = made.cells["both, tofu (mean of 2)", key]
    assert cell.mean == pytest.approx((made.cells["q-tofu", key].mean + made.cells["p-tofu", key].mean) / 2)
    first, second = (made.evaluations_of(name)[3].metrics["asr"].values for name in ("q-tofu", "p-tofu"))
    assert first is not None
    assert second is not None
    averaged = ((first + second) / 2).tolist()
    assert (cell.lower, cell.upper) == pytest.approx(bootstrap_ci(averaged, seed=0, resamples=500))
    assert cell.difference is not None
    assert cell.difference.other == "both, ce (mean of 2)"
    assert cell.best is False


def test_means_without_values_by_prompt_are_shown_and_not_tested() -> None:
    known = evaluation("a", "short_stories", {"self_bleu": around(20)})
    blind = evaluation("b", "short_stories", {"self_bleu": around(10)})
    blind = replace(
        blind, prompts=(), metrics={"self_bleu": replace(blind.metrics["self_bleu"], values=None)}
    )
    made = compare_rows(rows_of_one("a", "b"), [known, blind])
    cell = made.cells["b", "short_stories/self_bleu"]
    assert (cell.tested, cell.best, cell.difference) == (False, False, None)
    assert math.isnan(cell.lower)
    assert cell.marks == ("no values by prompt",)
