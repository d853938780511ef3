import math

import pytest

from diversity_eval.metrics.statistics import holm, paired_test
from diversity_eval.report.compare import compare_rows
from tests.report.comparisons import around, evaluation, rows_of_one


def test_a_difference_is_tested_on_the_shared_prompts_and_corrected_over_the_table() -> None:
    columns = {"a": around(20), "b": around(20.4, seed=1), "c": around(22, seed=2)}
    columns["b"][3] = math.nan
    made = compare_rows(
        rows_of_one("a", "b", "c"),
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
    base = around(20)
    made = compare_rows(rows_of_one("a", "same", "worse"), [
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
    made = compare_rows(rows_of_one("a", "b"), [
        evaluation("a", "novelty_bench", {"distinct": around(3)}),
        evaluation("b", "novelty_bench", {"distinct": around(6, seed=1)}),
    ])  # fmt: skip
    assert [made.cells[name, "novelty_bench/distinct"].best for name in ("a", "b")] == [False, True]


def test_a_partial_run_is_never_the_best_and_one_run_has_no_best() -> None:
    made = compare_rows(rows_of_one("whole", "other", "few"), [
        evaluation("whole", "short_stories", {"self_bleu": around(20)}, available=30),
        evaluation("other", "short_stories", {"self_bleu": around(20.1, seed=1)}, available=30),
        evaluation("few", "short_stories", {"self_bleu": around(1, n=5)}, available=30),
    ])  # fmt: skip
    assert made.cells["few", "short_stories/self_bleu"].best is False
    assert made.cells["few", "short_stories/self_bleu"].marks == ("5 of 30 prompts",)
    assert made.cells["whole", "short_stories/self_bleu"].best is True
    alone = compare_rows(rows_of_one("a"), [evaluation("a", "short_stories", {"self_bleu": around(20)})])
    assert not any(cell.best for cell in alone.cells.values())
    assert alone.warnings == ("there is one run only (a); nothing is compared",)


def test_one_run_over_more_prompts_does_not_end_the_competition() -> None:
    made = compare_rows(rows_of_one("whole", "half", "other half"), [
        evaluation("whole", "short_stories", {"self_bleu": [9.0] * 15 + [0.0] * 15}, available=30),
        evaluation("half", "short_stories", {"self_bleu": around(2, n=15)}, available=30),
        evaluation("other half", "short_stories", {"self_bleu": around(5, n=15, seed=1)}, available=30),
    ])  # fmt: skip
    assert (
        made.cells["whole", "short_stories/self_bleu"].mean
        < made.cells["other half", "short_stories/self_bleu"].mean
    )
    best = {row.label: made.cells[row.label, "short_stories/self_bleu"].best for row in made.rows}
    assert best == {"whole": False, "half": True, "other half": False}
