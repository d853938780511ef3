"""How far two raters of the same responses agree, and intervals for shares and for clustered values."""

import math
from collections.abc import Callable, Hashable, Sequence
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

from diversity_eval.errors import DiversityEvalError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["cluster_bootstrap_ci", "pearson", "quadratic_weighted_kappa", "spearman", "wilson_interval"]

_LEAST_DEFINED = 0.5  # of the resamples; below it the rest would not stand for them


def quadratic_weighted_kappa(a: Sequence[float], b: Sequence[float], lowest: float, highest: float) -> float:
    """Cohen's kappa with quadratic weights (Cohen 1968).

    One minus the mean squared difference of the pairs over that of all combinations of a value of `a` with
    one of `b`. For whole numbers that is the usual definition by a table of counts; other numbers (means of
    several raters) need no rounding.

    Args:
        a: one rater's ratings.
        b: the other's of the same things, in the same order.
        lowest: the lower end of the scale that both used.
        highest: its upper end.

    Returns:
        From -1 to 1; 1 is agreement throughout, 0 what chance gives; also 0 if one rater always says the same
        and the other does not. nan for no pair, and if both always say the same one thing.

    Raises:
        DiversityEvalError: lengths that differ, a value that is not finite or not on the scale.
    """
    first, second = _pairs(a, b, "quadratic_weighted_kappa")
    for values in (first, second):
        if values.size and (values.min() < lowest or values.max() > highest):
            wrong = values.min() if values.min() < lowest else values.max()
            raise DiversityEvalError(
                f"quadratic_weighted_kappa needs ratings from {lowest:g} to {highest:g}, but one is "
                f"{wrong:g}; kappa compares raters on one scale"
            )
    if not first.size or first.min() == first.max() == second.min() == second.max():
        return math.nan
    observed = float(((first - second) ** 2).mean())
    # The mean over all combinations, without forming them.
    by_chance = float(first.var() + second.var() + (first.mean() - second.mean()) ** 2)
    return 1 - observed / by_chance if by_chance > 0 else math.nan


def spearman(a: Sequence[float], b: Sequence[float]) -> float:
    """Spearman's rank correlation; equal values share the mean of their ranks.

    Returns:
        From -1 to 1; nan for fewer than two pairs and where one side is constant.

    Raises:
        DiversityEvalError: lengths that differ, a value that is not finite.
    """
    first, second = _pairs(a, b, "spearman")
    return _correlation(_ranks(first), _ranks(second))


def pearson(a: Sequence[float], b: Sequence[float]) -> float:
    """Pearson's correlation.

    Returns:
        From -1 to 1; nan for fewer than two pairs and where one side is constant.

    Raises:
        DiversityEvalError: lengths that differ, a value that is not finite.
    """
    return _correlation(*_pairs(a, b, "pearson"))


def wilson_interval(count: int, n: int, *, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval for a share (Wilson 1927), which also holds where none or all count.

    Args:
        count: how many of `n` count.
        n: independent observations.
        confidence: the coverage, above 0 and below 1.

    Returns:
        The lower and the upper end, from 0 to 1; (nan, nan) for n = 0.

    Raises:
        DiversityEvalError: a count below 0 or above n, a confidence out of range.
    """
    _check_confidence(confidence, "wilson_interval")
    if not 0 <= count <= n:
        raise DiversityEvalError(f"wilson_interval needs a count from 0 to n = {n}, but was given {count}")
    if n == 0:
        return math.nan, math.nan
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share = count / n
    centre = share + z * z / (2 * n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    # Rounding would leave the ends a hair inside where they are exact.
    lower = 0.0 if count == 0 else (centre - half) / scale
    upper = 1.0 if count == n else (centre + half) / scale
    return lower, upper


def cluster_bootstrap_ci(
    statistic: Callable[["npt.NDArray[np.intp]"], float],
    clusters: Sequence[Hashable],
    *,
    seed: int,
    confidence: float = 0.95,
    resamples: int = 2_000,
) -> tuple[float, float]:
    """Percentile-bootstrap interval of any statistic, with whole clusters resampled.

    The responses to one prompt resemble each other; taken one by one they would make the interval too
    narrow. So prompts are drawn, and each brings all its rows.

    Args:
        statistic: from the rows of a resample (places from 0, each as often as it was drawn) to a number,
            nan where it is undefined.
        clusters: for each row, to which cluster it belongs.
        seed: of numpy's generator; the same seed gives the same interval.
        confidence: the coverage, above 0 and below 1.
        resamples: how many, from 1.

    Returns:
        The lower and the upper end over the resamples where the statistic is defined; (nan, nan) for fewer
        than two clusters, and if it is undefined in more than half of the resamples.

    Raises:
        DiversityEvalError: confidence or resamples out of range.
    """
    import numpy as np

    _check_confidence(confidence, "cluster_bootstrap_ci")
    if resamples < 1:
        raise DiversityEvalError(f"cluster_bootstrap_ci needs at least 1 resample, but was given {resamples}")
    members: dict[Hashable, list[int]] = {}
    for row, cluster in enumerate(clusters):
        members.setdefault(cluster, []).append(row)
    if len(members) < 2:
        return math.nan, math.nan
    rows = [np.array(places, dtype=np.intp) for places in members.values()]
    generator = np.random.default_rng(seed)
    found = np.empty(resamples)
    for resample in range(resamples):
        drawn = generator.integers(len(rows), size=len(rows))
        found[resample] = statistic(np.concatenate([rows[place] for place in drawn]))
    defined = found[~np.isnan(found)]
    if defined.size < _LEAST_DEFINED * resamples:
        return math.nan, math.nan
    tail = (1 - confidence) / 2
    lower, upper = np.quantile(defined, [tail, 1 - tail])
    return float(lower), float(upper)


def _pairs(a: Sequence[float], b: Sequence[float], function: str) -> tuple[Any, Any]:
    import numpy as np

    if len(a) != len(b):
        raise DiversityEvalError(
            f"{function} needs two ratings of each thing, but was given {len(a)} and {len(b)}"
        )
    first, second = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise DiversityEvalError(f"{function} needs finite values; leave out the pairs where one is missing")
    return first, second


def _correlation(first: Any, second: Any) -> float:
    if first.size < 2 or first.min() == first.max() or second.min() == second.max():
        return math.nan
    first, second = _centred(first), _centred(second)
    return min(
        1.0, max(-1.0, float((first * second).sum() / math.sqrt((first**2).sum() * (second**2).sum())))
    )


def _centred(values: Any) -> Any:
    """About their mean, the largest of size 1: squares then do not vanish."""
    import numpy as np

    centred = values - values.mean()
    return centred / np.abs(centred).max()


def _ranks(values: Any) -> Any:
    """Ranks from 1; equal values get the mean of theirs."""
    import numpy as np

    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[place]


def _check_confidence(confidence: float, function: str) -> None:
    if not 0 < confidence < 1:
        raise DiversityEvalError(f"{function} needs a confidence between 0 and 1, but was given {confidence}")
