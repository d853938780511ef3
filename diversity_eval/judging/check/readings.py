"""Rules that turn the numbers of a check into words. Each rule is in `docs/reference/judge-check.md`."""

from typing import Literal

from diversity_eval.judging.check.measures import Agreement, Comparison, Position, Repetition

__all__ = [
    "CROWDED_SHARE",
    "LEAST_PAIRS",
    "SMALL_LOSS_SHARE",
    "SURE_LOSS_SHARE",
    "Reading",
    "read_agreement",
    "read_comparison",
    "read_cut",
    "read_position",
    "read_repetition",
]

Reading = Literal[
    "sees", "sees weakly", "blind", "prefers it", "costs nothing", "costs points", "unclear", "too few"
]

LEAST_PAIRS = 5
"""With fewer pairs nothing is said."""
SURE_LOSS_SHARE = 0.05
"""Of the scale's width: what a degradation has to cost on average for the judge to see it."""
SMALL_LOSS_SHARE = 0.10
"""Of the scale's width: where the interval of a cut's cost reaches this, too little is known."""
CROWDED_SHARE = 0.5
"""Of the ratings: where so many are at one end, what lies beyond cannot be told apart."""
_ONE_RATING_SHARE = 0.8
_REPEATS, _MOSTLY_REPEATS = 0.95, 0.8
_AGREE, _ROUGHLY_AGREE = 0.8, 0.6


def read_comparison(comparison: Comparison, width: float) -> Reading:
    """What the judge makes of a degradation that must cost points.

    Args:
        comparison: of originals and degraded.
        width: of the scale, highest minus lowest.
    """
    if comparison.pairs < LEAST_PAIRS:
        return "too few"
    if comparison.loss.upper < 0:
        return "prefers it"
    if comparison.loss.lower <= 0:
        return "unclear" if comparison.loss.upper >= SMALL_LOSS_SHARE * width else "blind"
    sure = comparison.above.lower > 0.5 and comparison.loss.value >= SURE_LOSS_SHARE * width
    return "sees" if sure else "sees weakly"


def read_cut(comparison: Comparison, width: float) -> Reading:
    """Whether being cut off costs points, which it must not.

    Args:
        comparison: of originals and cut ones.
        width: of the scale, highest minus lowest.
    """
    if comparison.pairs < LEAST_PAIRS:
        return "too few"
    if comparison.loss.lower > 0:
        return "costs points"
    return "unclear" if comparison.loss.upper >= SMALL_LOSS_SHARE * width else "costs nothing"


def read_position(position: Position, lowest: int, highest: int) -> list[str]:
    """What is wrong with where the originals' ratings lie, if anything."""
    found = []
    if position.share_highest >= CROWDED_SHARE:
        found.append(
            f"{_percent(position.share_highest)} of the originals have the highest rating: it cannot tell "
            "good responses from better ones"
        )
    if position.share_lowest >= CROWDED_SHARE:
        found.append(
            f"{_percent(position.share_lowest)} of the originals have the lowest rating: nothing can be "
            "rated lower"
        )
    if position.share_commonest >= _ONE_RATING_SHARE:
        rating = lowest + position.histogram.index(max(position.histogram))
        if rating not in (lowest, highest):
            share = _percent(position.share_commonest)
            found.append(f"{share} of the originals have the same rating, {rating}")
    return found


def read_repetition(repetition: Repetition) -> str:
    """Whether the judge says the same again."""
    if repetition.pairs < LEAST_PAIRS:
        return "too few"
    share = repetition.equal.value
    if share >= _REPEATS:
        return "repeats itself"
    return "mostly repeats itself" if share >= _MOSTLY_REPEATS else "does not repeat itself"


def read_agreement(agreement: Agreement) -> str:
    """How far two raters agree, by kappa."""
    if agreement.pairs < LEAST_PAIRS:
        return "share too few ratings"
    kappa = agreement.kappa.value
    if kappa != kappa:
        return "cannot be compared (kappa is undefined)"
    if kappa >= _AGREE:
        return "agree"
    return "agree roughly" if kappa >= _ROUGHLY_AGREE else "do not agree"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
