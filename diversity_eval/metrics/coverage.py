"""What n sampled answers to one problem are worth: pass@k, its curve over k, and majority vote.

Which answers are right, and which are the same, is for the caller to find out; here are only the counts.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from math import comb, nan

from diversity_eval.errors import DiversityEvalError

__all__ = ["curve_points", "majority_vote", "pass_at_k", "pass_curve"]


def pass_at_k(n: int, c: int, k: int) -> float:
    """The probability that k of the n samples, drawn without replacement, hold a right one.

    1 - C(n - c, k) / C(n, k), the unbiased estimator of Chen et al. 2021 ("Evaluating Large Language Models
    Trained on Code", equation 1). With k = 1 it is the success rate c / n, with k = n it is 1 if any sample
    is right (coverage). Computed in whole numbers and rounded once.

    Args:
        n: the number of samples.
        c: how many of them are right.
        k: how many are drawn.

    Returns:
        0 to 1, higher is better; nan for n < k, where the samples do not tell.

    Raises:
        DiversityEvalError: k below 1, c below 0 or above n.
    """
    if k < 1:
        raise DiversityEvalError(f"pass_at_k needs a k of at least 1, but was given {k}")
    if not 0 <= c <= n:
        raise DiversityEvalError(f"pass_at_k needs a number of right samples from 0 to n = {n}, but got {c}")
    if n < k:
        return nan
    draws = comb(n, k)
    # The division of two integers of any size is rounded correctly, which that of their floats is not.
    return (draws - comb(n - c, k)) / draws


def pass_curve(n: int, c: int, ks: Iterable[int]) -> dict[int, float]:
    """`pass_at_k` for each k, in the order given; nan for those above n.

    Raises:
        DiversityEvalError: a k below 1, c below 0 or above n.
    """
    return {k: pass_at_k(n, c, k) for k in ks}


def curve_points(largest: int) -> tuple[int, ...]:
    """Where a curve of pass@k is drawn: the powers of two below `largest`, and `largest` itself.

    Raises:
        DiversityEvalError: `largest` is below 1.
    """
    if largest < 1:
        raise DiversityEvalError(f"curve_points needs a largest k of at least 1, but was given {largest}")
    return (*(2**power for power in range((largest - 1).bit_length())), largest)


def majority_vote(labels: Sequence[int | None], right: Collection[int]) -> float:
    """Whether the answer that most samples give is right (Wang et al. 2023, self-consistency).

    Args:
        labels: for each sample the class of equal answers that its answer is in; None for a sample without an
            answer, which does not vote.
        right: the classes that are right.

    Returns:
        1.0 or 0.0; where several classes have the most votes, the share of them that are right, which is
        what picking one of them at random gives. 0.0 if no sample votes. Higher is better.
    """
    votes = Counter(label for label in labels if label is not None)
    if not votes:
        return 0.0
    most = max(votes.values())
    winners = [label for label, count in votes.items() if count == most]
    return sum(label in right for label in winners) / len(winners)
