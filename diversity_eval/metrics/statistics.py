"""From per-prompt values to means, spreads, confidence intervals and paired tests.

A nan stands for a prompt where a metric is undefined; all functions but `paired_test` leave it out. Intervals
are in `bootstrap`, tests in `paired`; they are to be had from here.
"""

import math
from collections.abc import Sequence

from diversity_eval.errors import DiversityEvalError
from diversity_eval.metrics.bootstrap import bootstrap_ci, bootstrap_cis
from diversity_eval.metrics.paired import PairedTest, PairedTests, holm, paired_test, paired_tests

__all__ = [
    "PairedTest",
    "PairedTests",
    "bootstrap_ci",
    "bootstrap_cis",
    "holm",
    "mean",
    "paired_test",
    "paired_tests",
    "standard_deviation",
    "standard_error",
]


def mean(values: Sequence[float]) -> float:
    """Arithmetic mean of the values that are not nan; nan if there is none.

    Raises:
        DiversityEvalError: an infinite value.
    """
    kept = _defined(values, "mean")
    return math.fsum(kept) / len(kept) if kept else math.nan


def standard_deviation(values: Sequence[float]) -> float:
    """Sample standard deviation (divisor n - 1) of the values that are not nan; nan for fewer than two.

    Raises:
        DiversityEvalError: an infinite value.
    """
    kept = _defined(values, "standard_deviation")
    if len(kept) < 2:
        return math.nan
    centre = math.fsum(kept) / len(kept)
    return math.sqrt(math.fsum((value - centre) ** 2 for value in kept) / (len(kept) - 1))


def standard_error(values: Sequence[float]) -> float:
    """Standard error of the mean: `standard_deviation` over the root of n; nan for fewer than two values.

    Raises:
        DiversityEvalError: an infinite value.
    """
    kept = _defined(values, "standard_error")
    return standard_deviation(kept) / math.sqrt(len(kept)) if len(kept) > 1 else math.nan


def _defined(values: Sequence[float], function: str) -> list[float]:
    kept = [float(value) for value in values if not math.isnan(value)]
    if any(math.isinf(value) for value in kept):
        raise DiversityEvalError(
            f"{function} needs finite values (or nan where undefined), but one is infinite"
        )
    return kept
