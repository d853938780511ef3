"""Bootstrap confidence intervals of means over prompts, for many columns at once."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

from diversity_eval.errors import DiversityEvalError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike

    Floats = np.ndarray[Any, np.dtype[np.float64]]

__all__ = ["bootstrap_ci", "bootstrap_cis"]

# Draws held in memory at a time: 8 MB of places, as much of counts, and the means.
_DRAWS_AT_ONCE = 1_000_000


def bootstrap_ci(
    values: Sequence[float], *, seed: int, confidence: float = 0.95, resamples: int = 10_000
) -> tuple[float, float]:
    """BCa bootstrap confidence interval of the mean (Efron and Tibshirani 1993, section 14.3).

    Args:
        values: per-prompt values; nan is left out.
        seed: of numpy's generator; the same seed gives the same interval.
        confidence: the coverage, above 0 and below 1.
        resamples: the number of resampled means, from 1.

    Returns:
        The lower and the upper end; (nan, nan) for fewer than two values.

    Raises:
        DiversityEvalError: an infinite value, or confidence or resamples out of range.
    """
    import numpy as np

    column = np.array(values, dtype=np.float64).reshape(-1, 1)
    lower, upper = bootstrap_cis(column, seed=seed, confidence=confidence, resamples=resamples)
    return float(lower[0]), float(upper[0])


def bootstrap_cis(
    columns: ArrayLike, *, seed: int, confidence: float = 0.95, resamples: int = 10_000
) -> tuple[Floats, Floats]:
    """`bootstrap_ci` of every column of a matrix.

    A column's interval depends on its own values and the seed alone, not on what stands beside it. Columns of
    as many values are resampled together: a draw is a vector of how often each prompt was drawn, and a matrix
    product gives the means of all columns.

    Args:
        columns: (prompts, columns); nan where a column has no value, which is left out.
        seed: of numpy's generator.
        confidence: the coverage, above 0 and below 1.
        resamples: the number of resampled means, from 1.

    Returns:
        The lower and the upper ends, an array each; nan for a column of fewer than two values.

    Raises:
        DiversityEvalError: no matrix, an infinite value, or confidence or resamples out of range.
    """
    import numpy as np

    matrix = np.asarray(columns, dtype=np.float64)
    if matrix.ndim != 2:
        raise DiversityEvalError(
            f"bootstrap_cis needs a matrix (prompts, columns), but was given {matrix.ndim} dimensions"
        )
    if np.isinf(matrix).any():
        raise DiversityEvalError(
            "bootstrap_ci needs finite values (or nan where undefined), but one is infinite"
        )
    if not 0 < confidence < 1:
        raise DiversityEvalError(
            f"bootstrap_ci needs a confidence between 0 and 1, but was given {confidence}"
        )
    if resamples < 1:
        raise DiversityEvalError(f"bootstrap_ci needs at least 1 resample, but was given {resamples}")
    lower = np.full(matrix.shape[1], np.nan)
    upper = lower.copy()
    for places, values in by_count(matrix):
        if len(values) > 1:
            lower[places], upper[places] = _bca(values, seed, confidence, resamples)
    return lower, upper


def by_count(matrix: Floats) -> list[tuple[list[int], Floats]]:
    """The columns of a matrix without their nan, those of equal length together.

    Returns:
        For each length the columns' places, and their values as a matrix (values, columns).
    """
    import numpy as np

    places: dict[int, list[int]] = {}
    for place, count in enumerate((~np.isnan(matrix)).sum(axis=0)):
        places.setdefault(int(count), []).append(place)
    return [
        (of_count, np.stack([matrix[~np.isnan(matrix[:, place]), place] for place in of_count], axis=1))
        for of_count in places.values()
    ]


def _bca(values: Floats, seed: int, confidence: float, resamples: int) -> tuple[Floats, Floats]:
    """Bias-corrected and accelerated ends for columns without nan."""
    import numpy as np

    observed = values.mean(axis=0)
    centred = values - observed
    means = np.sort(_resampled_means(centred, seed, resamples), axis=0)
    # Equal on paper is not equal in the last digits; ties count half.
    slack = 1e-12 * np.abs(centred).max(axis=0)
    below = (means < -slack).sum(axis=0)
    ties = (np.abs(means) <= slack).sum(axis=0)
    share = np.clip((below + ties / 2) / resamples, 0.5 / resamples, 1 - 0.5 / resamples)
    squares = (centred**2).sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        acceleration = np.where(squares > 0, (centred**3).sum(axis=0) / (6 * squares**1.5), 0.0)
    normal = NormalDist()
    bias = [normal.inv_cdf(float(each)) for each in share]
    ends = []
    for tail in ((1 - confidence) / 2, (1 + confidence) / 2):
        z = normal.inv_cdf(tail)
        levels = [
            normal.cdf(b + (b + z) / (1 - float(a) * (b + z)))
            for b, a in zip(bias, acceleration, strict=True)
        ]
        ends.append(_quantiles(means, np.array(levels)) + observed)
    return ends[0], ends[1]


def _resampled_means(values: Floats, seed: int, resamples: int) -> Floats:
    """Means of the columns over resampled rows: (resamples, columns)."""
    import numpy as np

    count = len(values)
    generator = np.random.default_rng(seed)
    rows = max(1, _DRAWS_AT_ONCE // count)
    means = np.empty((resamples, values.shape[1]))
    for begin in range(0, resamples, rows):
        size = min(rows, resamples - begin)
        drawn = generator.integers(count, size=(size, count))
        drawn += np.arange(size)[:, None] * count
        times = np.bincount(drawn.ravel(), minlength=size * count).reshape(size, count)
        means[begin : begin + size] = times.astype(np.float64) @ values / count
    return means


def _quantiles(sorted_columns: Floats, levels: Floats) -> Floats:
    """For each column its own quantile, between two values in proportion (as numpy's default)."""
    import numpy as np

    last = len(sorted_columns) - 1
    place = levels * last
    low = np.floor(place).astype(int)
    high = np.minimum(low + 1, last)
    every = np.arange(sorted_columns.shape[1])
    found: Floats = sorted_columns[low, every] + (place - low) * (
        sorted_columns[high, every] - sorted_columns[low, every]
    )
    return found
