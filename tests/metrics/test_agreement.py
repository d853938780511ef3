import math
import warnings
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import cohen_kappa_score  # type: ignore[import-untyped]

from diversity_eval.errors import DiversityEvalError
from diversity_eval.metrics.agreement import (
    cluster_bootstrap_ci,
    pearson,
    quadratic_weighted_kappa,
    spearman,
    wilson_interval,
)
from diversity_eval.metrics.statistics import bootstrap_ci

pairs_of_ratings = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=30)
pairs_of_numbers = st.lists(st.tuples(st.floats(0, 5), st.floats(0, 5)), max_size=20)
CORRELATIONS = (spearman, pearson)


def sides(pairs: Sequence[tuple[float, float]]) -> tuple[list[float], list[float]]:
    return [a for a, _ in pairs], [b for _, b in pairs]


def test_kappa_by_hand() -> None:
    # Squared differences of the pairs 0, 1, 4, 1: 1.5 on average. Of all 16 combinations, by values of a:
    # 0+4+0+4, 1+1+1+1, 4+0+4+0, 9+1+9+1, together 40: 2.5 on average.
    assert quadratic_weighted_kappa([0, 1, 2, 3], [0, 2, 0, 2], 0, 5) == pytest.approx(1 - 1.5 / 2.5)


@given(pairs_of_ratings)
def test_kappa_equals_sklearn(pairs: list[tuple[int, int]]) -> None:
    a, b = sides(pairs)
    mine = quadratic_weighted_kappa(a, b, 0, 5)
    if len(pairs) == 0 or len({*a, *b}) == 1:
        assert math.isnan(mine)
        return
    assert mine == pytest.approx(
        cohen_kappa_score(a, b, labels=list(range(6)), weights="quadratic"), abs=1e-12
    )


@given(pairs_of_numbers)
def test_kappa_of_any_numbers_is_the_definition_over_all_combinations(
    pairs: list[tuple[float, float]],
) -> None:
    a, b = sides(pairs)
    found = quadratic_weighted_kappa(a, b, 0, 5)
    by_chance = math.fsum((x - y) ** 2 for x in a for y in b) / max(1, len(pairs)) ** 2
    if by_chance < 1e-9:
        return
    observed = math.fsum((x - y) ** 2 for x, y in pairs) / len(pairs)
    assert found == pytest.approx(1 - observed / by_chance, abs=1e-6)
    assert -1 - 1e-9 <= found <= 1


@given(pairs_of_ratings)
def test_symmetry_and_range(pairs: list[tuple[int, int]]) -> None:
    a, b = sides(pairs)
    functions: list[Callable[[list[float], list[float]], float]] = [
        *CORRELATIONS,
        lambda x, y: quadratic_weighted_kappa(x, y, 0, 5),
    ]
    for function in functions:
        found = function(a, b)
        assert found == pytest.approx(function(b, a), abs=1e-12, nan_ok=True)
        assert math.isnan(found) or -1 <= found <= 1 + 1e-12
        with_itself = function(a, a)
        assert math.isnan(with_itself) == (len(set(a)) < 2)
        assert math.isnan(with_itself) or with_itself == pytest.approx(1, abs=1e-12)


def test_kappa_where_a_rater_is_constant() -> None:
    assert math.isnan(quadratic_weighted_kappa([], [], 0, 5))
    assert math.isnan(quadratic_weighted_kappa([3, 3], [3, 3], 0, 5))
    assert quadratic_weighted_kappa([3, 3, 3], [1, 3, 5], 0, 5) == pytest.approx(0)
    assert quadratic_weighted_kappa([3, 3], [1, 1], 0, 5) == 0
    # 0.1 three times: the mean is not 0.1 to the last digit, and yet nothing varies.
    assert math.isnan(quadratic_weighted_kappa([0.1] * 3, [0.1] * 3, 0, 5))


def test_spearman_by_hand() -> None:
    # Ranks 1, 2.5, 2.5, 4 and 1, 3, 2, 4: covariances 2.25 + 0 + 0 + 2.25 over the root of 4.5 * 5.
    assert spearman([1, 3, 3, 9], [10, 30, 20, 40]) == pytest.approx(4.5 / math.sqrt(4.5 * 5))
    assert spearman([1, 2, 3], [8, 5, -1]) == -1


@given(pairs_of_numbers)
def test_correlations_equal_scipy(pairs: list[tuple[float, float]]) -> None:
    a, b = sides([(round(x, 3), round(y, 3)) for x, y in pairs])
    if len(set(a)) < 2 or len(set(b)) < 2:
        assert math.isnan(spearman(a, b))
        assert math.isnan(pearson(a, b))
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scipy's, on short and nearly constant input
        assert spearman(a, b) == pytest.approx(stats.spearmanr(a, b).statistic, abs=1e-9)
        assert pearson(a, b) == pytest.approx(stats.pearsonr(a, b).statistic, abs=1e-6)


@pytest.mark.parametrize("function", CORRELATIONS)
def test_correlations_that_are_undefined(function: Callable[..., float]) -> None:
    assert math.isnan(function([], []))
    assert math.isnan(function([1], [2]))
    assert math.isnan(function([4, 4, 4], [1, 2, 3]))
    assert math.isnan(function([0.1, 0.1, 0.1], [1, 2, 3]))


def test_what_is_refused() -> None:
    for function in CORRELATIONS:
        with pytest.raises(DiversityEvalError, match="2 and 1"):
            function([1, 2], [1])
        with pytest.raises(DiversityEvalError, match="finite"):
            function([1, math.nan], [1, 2])
    with pytest.raises(DiversityEvalError, match="one is 6"):
        quadratic_weighted_kappa([1, 2], [1, 6], 0, 5)
    with pytest.raises(DiversityEvalError, match="one is -1"):
        quadratic_weighted_kappa([-1, 2], [1, 5], 0, 5)


@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_equals_scipy(count_and_n: tuple[int, int]) -> None:
    count, n = count_and_n
    expected = stats.binomtest(count, n).proportion_ci(confidence_level=0.9, method="wilson")
    assert wilson_interval(count, n, confidence=0.9) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_wilson_at_the_ends() -> None:
    # All of 10: the lower end is n / (n + z^2) with z = 1.96.
    assert wilson_interval(10, 10) == pytest.approx((10 / (10 + 1.959964**2), 1))
    assert wilson_interval(0, 10)[0] == 0
    assert all(map(math.isnan, wilson_interval(0, 0)))
    for count, n in ((3, 2), (-1, 2)):
        with pytest.raises(DiversityEvalError, match="from 0 to n"):
            wilson_interval(count, n)
    with pytest.raises(DiversityEvalError, match="confidence"):
        wilson_interval(1, 2, confidence=95)


VALUES = np.random.default_rng(3).normal(size=40)


def test_clusters_of_one_row_give_the_plain_bootstrap() -> None:
    found = cluster_bootstrap_ci(lambda rows: float(VALUES[rows].mean()), range(40), seed=1, resamples=10_000)
    # Two Monte Carlo estimates of the same ends.
    assert found == pytest.approx(bootstrap_ci(VALUES.tolist(), seed=2), abs=0.02)


def test_rows_of_one_cluster_are_drawn_together() -> None:
    single = cluster_bootstrap_ci(lambda rows: float(VALUES[rows].mean()), range(40), seed=1)
    # Every row three times adds no information, so the interval must not shrink.
    thrice = np.repeat(VALUES, 3)
    clusters = [place // 3 for place in range(120)]
    found = cluster_bootstrap_ci(lambda rows: float(thrice[rows].mean()), clusters, seed=1)
    assert found == pytest.approx(single, abs=1e-12)
    apart = cluster_bootstrap_ci(lambda rows: float(thrice[rows].mean()), range(120), seed=1)
    assert apart[1] - apart[0] < 0.7 * (single[1] - single[0])


def test_clusters_of_several_sizes_keep_all_their_rows() -> None:
    seen: list[list[int]] = []

    def count(rows: np.ndarray) -> float:
        seen.append(sorted(rows.tolist()))
        return float(rows.size)

    cluster_bootstrap_ci(count, ["a", "b", "a"], seed=0, resamples=50)
    assert {tuple(rows) for rows in seen} == {(0, 0, 2, 2), (1, 1), (0, 1, 2)}


def test_the_seed_decides() -> None:
    def find(seed: int) -> tuple[float, float]:
        return cluster_bootstrap_ci(lambda rows: float(VALUES[rows].mean()), range(40), seed=seed)

    assert find(5) == find(5)
    assert find(5) != find(6)


def test_resamples_without_a_value_are_left_out_unless_they_are_most() -> None:
    def sometimes(rows: np.ndarray) -> float:
        return math.nan if len(set(rows.tolist())) == 1 else 1.0

    # Of two clusters half of the resamples hold one only; of three, three in 27.
    assert cluster_bootstrap_ci(sometimes, range(3), seed=0) == (1.0, 1.0)
    assert all(map(math.isnan, cluster_bootstrap_ci(lambda rows: math.nan, range(3), seed=0)))
    mostly = cluster_bootstrap_ci(lambda rows: 1.0 if rows[0] == 0 else math.nan, range(3), seed=0)
    assert all(map(math.isnan, mostly))


def test_too_few_clusters_and_bad_arguments() -> None:
    assert all(map(math.isnan, cluster_bootstrap_ci(lambda rows: 1.0, ["a", "a"], seed=0)))
    assert all(map(math.isnan, cluster_bootstrap_ci(lambda rows: 1.0, [], seed=0)))
    with pytest.raises(DiversityEvalError, match="resample"):
        cluster_bootstrap_ci(lambda rows: 1.0, [1, 2], seed=0, resamples=0)
    with pytest.raises(DiversityEvalError, match="confidence"):
        cluster_bootstrap_ci(lambda rows: 1.0, [1, 2], seed=0, confidence=1)
