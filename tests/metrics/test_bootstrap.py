import math
import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from diversity_eval.errors import DiversityEvalError
from diversity_eval.metrics.bootstrap import bootstrap_ci, bootstrap_cis
from diversity_eval.metrics.statistics import mean, standard_error


@pytest.mark.parametrize(
    "draw",
    [
        lambda generator: generator.normal(50, 10, 40),
        lambda generator: generator.lognormal(3, 0.5, 60),
        lambda generator: generator.exponential(size=30),
        lambda generator: generator.beta(0.5, 2, 100),
    ],
)
@pytest.mark.parametrize("confidence", [0.5, 0.95])
def test_it_is_scipy_s_bca_interval_up_to_the_draws(
    draw: Callable[[np.random.Generator], np.ndarray], confidence: float
) -> None:
    values = draw(np.random.default_rng(3))
    lower, upper = bootstrap_ci(values.tolist(), seed=1, confidence=confidence, resamples=300_000)
    other = stats.bootstrap(
        (values,), np.mean, confidence_level=confidence, n_resamples=300_000, method="BCa",
        random_state=np.random.default_rng(2), batch=20_000,
    ).confidence_interval  # fmt: skip
    # Between two sets of so many draws an end of the skewest varies by 0.018 standard errors.
    tolerance = 0.06 * standard_error(values.tolist())
    assert lower == pytest.approx(other.low, abs=tolerance)
    assert upper == pytest.approx(other.high, abs=tolerance)


def test_symmetric_values_have_the_normal_interval() -> None:
    half = np.random.default_rng(7).normal(size=1000)
    values = np.concatenate([half, -half]).tolist()
    lower, upper = bootstrap_ci(values, seed=0, resamples=40_000)
    assert lower == pytest.approx(-1.96 * standard_error(values), abs=0.05 * standard_error(values))
    assert upper == pytest.approx(1.96 * standard_error(values), abs=0.05 * standard_error(values))
    narrow = bootstrap_ci(values, seed=0, confidence=0.5)
    assert lower < narrow[0] < narrow[1] < upper


def test_skewed_values_have_the_longer_arm_on_their_long_side() -> None:
    values = np.random.default_rng(1).exponential(size=40).tolist()
    lower, upper = bootstrap_ci(values, seed=0)
    assert upper - mean(values) > 1.1 * (mean(values) - lower)


def test_bootstrap_depends_on_its_seed_alone() -> None:
    values = [0.3, 1.7, 2.2, 8.1, 4.4]
    assert bootstrap_ci(values, seed=3) == bootstrap_ci([*values, math.nan], seed=3)
    assert bootstrap_ci(values, seed=3, resamples=50) != bootstrap_ci(values, seed=4, resamples=50)


def test_bootstrap_leaves_numpys_global_state_alone() -> None:
    np.random.seed(5)
    expected = np.random.random()
    np.random.seed(5)
    bootstrap_ci([1.0, 2.0], seed=3)
    assert np.random.random() == expected


def test_bootstrap_of_too_few_or_equal_values() -> None:
    assert all(map(math.isnan, bootstrap_ci([], seed=0)))
    assert all(map(math.isnan, bootstrap_ci([3.0, math.nan], seed=0)))
    assert bootstrap_ci([2.5, 2.5, 2.5], seed=0) == (2.5, 2.5)


COLUMN = st.lists(st.floats(-100, 100) | st.just(math.nan), min_size=6, max_size=6)


@settings(max_examples=30)
@given(st.lists(COLUMN, min_size=1, max_size=5))
def test_a_column_s_interval_is_its_own_whatever_stands_beside_it(columns: list[list[float]]) -> None:
    lower, upper = bootstrap_cis(np.array(columns).T, seed=9, resamples=200)
    for place, column in enumerate(columns):
        expected = bootstrap_ci(column, seed=9, resamples=200)
        assert (lower[place], upper[place]) == pytest.approx(expected, rel=1e-9, abs=1e-9, nan_ok=True)


@given(st.lists(st.floats(-100, 100), min_size=2, max_size=8))
def test_an_interval_lies_within_the_values_and_ends_are_in_order(values: list[float]) -> None:
    lower, upper = bootstrap_ci(values, seed=2, resamples=300)
    slack = 1e-9 * max(1, *map(abs, values))
    assert min(values) - slack <= lower <= upper + slack <= max(values) + 2 * slack


def test_large_benchmarks_are_drawn_in_portions() -> None:
    # 14,042 questions of MMLU: 71 resamples at a time.
    values = (np.random.default_rng(0).random((14_042, 2)) < 0.6).astype(float)
    lower, upper = bootstrap_cis(values, seed=0, resamples=500)
    error = math.sqrt(0.24 / 14_042)
    assert lower == pytest.approx(values.mean(axis=0) - 1.96 * error, abs=0.5 * error)
    assert upper == pytest.approx(values.mean(axis=0) + 1.96 * error, abs=0.5 * error)


def test_memory_is_bounded_whatever_the_shape() -> None:
    # Of the 60 MB of values no copy is made at once.
    values = np.random.default_rng(0).random((14_042, 540))
    values[0, ::2] = math.nan
    few = values[:20]
    tracemalloc.start()
    bootstrap_cis(values, seed=0, resamples=150)
    bootstrap_cis(few, seed=0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100e6


@pytest.mark.parametrize("unit", [1e-300, 1e-150, 1.0, 1e150, 1e300])
def test_an_interval_is_the_same_in_any_unit(unit: float) -> None:
    values = [1.0, 2.0, 4.0, 4.0, 9.0]
    expected = [unit * end for end in bootstrap_ci(values, seed=0)]
    assert bootstrap_ci([unit * value for value in values], seed=0) == pytest.approx(
        expected, rel=1e-9, abs=0
    )


def test_an_end_at_zero_is_not_below_it() -> None:
    lower, _ = bootstrap_ci([0.0] * 50 + [1.0], seed=0)
    assert (lower, math.copysign(1, lower)) == (0.0, 1.0)


@pytest.mark.parametrize("confidence", [1 - 1e-9, 1 - 1e-12, math.nextafter(1, 0)])
def test_confidence_next_to_one_reaches_the_last_of_the_means(confidence: float) -> None:
    # The most skewed values there are: one of 51. Beyond 5.8 standard deviations BCa's correction has a pole.
    lower, upper = bootstrap_ci([0.0] * 50 + [1.0], seed=0, confidence=confidence)
    assert lower == 0
    assert upper > bootstrap_ci([0.0] * 50 + [1.0], seed=0)[1]


def test_unusable_input_is_refused() -> None:
    with pytest.raises(DiversityEvalError, match="at least 1 resample"):
        bootstrap_ci([1.0, 2.0], seed=0, resamples=0)
    with pytest.raises(DiversityEvalError, match="confidence between 0 and 1, but was given 95"):
        bootstrap_ci([1.0, 2.0], seed=0, confidence=95)
    with pytest.raises(DiversityEvalError, match="one is infinite"):
        bootstrap_ci([1.0, math.inf], seed=0)
    with pytest.raises(DiversityEvalError, match="needs a matrix"):
        bootstrap_cis([1.0, 2.0], seed=0)
