import math
import statistics as stdlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diversity_eval.errors import DiversityEvalError
from diversity_eval.metrics.statistics import mean, standard_deviation, standard_error

numbers = st.lists(st.floats(-1e6, 1e6) | st.just(math.nan), max_size=20)


@given(numbers)
def test_mean_and_spread_equal_the_standard_library(values: list[float]) -> None:
    kept = [value for value in values if not math.isnan(value)]
    if kept:
        assert mean(values) == pytest.approx(stdlib.fmean(kept), rel=1e-12, abs=1e-12)
    else:
        assert math.isnan(mean(values))
    if len(kept) > 1:
        deviation = stdlib.stdev(kept)
        assert standard_deviation(values) == pytest.approx(deviation, rel=1e-9, abs=1e-9)
        assert standard_error(values) == pytest.approx(deviation / math.sqrt(len(kept)), rel=1e-9, abs=1e-9)
    else:
        assert math.isnan(standard_deviation(values))
        assert math.isnan(standard_error(values))


def test_by_hand() -> None:
    values = [2.0, math.nan, 4.0, 9.0]
    assert mean(values) == 5
    # (9 + 1 + 16) / 2 = 13: the divisor is n - 1.
    assert standard_deviation(values) == pytest.approx(math.sqrt(13))
    assert standard_error(values) == pytest.approx(math.sqrt(13 / 3))


def test_infinite_values_are_refused() -> None:
    for function in (mean, standard_deviation, standard_error):
        with pytest.raises(DiversityEvalError, match="one is infinite"):
            function([1.0, math.inf])
