"""The quality of the responses to one prompt, from a judge's ratings (facts of the protocol: 0 to 5)."""

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from diversity_eval.errors import DiversityEvalError

__all__ = ["QUALITY_HIGHER_IS_BETTER", "QUALITY_UNSCORED", "quality_metrics"]

QUALITY_UNSCORED = "quality_unscored"
"""The number of responses that have no rating."""

QUALITY_HIGHER_IS_BETTER: Mapping[str, bool | None] = MappingProxyType(
    {"quality": True, "quality_expected": True, "quality_entropy": None}
)
"""The metrics of `quality_metrics` that are means over responses, and whether higher is better."""


def quality_metrics(
    ratings: Sequence[int | None],
    expected: Sequence[float | None] | None = None,
    entropies: Sequence[float | None] | None = None,
) -> dict[str, float]:
    """Means of a judge's ratings over the responses to one prompt.

    Args:
        ratings: one per response, None where it is unscored. Unscored responses are left out of the means
            and counted; they are never taken for a rating.
        expected: the mean of the judge's distribution for each response, None where there is none; left
            out for judges that give no distribution.
        entropies: the entropy of that distribution in nats, likewise.

    Returns:
        `quality`, the mean rating on the judge's scale, higher is better; `quality_expected` and
        `quality_entropy` if given; nan where no response has a value. `quality_unscored`, a count.

    Raises:
        DiversityEvalError: no response, lists of different lengths.
    """
    if not ratings:
        raise DiversityEvalError("quality_metrics needs the ratings of at least one response, but got none")
    values = {"quality": _mean(ratings)}
    for name, given in (("quality_expected", expected), ("quality_entropy", entropies)):
        if given is None:
            continue
        if len(given) != len(ratings):
            raise DiversityEvalError(
                f"quality_metrics needs one value per response, but got {len(given)} for {len(ratings)}"
            )
        values[name] = _mean(given)
    values[QUALITY_UNSCORED] = float(sum(rating is None for rating in ratings))
    return values


def _mean(values: Sequence[float | None]) -> float:
    kept = [value for value in values if value is not None]
    return math.fsum(kept) / len(kept) if kept else math.nan
