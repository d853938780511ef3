"""Bootstrap confidence intervals of means over prompts, for many columns at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

from diversity_eval.errors import DiversityEvalError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike

    Floats = np.ndarray[Any, np.dtype[np.float64]]

__all__ = ["bootstrap_ci", "bootstrap_cis"]

# In memory at a time: 8 MB of places drawn, twice as much of their counts; 24 MB of values, as much of means.
_DRAWS_AT_ONCE = 1_000_000
_VALUES_AT_ONCE = 3_000_000


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
    for places, values in by_count(matrix, resamples):
        if len(values) > 1:
            lower[places], upper[places] = _bca(values, seed, confidence, resamples)
    return lower, upper


def columns_at_once(rows: int) -> int:
    """How many columns of so many rows are held in memory at a time."""
    return max(1, _VALUES_AT_ONCE // max(1, rows))


def by_count(matrix: Floats, rows: int) -> Iterator[tuple[list[int], Floats]]:
    """The columns of a matrix without their nan, those of equal length together, a bounded number at a time.

    Args:
        matrix: (prompts, columns).
        rows: how many numbers the caller makes of each column.

    Yields:
        The columns' places, and their values as a matrix (values, columns), which is the caller's to change.
    """
    import numpy as np

    places: dict[int, list[int]] = {}
    for place in range(matrix.shape[1]):
        places.setdefault(len(matrix) - int(np.isnan(matrix[:, place]).sum()), []).append(place)
    for count, of_count in places.items():
        width = columns_at_once(max(count, rows))
        for begin in range(0, len(of_count), width):
            part = of_count[begin : begin + width]
            values = np.empty((count, len(part)))
            for column, place in enumerate(part):
                values[:, column] = matrix[~np.isnan(matrix[:, place]), place]
            yield part, values


def _bca(values: Floats, seed: int, confidence: float, resamples: int) -> tuple[Floats, Floats]:
    """Bias-corrected and accelerated ends for columns without nan; overwrites the values."""
    import numpy as np

    least, most = values.min(axis=0), values.max(axis=0)
    observed = values.mean(axis=0)
    values -= observed
    # In units of the largest deviation, so that the powers of very small or large ones stay in range.
    unit = np.maximum(-values.min(axis=0), values.max(axis=0))
    unit[unit == 0] = 1.0
    values /= unit
    means = _resampled_means(values, seed, resamples)
    means.sort(axis=0)
    # Equal on paper is not equal in the last digits; ties count half.
    below, up_to = (means < -1e-12).sum(axis=0), (means <= 1e-12).sum(axis=0)
    share = np.clip((below + up_to) / 2 / resamples, 0.5 / resamples, 1 - 0.5 / resamples)
    squares = np.einsum("ij,ij->j", values, values)
    cubes = np.einsum("ij,ij,ij->j", values, values, values)
    acceleration = cubes / (6 * np.where(squares > 0, squares, 1.0) ** 1.5)
    tail = NormalDist().inv_cdf((1 - confidence) / 2)
    bias = [NormalDist().inv_cdf(float(each)) for each in share]
    ends = []
    for z in (tail, -tail):
        levels = [_level(b, float(a), z) for b, a in zip(bias, acceleration, strict=True)]
        # A resampled mean lies among the values; rounding must not make a -0.0 of an end at 0.
        ends.append(np.clip(_quantiles(means, np.array(levels)) * unit + observed, least, most))
    return ends[0], ends[1]


def _level(bias: float, acceleration: float, z: float) -> float:
    """Which quantile of the resampled means is an end (Efron and Tibshirani 1993, equation 14.10)."""
    shifted = bias + z
    stretch = 1 - acceleration * shifted
    if stretch <= 0:  # so far out that the correction has a pole: the last of the means
        return 1.0 if shifted > 0 else 0.0
    return NormalDist().cdf(bias + shifted / stretch)


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
