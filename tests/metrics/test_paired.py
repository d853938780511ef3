import itertools
import math
import tracemalloc
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from diversity_eval.errors import DiversityEvalError
from diversity_eval.metrics.bootstrap import bootstrap_ci
from diversity_eval.metrics.paired import PairedTest, holm, paired_test, paired_tests


def enumerated_p(differences: list[int]) -> Fraction:
    observed = abs(sum(differences))
    sums = [
        abs(sum(sign * value for sign, value in zip(signs, differences, strict=True)))
        for signs in itertools.product((-1, 1), repeat=len(differences))
    ]
    return Fraction(sum(total >= observed for total in sums), len(sums))


@given(st.lists(st.tuples(st.integers(-9, 9), st.integers(-9, 9)), min_size=1, max_size=8))
def test_paired_test_is_exact_for_few_pairs(pairs: list[tuple[int, int]]) -> None:
    # Tenths are not exact in binary: equal sums have to count as equal all the same.
    a, b = [first / 10 for first, _ in pairs], [second / 10 for _, second in pairs]
    differences = [first - second for first, second in pairs]
    outcome = paired_test(a, b, seed=0)
    assert outcome.p_value == float(enumerated_p(differences))
    assert outcome.difference == pytest.approx(sum(differences) / 10 / len(pairs), abs=1e-12)
    assert outcome.n == len(pairs)


def test_paired_test_by_hand() -> None:
    # All three point one way: only the observed pattern and its mirror image are as extreme, 2 of 8.
    assert paired_test([3.0, 4.0, 8.0], [1.0, 3.0, 5.0], seed=0) == PairedTest(
        difference=2.0, p_value=0.25, n=3
    )
    assert paired_test([1.0, 2.0], [2.0, 1.0], seed=0) == PairedTest(difference=0.0, p_value=1.0, n=2)


@pytest.mark.parametrize("count", [12, 13])
def test_paired_test_samples_what_it_cannot_enumerate(count: int) -> None:
    differences = [(7 * number) % 11 - 4 for number in range(count)]
    outcome = paired_test([float(value) for value in differences], [0.0] * count, seed=1)
    exact = float(enumerated_p(differences))
    assert 0.01 < exact < 0.99
    if count <= 12:
        assert outcome.p_value == exact
    else:
        assert outcome.p_value == pytest.approx(exact, abs=0.02)
        assert (outcome.p_value * 10_001) == pytest.approx(round(outcome.p_value * 10_001), abs=1e-6)


def test_a_sampled_p_value_is_never_zero() -> None:
    outcome = paired_test([1.0] * 100, [0.0] * 100, seed=0, resamples=99)
    assert outcome.p_value == pytest.approx(1 / 100)


def test_paired_test_depends_on_its_seed_alone_and_is_symmetric() -> None:
    generator = np.random.default_rng(0)
    a, b = generator.normal(size=40).tolist(), generator.normal(size=40).tolist()
    one = paired_test(a, b, seed=5)
    assert one == paired_test(a, b, seed=5)
    assert one.p_value != paired_test(a, b, seed=6).p_value
    assert paired_test(b, a, seed=5) == PairedTest(-one.difference, one.p_value, 40)


def test_unusable_pairs_are_refused() -> None:
    with pytest.raises(DiversityEvalError, match="was given 2 and 1"):
        paired_test([1.0, 2.0], [1.0], seed=0)
    with pytest.raises(DiversityEvalError, match="pair 1 is"):
        paired_test([1.0, math.nan], [1.0, 2.0], seed=0)
    with pytest.raises(DiversityEvalError, match="at least one pair"):
        paired_test([], [], seed=0)
    with pytest.raises(DiversityEvalError, match="at least 1 resample"):
        paired_test([1.0], [2.0], seed=0, resamples=0)
    with pytest.raises(
        DiversityEvalError, match=r"one column and a matrix, but was given \(2, 1\) and \(1, 2\)"
    ):
        paired_tests([[1.0], [2.0]], [[1.0, 2.0]], seed=0)
    with pytest.raises(DiversityEvalError, match=r"was given \(2,\) and \(1, 2\)"):
        paired_tests([1.0, 2.0], [[1.0, 2.0]], seed=0)
    with pytest.raises(DiversityEvalError, match="at least 1 test, but was given 0"):
        paired_tests([[1.0]], [[1.0]], seed=0, family=0)
    with pytest.raises(DiversityEvalError, match="finite values"):
        paired_tests([[1.0]], [[math.inf]], seed=0)
    with pytest.raises(DiversityEvalError, match="at least 1 resample"):
        paired_tests([[1.0]], [[1.0]], seed=0, resamples=0)


def test_a_column_s_test_is_its_own_whatever_stands_beside_it() -> None:
    generator = np.random.default_rng(4)
    a, b = generator.normal(size=(30, 6)), generator.normal(size=(30, 6))
    a[3, 1] = b[4, 1] = b[:, 2] = math.nan
    a[:22, 3] = math.nan  # eight pairs: enumerated
    b[1:, 4] = math.nan  # one pair
    a[:, 5] = b[:, 5]
    tests = paired_tests(a, b, seed=8)
    for place in range(6):
        kept = ~np.isnan(a[:, place]) & ~np.isnan(b[:, place])
        assert tests.n[place] == kept.sum()
        if not kept.any():
            assert math.isnan(tests.p_value[place])
            assert math.isnan(tests.difference[place])
            continue
        one = paired_test(a[kept, place].tolist(), b[kept, place].tolist(), seed=8)
        assert tests.difference[place] == pytest.approx(one.difference, abs=1e-12)
        assert tests.p_value[place] == one.p_value
        differences = (a - b)[kept, place]
        interval = bootstrap_ci(differences.tolist(), seed=8)
        assert (tests.lower[place], tests.upper[place]) == pytest.approx(interval, nan_ok=True)
    assert tests.effect_size[0] == pytest.approx((a - b)[:, 0].mean() / (a - b)[:, 0].std(ddof=1))
    assert math.isnan(tests.effect_size[4])
    assert math.isnan(tests.effect_size[5])
    assert (tests.p_value[4], tests.p_value[5]) == (1.0, 1.0)


def test_one_system_is_compared_with_every_column() -> None:
    generator = np.random.default_rng(6)
    one, others = generator.normal(size=20), generator.normal(size=(20, 3))
    one[2] = others[5, 1] = math.nan
    found = paired_tests(one, others, seed=3)
    expected = paired_tests(np.stack([one] * 3, axis=1), others, seed=3)
    for field in ("difference", "lower", "upper", "effect_size", "p_value", "n"):
        assert (getattr(found, field) == getattr(expected, field)).all()
    assert found.n.tolist() == [19, 18, 19]


def test_memory_is_bounded_and_a_column_stays_its_own_in_wide_tables() -> None:
    # Thirteen pairs: the most sums for a portion of signs. The columns don't fit into one portion.
    a = np.random.default_rng(1).integers(0, 4, (13, 900)).astype(float)
    b = np.random.default_rng(2).integers(0, 4, (13, 900)).astype(float)
    tracemalloc.start()
    found = paired_tests(a, b, seed=0, resamples=40_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100e6
    for place in (0, 450, 899):
        one = paired_test(a[:, place].tolist(), b[:, place].tolist(), seed=0, resamples=40_000)
        assert (found.difference[place], found.p_value[place]) == (one.difference, one.p_value)


def test_the_effect_of_a_constant_difference_is_infinite() -> None:
    values = np.arange(20.0)[:, None] / 10
    tests = paired_tests(values + 0.1, values, seed=0)
    assert tests.effect_size[0] == math.inf
    assert tests.p_value[0] == 1 / 10_001


def test_p_values_are_near_the_t_test_s_for_normal_differences() -> None:
    generator = np.random.default_rng(2)
    a, b = generator.normal(0.2, 1, size=(100, 8)), generator.normal(size=(100, 8))
    tests = paired_tests(a, b, seed=0, resamples=50_000)
    assert tests.p_value == pytest.approx(stats.ttest_rel(a, b).pvalue, abs=0.01)


def test_a_large_family_gets_enough_patterns_to_find_anything() -> None:
    # With 10,000 patterns and 600 tests Holm's smallest value would be 600 / 10,001: never below 5 %.
    a = np.full((100, 1), 1.0) + np.random.default_rng(0).normal(size=(100, 1))
    p_value = float(paired_tests(a, np.zeros((100, 1)), seed=0, family=600).p_value[0])
    assert holm([p_value] + [1.0] * 599)[0] <= 0.01


def test_holm_by_hand() -> None:
    # Sorted 0.005, 0.01, 0.03, 0.04 times 4, 3, 2, 1 is 0.02, 0.03, 0.06, 0.04; none below the one before.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []
    adjusted = holm([0.02, math.nan, 0.03])
    assert [adjusted[0], adjusted[2]] == pytest.approx([0.04, 0.04])
    assert math.isnan(adjusted[1])
    with pytest.raises(DiversityEvalError, match=r"was given 1\.5"):
        holm([0.5, 1.5])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=7), st.floats(0.001, 0.2))
def test_holm_rejects_what_its_procedure_rejects(p_values: list[float], alpha: float) -> None:
    # Step down: compare the smallest with alpha / m, the next with alpha / (m - 1), until one fails.
    rejected = set()
    for rank, place in enumerate(sorted(range(len(p_values)), key=lambda place: p_values[place])):
        if p_values[place] * (len(p_values) - rank) > alpha:
            break
        rejected.add(place)
    assert {place for place, p in enumerate(holm(p_values)) if p <= alpha} == rejected
