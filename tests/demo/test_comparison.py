import math

import pytest

from diversity_eval.demo.comparison import COLUMNS, Difference, compare, differences
from tests.demo.evaluations import an_evaluation


def difference(a: list[float], b: list[float]) -> Difference:
    return compare(a, b, task="t", metric="self_bleu", version="ce", reference="base")


def test_a_difference_worked_out_by_hand() -> None:
    found = difference([3.0, 5.0, 10.0], [2.0, 3.0, 7.0])
    # 1, 2 and 3: their standard deviation is 1; of 8 sign patterns all plus and all minus are as far out
    assert (found.difference, found.prompts) == (2.0, 3)
    assert found.standard_error == pytest.approx(1 / math.sqrt(3))
    assert found.p_value == 0.25
    assert not found.significant


def test_six_prompts_that_agree_are_enough_to_be_marked_and_five_are_not() -> None:
    assert difference([2.0] * 6, [1.0, 0.5, 0.9, 1.1, 0.7, 1.2]).p_value == 2 / 64
    assert difference([2.0] * 6, [1.0, 0.5, 0.9, 1.1, 0.7, 1.2]).significant
    assert not difference([2.0] * 5, [1.0, 0.5, 0.9, 1.1, 0.7]).significant


def test_prompts_without_two_numbers_are_left_out() -> None:
    found = difference([math.nan, 4.0, 1.0], [1.0, 1.0, math.nan])
    assert (found.prompts, found.difference, found.standard_error, found.p_value) == (1, 3.0, None, 1.0)
    nothing = difference([math.nan], [1.0])
    assert (nothing.prompts, nothing.difference, nothing.p_value) == (0, None, None)
    assert not nothing.significant


def test_every_version_against_the_base_and_the_fine_tuned_ones_against_each_other() -> None:
    evaluations = {
        name: an_evaluation({metric: [value, value + 1] for metric in COLUMNS})
        for name, value in (("base", 1.0), ("ce", 4.0), ("tofu", 2.0))
    }
    found = differences(evaluations)
    by_pair = {(each.version, each.reference): each.difference for each in found}
    assert by_pair == {("ce", "base"): 3.0, ("tofu", "base"): 1.0, ("tofu", "ce"): -2.0}
    assert len(found) == 3 * 2 * len(COLUMNS)
    assert differences({"base": evaluations["base"]}) == []


def test_prompts_are_matched_by_document_and_not_by_place() -> None:
    short = an_evaluation({metric: [7.0] for metric in COLUMNS})
    long = an_evaluation({metric: [5.0, 100.0] for metric in COLUMNS})
    assert {(each.prompts, each.difference) for each in differences({"base": long, "ce": short})} == {
        (1, 2.0)
    }
