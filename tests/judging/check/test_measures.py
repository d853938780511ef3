import math

import pytest
from scipy import stats

from diversity_eval.judging.check.measures import (
    Position,
    agreement,
    compare,
    expected_ratings,
    position,
    ratings,
    repetition,
)
from diversity_eval.judging.verdict import Verdict, verdict_from_probabilities
from diversity_eval.metrics.statistics import bootstrap_ci, paired_test


def rated(*values: int | None) -> list[Verdict]:
    return [Verdict(value) for value in values]


def test_compare_by_hand() -> None:
    original: list[float | None] = [5, 4, 3, 3, 2, None, 1, 4]
    degraded: list[float | None] = [1, 4, 4, 0, 2, 3, None, 1]
    found = compare(original, degraded, seed=3)
    # Six pairs: above 5>1, 3>0, 4>1; equal 4, 2; below 3<4.
    assert (found.pairs, found.above.count, found.equal.count, found.below.count) == (6, 3, 2, 1)
    assert found.above.share == 0.5
    assert found.original == pytest.approx(21 / 6)
    assert found.degraded == pytest.approx(12 / 6)
    assert found.loss.value == pytest.approx(9 / 6)
    differences = [4, 0, -1, 3, 0, 3]
    assert (found.loss.lower, found.loss.upper) == bootstrap_ci(differences, seed=3)
    assert found.p_value == paired_test(differences, [0] * 6, seed=3).p_value
    wilson = stats.binomtest(3, 6).proportion_ci(method="wilson")
    assert (found.above.lower, found.above.upper) == pytest.approx((wilson.low, wilson.high))


def test_expected_ratings_that_differ_by_rounding_are_equal() -> None:
    found = compare([2.0001, 3.0, 1.0], [2.0, 2.99, 1.5], seed=0)
    assert (found.above.count, found.equal.count, found.below.count) == (1, 1, 1)


def test_compare_without_a_pair() -> None:
    found = compare([None, 1], [2, None], seed=0)
    assert found.pairs == 0
    assert all(
        map(math.isnan, (found.above.share, found.original, found.degraded, found.loss.value, found.p_value))
    )


def test_position_by_hand() -> None:
    verdicts = rated(5, 5, 0, 3, None)
    found = position(verdicts, ["a", "a", "b", "b", "b"], 0, 5, seed=0)
    assert found.histogram == (1, 0, 0, 1, 0, 2)
    assert (found.responses, found.unscored) == (5, 1)
    # Prompt a: 5; prompt b: 1.5, its unscored response left out.
    assert found.mean.value == pytest.approx(3.25)
    assert (found.share_lowest, found.share_highest, found.share_commonest) == (0.25, 0.5, 0.5)
    assert math.isnan(found.expected.value)
    assert math.isnan(found.scale_mass)


def test_position_of_distributions() -> None:
    verdicts = [
        verdict_from_probabilities([0.0, 0.4, 0.4, 0.0], 1),
        verdict_from_probabilities([0.1, 0.0, 0.0, 0.1], 1),  # less than half: unscored
    ]
    found = position(verdicts, ["a", "b"], 1, 4, seed=0)
    assert found.histogram == (0, 1, 0, 0)
    assert found.expected.value == pytest.approx(2.5)
    assert found.entropy == pytest.approx(math.log(2))
    assert found.scale_mass == pytest.approx(0.5)
    assert found.unscored == 1


def test_nothing_rated() -> None:
    found: Position = position(rated(None, None), ["a", "b"], 0, 5, seed=0)
    assert found.unscored == 2
    assert math.isnan(found.mean.value)
    assert math.isnan(found.share_highest)


def test_repetition_by_hand() -> None:
    first = [*rated(5, 4, None), verdict_from_probabilities([0.2, 0.8], 0)]
    second = [*rated(5, 2, 1), verdict_from_probabilities([0.6, 0.4], 0)]
    found = repetition(first, second, "abcd", seed=0)
    # Pairs (5, 5), (4, 2), (1, 0).
    assert found.pairs == 3
    assert found.unscored == (1, 0)
    assert found.equal.value == pytest.approx(1 / 3)
    assert found.difference == pytest.approx(1)
    assert found.expected_difference == pytest.approx(0.4)


def test_agreement_by_hand() -> None:
    found = agreement([0, 1, 2, 3, None, 4], [0, 2, 0, 2, 1, None], list("aabbcd"), 0, 5, seed=0)
    assert (found.pairs, found.prompts, found.unscored) == (4, 2, (1, 1))
    assert found.exact.value == 0.25
    assert found.within_one.value == 0.75
    assert found.kappa.value == pytest.approx(0.4)  # worked out in test_agreement.py
    assert found.difference.value == pytest.approx(-0.5)
    assert found.absolute_difference.value == pytest.approx(1)
    assert found.spearman.value == pytest.approx(stats.spearmanr([0, 1, 2, 3], [0, 2, 0, 2]).statistic)
    assert found.pearson.value == pytest.approx(stats.pearsonr([0, 1, 2, 3], [0, 2, 0, 2]).statistic)


def test_intervals_resample_prompts() -> None:
    first, second = [float(i % 6) for i in range(60)], [float((i * i) % 6) for i in range(60)]
    alone = agreement(first, second, list(range(60)), 0, 5, seed=0)
    twice = agreement(first * 2, second * 2, [*range(60), *range(60)], 0, 5, seed=0)
    assert twice.pairs == 120
    assert twice.prompts == 60
    assert twice.spearman.value == pytest.approx(alone.spearman.value)
    assert (twice.spearman.lower, twice.spearman.upper) == pytest.approx(
        (alone.spearman.lower, alone.spearman.upper)
    )
    assert alone.spearman.lower < alone.spearman.value < alone.spearman.upper


def test_ratings_on_another_scale_are_ranked_but_not_compared_in_points() -> None:
    found = agreement([10, 40, 70, 100], [1, 2, 3, 5], list("abcd"), 0, 5, seed=0)
    assert not found.one_scale
    assert found.spearman.value == 1
    assert math.isnan(found.kappa.value)
    assert math.isnan(found.absolute_difference.value)
    assert math.isnan(found.exact.value)


def test_agreement_without_pairs() -> None:
    found = agreement([None, 1], [1, None], ["a", "b"], 0, 5, seed=0)
    assert found.pairs == 0
    assert math.isnan(found.kappa.value)


def test_values_of_verdicts() -> None:
    verdicts = [*rated(4, None), verdict_from_probabilities([0.5, 0.5], 2)]
    assert ratings(verdicts) == [4, None, 2]
    assert expected_ratings(verdicts) == [None, None, 2.5]
