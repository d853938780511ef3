"""Paired tests of two systems over the same prompts, for many columns at once, and their correction."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from diversity_eval.errors import DiversityEvalError
from diversity_eval.metrics.bootstrap import bootstrap_cis, by_count, columns_at_once

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike

    Floats = np.ndarray[Any, np.dtype[np.float64]]
    Integers = np.ndarray[Any, np.dtype[np.int64]]

__all__ = ["PairedTest", "PairedTests", "holm", "paired_test", "paired_tests"]

_EXACT_PAIRS = 12
_LEAST_PATTERNS = 10_000
# The smallest p-value that patterns can give, times the size of the family, stays a fifth of 5 %.
_PATTERNS_PER_TEST = 100
# In memory at a time: 16 MB of signs, and 24 MB of sums of the columns that `by_count` takes together.
_DRAWS_AT_ONCE = 1_000_000
_PATTERNS_AT_ONCE = 10_000


@dataclass(frozen=True, slots=True)
class PairedTest:
    """The outcome of `paired_test`.

    Attributes:
        difference: mean of a minus b.
        p_value: two-sided, above 0 and up to 1.
        n: the number of pairs.
    """

    difference: float
    p_value: float
    n: int


@dataclass(frozen=True, slots=True)
class PairedTests:
    """The outcome of `paired_tests`: arrays with an entry for each column.

    Attributes:
        difference: mean of a minus b over the prompts that have both; nan without any.
        lower, upper: the difference's confidence interval; nan for fewer than two pairs.
        effect_size: the mean difference over the standard deviation of the differences (Cohen's d_z); nan for
            fewer than two pairs and where all differences are 0, infinite where they are all equal but not 0.
        p_value: two-sided, uncorrected, above 0 and up to 1; nan without a pair.
        n: the number of pairs.
    """

    difference: Floats
    lower: Floats
    upper: Floats
    effect_size: Floats
    p_value: Floats
    n: Integers


def paired_test(a: Sequence[float], b: Sequence[float], *, seed: int, resamples: int = 10_000) -> PairedTest:
    """Two-sided sign-flip permutation test of the mean difference of paired values.

    Under the null hypothesis each pair's difference is as likely to have the other sign. Up to 12 pairs all
    sign patterns are counted; beyond that `resamples` are drawn, and the observed one counts among them
    (Phipson and Smyth 2010), so that the p-value is never 0.

    Args:
        a: values of one system, one per prompt.
        b: values of the other on the same prompts, in the same order.
        seed: of numpy's generator; unused up to 12 pairs.
        resamples: the number of sign patterns drawn, from 1.

    Returns:
        The mean difference, the p-value and the number of pairs.

    Raises:
        DiversityEvalError: lengths that differ, no pair, a value that is nan or infinite, resamples below 1.
    """
    import numpy as np

    if len(a) != len(b):
        raise DiversityEvalError(
            f"paired_test needs two values for each prompt, but was given {len(a)} and {len(b)}; "
            "compare runs over the same prompts"
        )
    if len(a) == 0:
        raise DiversityEvalError("paired_test needs at least one pair of values, but was given none")
    _check_resamples(resamples, "paired_test")
    differences = np.array(a, dtype=np.float64) - np.array(b, dtype=np.float64)
    if not np.isfinite(differences).all():
        place = int(np.flatnonzero(~np.isfinite(differences))[0])
        raise DiversityEvalError(
            f"paired_test needs finite values, but pair {place} is ({a[place]}, {b[place]}); "
            "leave out the prompts where either value is undefined"
        )
    p_value = float(_p_values(differences[:, None], seed, resamples)[0])
    return PairedTest(difference=math.fsum(differences) / len(a), p_value=p_value, n=len(a))


def paired_tests(
    a: ArrayLike,
    b: ArrayLike,
    *,
    seed: int,
    confidence: float = 0.95,
    family: int = 1,
    resamples: int | None = None,
) -> PairedTests:
    """`paired_test` of every column of one matrix against the same column of another.

    A column's outcome depends on its own values, the seed and the number of patterns alone.

    Args:
        a: (prompts, columns), or (prompts,) for one system against every column; nan where it has no value.
        b: (prompts, columns) of the other systems.
        seed: of numpy's generator.
        confidence: of the differences' intervals.
        family: how many tests will be corrected together. With R patterns no p-value is below 1 / (R + 1),
            and `holm` multiplies it by up to `family`, so R grows with it.
        resamples: R itself, instead of 10,000 or 100 for each test of the family, whichever is more.

    Returns:
        Arrays with an entry for each column; pairs with a nan are left out.

    Raises:
        DiversityEvalError: shapes that do not fit, an infinite value, a number out of range.
    """
    import numpy as np

    first, second = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if second.ndim != 2 or first.shape not in (second.shape, second.shape[:1]):
        raise DiversityEvalError(
            "paired_tests needs two matrices (prompts, columns) of one shape, or one column and a matrix, "
            f"but was given {first.shape} and {second.shape}"
        )
    if family < 1:
        raise DiversityEvalError(f"paired_tests needs a family of at least 1 test, but was given {family}")
    if np.isinf(first).any() or np.isinf(second).any():
        raise DiversityEvalError("paired_tests needs finite values (or nan where undefined)")
    patterns = resamples if resamples is not None else max(_LEAST_PATTERNS, _PATTERNS_PER_TEST * family)
    _check_resamples(patterns, "paired_tests")
    count, size = second.shape
    unknown = np.full(size, np.nan)
    found = PairedTests(
        difference=unknown, lower=unknown.copy(), upper=unknown.copy(), effect_size=unknown.copy(),
        p_value=unknown.copy(), n=np.zeros(size, dtype=np.int64),
    )  # fmt: skip
    width = columns_at_once(max(count, _PATTERNS_AT_ONCE))
    for begin in range(0, size, width):
        part = slice(begin, begin + width)
        differences = (first[:, part] if first.ndim == 2 else first[:, None]) - second[:, part]
        found.lower[part], found.upper[part] = bootstrap_cis(differences, seed=seed, confidence=confidence)
        _fill_in(found, differences, begin, seed, patterns)
    return found


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down correction (Holm 1979): p-values that bound the family-wise error rate.

    The i-th smallest of m is multiplied by m - i + 1; it is at least as large as the one before, at most 1.

    Args:
        p_values: from 0 to 1; nan stands for a test that was not made, stays nan and does not count.

    Returns:
        The adjusted values, in the same order.

    Raises:
        DiversityEvalError: a value out of range.
    """
    wrong = [p for p in p_values if not (math.isnan(p) or 0 <= p <= 1)]
    if wrong:
        raise DiversityEvalError(f"holm needs p-values from 0 to 1, but was given {wrong[0]}")
    places = sorted(
        (place for place, p in enumerate(p_values) if not math.isnan(p)), key=lambda place: p_values[place]
    )
    adjusted = [math.nan] * len(p_values)
    largest = 0.0
    for rank, place in enumerate(places):
        largest = max(largest, min(1.0, (len(places) - rank) * p_values[place]))
        adjusted[place] = largest
    return adjusted


def _fill_in(found: PairedTests, differences: Floats, begin: int, seed: int, patterns: int) -> None:
    """Everything but the intervals, for the columns from `begin`."""
    import numpy as np

    for places, values in by_count(differences, _PATTERNS_AT_ONCE):
        if len(values):
            where = np.array(places) + begin
            found.n[where] = len(values)
            found.difference[where] = values.mean(axis=0)
            found.effect_size[where] = _effect_sizes(values)
            found.p_value[where] = _p_values(values, seed, patterns)


def _effect_sizes(differences: Floats) -> Floats:
    """Means over standard deviations of the columns; no nan in them."""
    import numpy as np

    if len(differences) < 2:
        return np.full(differences.shape[1], np.nan)
    # Differences that are equal on paper have a spread of rounding errors.
    spread = differences.std(axis=0, ddof=1)
    spread[spread <= 1e-12 * np.abs(differences).max(axis=0)] = 0.0
    with np.errstate(invalid="ignore", divide="ignore"):
        sizes: Floats = differences.mean(axis=0) / spread
    return sizes


def _p_values(differences: Floats, seed: int, resamples: int) -> Floats:
    """Two-sided p-values of the columns' sums under random signs; no nan in them."""
    import numpy as np

    count = len(differences)
    # Sums that are equal on paper differ in their last digits with the order of summation.
    threshold = np.abs(differences.sum(axis=0)) - 1e-12 * np.abs(differences).sum(axis=0)
    if count <= _EXACT_PAIRS:
        patterns = 2 * ((np.arange(2**count)[:, None] >> np.arange(count)) & 1) - 1
        share: Floats = (np.abs(patterns @ differences) >= threshold).sum(axis=0) / 2**count
        return share
    generator = np.random.default_rng(seed)
    rows = max(1, min(_PATTERNS_AT_ONCE, _DRAWS_AT_ONCE // count))
    extreme = np.zeros(differences.shape[1], dtype=np.int64)
    for begin in range(0, resamples, rows):
        size = min(rows, resamples - begin)
        signs = generator.integers(2, size=(size, count)).astype(np.float64)
        signs *= 2
        signs -= 1
        sums = signs @ differences
        extreme += (np.abs(sums, out=sums) >= threshold).sum(axis=0)
    found: Floats = (extreme + 1) / (resamples + 1)
    return found


def _check_resamples(resamples: int, function: str) -> None:
    if resamples < 1:
        raise DiversityEvalError(f"{function} needs at least 1 resample, but was given {resamples}")
