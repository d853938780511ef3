"""From verdicts to what they say about the judge. Unscored verdicts are counted and left out."""

import math
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from diversity_eval.judging.verdict import Verdict
from diversity_eval.metrics.agreement import (
    cluster_bootstrap_ci,
    pearson,
    quadratic_weighted_kappa,
    spearman,
    wilson_interval,
)
from diversity_eval.metrics.statistics import bootstrap_ci, mean, paired_test

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = [
    "SAME",
    "Agreement",
    "Comparison",
    "Estimate",
    "Position",
    "Repetition",
    "Share",
    "agreement",
    "compare",
    "expected_ratings",
    "position",
    "ratings",
    "repetition",
]

SAME = 1e-3
"""Expected ratings that differ by less count as equal: arithmetic in batches differs in the last digits."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its 95 % confidence interval; nan where undefined."""

    value: float
    lower: float
    upper: float


@dataclass(frozen=True, slots=True)
class Share:
    """A share of independent pairs, with Wilson's 95 % interval."""

    count: int
    share: float
    lower: float
    upper: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """Originals against the same responses degraded, on one measure.

    Attributes:
        pairs: both rated.
        above: where the original is rated above the degraded one.
        equal: where both are rated the same.
        below: where the original is rated below.
        original: mean of the originals in these pairs.
        degraded: mean of the degraded ones.
        loss: what degrading costs: mean of original minus degraded, in points.
        p_value: two-sided, of no loss (`paired_test`); nan without a pair.
    """

    pairs: int
    above: Share
    equal: Share
    below: Share
    original: float
    degraded: float
    loss: Estimate
    p_value: float


@dataclass(frozen=True, slots=True)
class Position:
    """Where on the scale the originals are.

    Attributes:
        responses: how many were to be rated.
        unscored: of these, without a rating.
        mean: of the ratings, over responses and then over prompts.
        expected: of the expected ratings likewise; nan without a distribution.
        histogram: how often each rating was given, lowest first.
        share_lowest: of the rated ones, how many have the lowest rating.
        share_highest: the highest.
        share_commonest: the rating that is given most.
        entropy: mean entropy of the judge's distributions, in nats; nan without.
        scale_mass: mean probability of giving a rating at all, unscored ones included; nan without.
    """

    responses: int
    unscored: int
    mean: Estimate
    expected: Estimate
    histogram: tuple[int, ...]
    share_lowest: float
    share_highest: float
    share_commonest: float
    entropy: float
    scale_mass: float


@dataclass(frozen=True, slots=True)
class Repetition:
    """The same originals asked a second time.

    Attributes:
        pairs: rated both times.
        unscored: (first time, second time).
        equal: share of pairs with the same rating; the interval resamples prompts.
        difference: mean absolute difference of the ratings.
        expected_difference: of the expected ratings; nan without a distribution.
    """

    pairs: int
    unscored: tuple[int, int]
    equal: Estimate
    difference: float
    expected_difference: float


@dataclass(frozen=True, slots=True)
class Agreement:
    """Two raters (modes, or a person and the judge) of the same responses. Intervals resample prompts.

    Attributes:
        pairs: rated by both.
        prompts: how many prompts these are of.
        unscored: (by the first, by the second).
        one_scale: whether all values lie on the judge's scale; if not, what compares points is nan.
        exact: share of equal ratings.
        within_one: share that differ by at most 1.
        kappa: quadratic-weighted.
        spearman: rank correlation.
        pearson: correlation.
        difference: mean of the second minus the first.
        absolute_difference: mean absolute difference.
    """

    pairs: int
    prompts: int
    unscored: tuple[int, int]
    one_scale: bool
    exact: Estimate
    within_one: Estimate
    kappa: Estimate
    spearman: Estimate
    pearson: Estimate
    difference: Estimate
    absolute_difference: Estimate


def ratings(verdicts: Sequence[Verdict]) -> list[float | None]:
    """The ratings, None where unscored."""
    return [None if verdict.rating is None else float(verdict.rating) for verdict in verdicts]


def expected_ratings(verdicts: Sequence[Verdict]) -> list[float | None]:
    """The expected ratings, None where unscored or without a distribution."""
    return [verdict.expected_rating for verdict in verdicts]


def compare(
    original: Sequence[float | None], degraded: Sequence[float | None], *, seed: int, same: float = SAME
) -> Comparison:
    """Compare pair by pair. The pairs have to be independent: one per prompt.

    Args:
        original: ratings, None where unscored.
        degraded: of the same responses degraded, likewise.
        seed: of bootstrap and test.
        same: values closer than this count as equal.
    """
    pairs = [(a, b) for a, b in zip(original, degraded, strict=True) if a is not None and b is not None]
    differences = [a - b for a, b in pairs]
    above = sum(difference >= same for difference in differences)
    below = sum(difference <= -same for difference in differences)
    n = len(pairs)
    test = paired_test([a for a, _ in pairs], [b for _, b in pairs], seed=seed) if pairs else None
    return Comparison(
        pairs=n,
        above=_share(above, n),
        equal=_share(n - above - below, n),
        below=_share(below, n),
        original=mean([a for a, _ in pairs]),
        degraded=mean([b for _, b in pairs]),
        loss=Estimate(mean(differences), *bootstrap_ci(differences, seed=seed)),
        p_value=test.p_value if test else math.nan,
    )


def position(
    verdicts: Sequence[Verdict], prompts: Sequence[Hashable], lowest: int, highest: int, *, seed: int
) -> Position:
    """Where the originals' ratings lie.

    Args:
        verdicts: on the originals.
        prompts: for each, which prompt it is of.
        lowest: the lowest rating.
        highest: the highest.
        seed: of the bootstrap.
    """
    given = [verdict.rating for verdict in verdicts if verdict.rating is not None]
    counts = Counter(given)
    entropies = [verdict.entropy for verdict in verdicts if verdict.entropy is not None]
    masses = [verdict.scale_mass for verdict in verdicts if verdict.scale_mass is not None]
    histogram = tuple(counts[rating] for rating in range(lowest, highest + 1))
    return Position(
        responses=len(verdicts),
        unscored=len(verdicts) - len(given),
        mean=_mean_over_prompts(ratings(verdicts), prompts, seed),
        expected=_mean_over_prompts(expected_ratings(verdicts), prompts, seed),
        histogram=histogram,
        share_lowest=_ratio(histogram[0], len(given)),
        share_highest=_ratio(histogram[-1], len(given)),
        share_commonest=_ratio(max(histogram), len(given)),
        entropy=mean(entropies),
        scale_mass=mean(masses),
    )


def repetition(
    first: Sequence[Verdict], second: Sequence[Verdict], prompts: Sequence[Hashable], *, seed: int
) -> Repetition:
    """Whether the judge says the same again.

    Args:
        first: verdicts on the originals.
        second: those of the second time, in the same order.
        prompts: for each, which prompt it is of.
        seed: of the bootstrap.
    """
    rows = [
        (a.rating, b.rating, prompt)
        for a, b, prompt in zip(first, second, prompts, strict=True)
        if a.rating is not None and b.rating is not None
    ]
    expected = [
        abs(a.expected_rating - b.expected_rating)
        for a, b in zip(first, second, strict=True)
        if a.expected_rating is not None and b.expected_rating is not None
    ]
    return Repetition(
        pairs=len(rows),
        unscored=(_unscored(first), _unscored(second)),
        equal=_clustered_mean([float(a == b) for a, b, _ in rows], [prompt for *_, prompt in rows], seed),
        difference=mean([abs(a - b) for a, b, _ in rows]),
        expected_difference=mean(expected),
    )


def agreement(
    first: Sequence[float | None],
    second: Sequence[float | None],
    prompts: Sequence[Hashable],
    lowest: int,
    highest: int,
    *,
    seed: int,
) -> Agreement:
    """How far two raters agree.

    Args:
        first: one rater's values, None where there is none.
        second: the other's, in the same order.
        prompts: for each, which prompt it is of.
        lowest: the lowest rating of the judge's scale.
        highest: the highest.
        seed: of the bootstrap.
    """
    import numpy as np

    rows = [
        (a, b, prompt)
        for a, b, prompt in zip(first, second, prompts, strict=True)
        if a is not None and b is not None
    ]
    a, b = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    clusters = [prompt for *_, prompt in rows]
    one_scale = bool(((a >= lowest) & (a <= highest) & (b >= lowest) & (b <= highest)).all())

    def estimate(
        statistic: Callable[["npt.NDArray[np.float64]", "npt.NDArray[np.float64]"], float],
    ) -> Estimate:
        if not rows:
            return Estimate(math.nan, math.nan, math.nan)
        interval = cluster_bootstrap_ci(lambda drawn: statistic(a[drawn], b[drawn]), clusters, seed=seed)
        return Estimate(statistic(a, b), *interval)

    def on_scale(
        statistic: Callable[["npt.NDArray[np.float64]", "npt.NDArray[np.float64]"], float],
    ) -> Estimate:
        return estimate(statistic) if one_scale else Estimate(math.nan, math.nan, math.nan)

    return Agreement(
        pairs=len(rows),
        prompts=len(set(clusters)),
        unscored=(sum(value is None for value in first), sum(value is None for value in second)),
        one_scale=one_scale,
        exact=on_scale(lambda x, y: float((np.abs(x - y) < SAME).mean())),
        within_one=on_scale(lambda x, y: float((np.abs(x - y) <= 1).mean())),
        kappa=on_scale(lambda x, y: quadratic_weighted_kappa(x, y, lowest, highest)),  # type: ignore[arg-type]
        spearman=estimate(spearman),  # type: ignore[arg-type]
        pearson=estimate(pearson),  # type: ignore[arg-type]
        difference=on_scale(lambda x, y: float((y - x).mean())),
        absolute_difference=on_scale(lambda x, y: float(np.abs(x - y).mean())),
    )


def _mean_over_prompts(values: Sequence[float | None], prompts: Sequence[Hashable], seed: int) -> Estimate:
    """As quality is defined: the mean over a prompt's responses, then over prompts."""
    by_prompt: dict[Hashable, list[float]] = {}
    for value, prompt in zip(values, prompts, strict=True):
        if value is not None:
            by_prompt.setdefault(prompt, []).append(value)
    means = [mean(of_prompt) for of_prompt in by_prompt.values()]
    return Estimate(mean(means), *bootstrap_ci(means, seed=seed))


def _clustered_mean(values: Sequence[float], clusters: Sequence[Hashable], seed: int) -> Estimate:
    import numpy as np

    array = np.array(values)
    interval = cluster_bootstrap_ci(lambda rows: float(array[rows].mean()), clusters, seed=seed)
    return Estimate(mean(values), *interval)


def _share(count: int, n: int) -> Share:
    return Share(count, _ratio(count, n), *wilson_interval(count, n))


def _ratio(count: int, n: int) -> float:
    return count / n if n else math.nan


def _unscored(verdicts: Sequence[Verdict]) -> int:
    return sum(verdict.rating is None for verdict in verdicts)
