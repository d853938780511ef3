import math

import numpy as np
import pytest

from diversity_eval.errors import DiversityEvalError
from diversity_eval.metrics.statistics import bootstrap_ci, holm, paired_test
from diversity_eval.report.compare import compare_rows, default_baseline
from diversity_eval.report.comparison import Row
from tests.report.comparisons import comparison, evaluation


def values(mean: float, n: int = 30, seed: int = 0) -> list[float]:
    drawn: list[float] = (mean + np.random.default_rng(seed).normal(size=n)).tolist()
    return drawn


def rows(*labels: str) -> list[Row]:
    return [Row(label, label, None, {}, (), (place,)) for place, label in enumerate(labels)]


def test_a_cell_is_the_mean_deviation_and_interval_of_its_values() -> None:
    column = values(20)
    made = compare_rows(rows("a", "b"), [
        evaluation("a", "short_stories", {"self_bleu": column}, available=100),
        evaluation("b", "short_stories", {"self_bleu": values(21, seed=1)}, available=100),
    ], seed=4, resamples=2000)  # fmt: skip
    cell = made.cells["a", "short_stories/self_bleu"]
    assert cell.mean == pytest.approx(np.mean(column))
    assert cell.std == pytest.approx(np.std(column, ddof=1))
    assert (cell.lower, cell.upper) == pytest.approx(bootstrap_ci(column, seed=4, resamples=2000))
    assert (cell.n, cell.available, cell.marks) == (30, 100, ("30 of 100 prompts",))


def test_a_difference_is_tested_on_the_shared_prompts_and_corrected_over_the_table() -> None:
    columns = {"a": values(20), "b": values(20.4, seed=1), "c": values(22, seed=2)}
    columns["b"][3] = math.nan
    made = compare_rows(
        rows("a", "b", "c"),
        [evaluation(name, "short_stories", {"self_bleu": column}) for name, column in columns.items()],
        baseline="a",
    )
    kept = [n for n in range(30) if n != 3]
    one = paired_test([columns["b"][n] for n in kept], [columns["a"][n] for n in kept], seed=0)
    other = paired_test(columns["c"], columns["a"], seed=0)
    found = [made.cells[name, "short_stories/self_bleu"].difference for name in ("b", "c")]
    assert found[0] is not None
    assert found[1] is not None
    assert [each.n for each in found if each] == [29, 30]
    assert found[0].p_value == one.p_value
    assert found[0].difference == pytest.approx(one.difference)
    assert [each.p_adjusted for each in found if each] == pytest.approx(holm([one.p_value, other.p_value]))
    assert made.cells["a", "short_stories/self_bleu"].difference is None


def test_the_best_is_marked_with_whatever_is_not_told_from_it() -> None:
    base = values(20)
    made = compare_rows(rows("a", "same", "worse"), [
        evaluation("a", "short_stories", {"self_bleu": base}),
        evaluation("same", "short_stories", {"self_bleu": [v + 0.01 * (-1) ** n for n, v in
        enumerate(base)]}),
        evaluation("worse", "short_stories", {"self_bleu": [v + 1 + 0.01 * n for n, v in enumerate(base)]}),
    ])  # fmt: skip
    assert [made.cells[name, "short_stories/self_bleu"].best for name in ("a", "same", "worse")] == [
        True,
        True,
        False,
    ]
    # Of a metric that is better when it is higher, the other end.
    made = compare_rows(rows("a", "b"), [
        evaluation("a", "novelty_bench", {"distinct": values(3)}),
        evaluation("b", "novelty_bench", {"distinct": values(6, seed=1)}),
    ])  # fmt: skip
    assert [made.cells[name, "novelty_bench/distinct"].best for name in ("a", "b")] == [False, True]


def test_a_partial_run_is_never_the_best_and_one_run_has_no_best() -> None:
    made = compare_rows(rows("whole", "other", "few"), [
        evaluation("whole", "short_stories", {"self_bleu": values(20)}, available=30),
        evaluation("other", "short_stories", {"self_bleu": values(20.1, seed=1)}, available=30),
        evaluation("few", "short_stories", {"self_bleu": values(1, n=5)}, available=30),
    ])  # fmt: skip
    assert made.cells["few", "short_stories/self_bleu"].best is False
    assert made.cells["few", "short_stories/self_bleu"].marks == ("5 of 30 prompts",)
    assert made.cells["whole", "short_stories/self_bleu"].best is True
    alone = compare_rows(rows("a"), [evaluation("a", "short_stories", {"self_bleu": values(20)})])
    assert not any(cell.best for cell in alone.cells.values())
    assert alone.warnings == ("there is one run only (a); nothing is compared",)


def test_one_run_over_more_prompts_does_not_end_the_competition() -> None:
    made = compare_rows(rows("whole", "half", "other half"), [
        evaluation("whole", "short_stories", {"self_bleu": [9.0] * 15 + [0.0] * 15}, available=30),
        evaluation("half", "short_stories", {"self_bleu": values(2, n=15)}, available=30),
        evaluation("other half", "short_stories", {"self_bleu": values(5, n=15, seed=1)}, available=30),
    ])  # fmt: skip
    assert (
        made.cells["whole", "short_stories/self_bleu"].mean
        < made.cells["other half", "short_stories/self_bleu"].mean
    )
    best = {row.label: made.cells[row.label, "short_stories/self_bleu"].best for row in made.rows}
    assert best == {"whole": False, "half": True, "other half": False}


def test_a_loss_as_baseline_compares_within_each_model() -> None:
    made = comparison([("q-ce", "q", "ce"), ("q-tofu", "q", "tofu"), ("p-ce", "p", "ce"), ("p-tofu",
    "p", "tofu"),
                       ("lone", "x", "gem")], baseline="ce")  # fmt: skip
    others = {
        row.label: cell.difference.other if cell.difference else None
        for row in made.rows
        if (cell := made.cell(row.label, "short_stories/self_bleu")) is not None
    }
    assert others == {"q-ce": None, "q-tofu": "q-ce", "p-ce": None, "p-tofu": "p-ce", "lone": None}
    assert any("for want of a baseline (ce): lone" in warning for warning in made.warnings)


def test_the_baseline_unasked() -> None:
    def of(*losses: str | None) -> str:
        return default_baseline([Row(f"r{place}", f"r{place}", loss) for place, loss in enumerate(losses)])

    assert of("base", "tofu", "ce") == "r2"
    assert of("tofu", "base") == "r1"
    assert of(None, None) == "r0"
    assert of("ce", "tofu", "ce") == "ce"


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


def test_runs_without_shared_prompts_are_not_tested_and_it_is_said() -> None:
    from diversity_eval.report.evaluation import EvaluatedPrompt

    made = compare_rows(rows("a", "b"), [
        evaluation("a", "short_stories", {"self_bleu": values(20, n=3)}),
        evaluation("b", "short_stories", {"self_bleu": values(21, n=3)},
        prompts=[EvaluatedPrompt(f"x{n}") for n in range(3)]),
    ])  # fmt: skip
    assert all(cell.difference is None for cell in made.cells.values())
    assert any(
        "no prompt is shared with the baseline (a), so nothing is tested: b" in w for w in made.warnings
    )


def test_means_without_values_by_prompt_are_shown_and_not_tested() -> None:
    from dataclasses import replace

    known = evaluation("a", "short_stories", {"self_bleu": values(20)})
    blind = evaluation("b", "short_stories", {"self_bleu": values(10)})
    blind = replace(
        blind, prompts=(), metrics={"self_bleu": replace(blind.metrics["self_bleu"], values=None)}
    )
    made = compare_rows(rows("a", "b"), [known, blind])
    cell = made.cells["b", "short_stories/self_bleu"]
    assert (cell.tested, cell.best, cell.difference) == (False, False, None)
    assert math.isnan(cell.lower)
    assert cell.marks == ("no values by prompt",)


def test_rows_stand_by_model_and_in_the_paper_s_order_of_losses() -> None:
    named = [("b-tofu", "b", "tofu"), ("a-x", "a", None), ("b-base", "b", "base"), ("a-ce", "a", "ce")]
    made = comparison([*named, ("b-own", "b", "own")])
    assert [row.label for row in made.rows] == ["b-base", "b-tofu", "b-own", "a-ce", "a-x"]


def test_the_same_seed_gives_the_same_comparison() -> None:
    assert comparison().cells == comparison().cells


def test_unknown_names_are_errors() -> None:
    made = [evaluation("a", "short_stories", {"self_bleu": values(20)})]
    for options, message in (
        ({"baseline": "nobody"}, "--baseline nobody: no run is called so.*the runs are a"),
        ({"protocol": "mine"}, "unknown protocol 'mine'; there is paper"),
        ({"allowed": ["temprature"]}, "--allow temprature: no run has that in its signature; there is data"),
        ({"groups": {"g": ["x*"]}}, r"--group g: no model matches 'x\*'"),
    ):
        with pytest.raises(DiversityEvalError, match=message):
            compare_rows(rows("a"), made, **options)
