import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diversity_eval.errors import DiversityEvalError
from diversity_eval.metrics.quality import QUALITY_HIGHER_IS_BETTER, QUALITY_UNSCORED, quality_metrics


def test_worked_by_hand() -> None:
    assert quality_metrics([5, 3, 4, 0]) == {"quality": 3.0, "quality_unscored": 0.0}
    found = quality_metrics([5, 2], [4.5, 2.25], [0.5, 0.0])
    assert found == {
        "quality": 3.5,
        "quality_expected": 3.375,
        "quality_entropy": 0.25,
        "quality_unscored": 0.0,
    }
    assert list(found) == ["quality", "quality_expected", "quality_entropy", "quality_unscored"]


def test_unscored_is_left_out_and_counted_and_zero_is_a_rating() -> None:
    assert quality_metrics([4, None, 2, None]) == {"quality": 3.0, "quality_unscored": 2.0}
    assert quality_metrics([0, 0]) == {"quality": 0.0, "quality_unscored": 0.0}
    assert quality_metrics([0, None, 4]) == {"quality": 2.0, "quality_unscored": 1.0}
    found = quality_metrics([4, None, 0], [3.5, None, 0.5], [0.0, None, 1.0])
    assert found == {
        "quality": 2.0,
        "quality_expected": 2.0,
        "quality_entropy": 0.5,
        "quality_unscored": 1.0,
    }


def test_without_any_rating_there_is_no_quality() -> None:
    found = quality_metrics([None, None], [None, None], [None, None])
    assert found[QUALITY_UNSCORED] == 2.0
    assert all(math.isnan(value) for name, value in found.items() if name != QUALITY_UNSCORED)
    assert math.isnan(quality_metrics([None])["quality"])


def test_each_mean_is_over_what_has_a_value() -> None:
    found = quality_metrics([4, 2], [3.5, None], None)
    assert (found["quality"], found["quality_expected"]) == (3.0, 3.5)
    assert "quality_entropy" not in found


@given(st.lists(st.none() | st.integers(0, 5), min_size=1, max_size=20))
def test_numpy_agrees(ratings: list[int | None]) -> None:
    column = np.array([math.nan if rating is None else rating for rating in ratings])
    found = quality_metrics(ratings, [None if r is None else r / 3 for r in ratings])
    assert found["quality_unscored"] == np.isnan(column).sum()
    if np.isnan(column).all():
        assert math.isnan(found["quality"])
    else:
        assert found["quality"] == pytest.approx(np.nanmean(column))
        assert found["quality_expected"] == pytest.approx(np.nanmean(column) / 3)
        assert all(type(value) is float for value in found.values())


def test_no_response_and_lists_that_do_not_fit_are_refused() -> None:
    with pytest.raises(DiversityEvalError, match="at least one response"):
        quality_metrics([])
    with pytest.raises(DiversityEvalError, match="got 1 for 2"):
        quality_metrics([1, 2], [1.0])
    with pytest.raises(DiversityEvalError, match="got 3 for 2"):
        quality_metrics([1, 2], [1.0, 2.0], [0.1, 0.2, 0.3])


def test_the_directions() -> None:
    assert dict(QUALITY_HIGHER_IS_BETTER) == {
        "quality": True,
        "quality_expected": True,
        "quality_entropy": None,
    }
    assert set(quality_metrics([1], [1.0], [0.0])) == {*QUALITY_HIGHER_IS_BETTER, QUALITY_UNSCORED}


def test_importing_it_loads_nothing_heavy() -> None:
    code = (
        "import sys; import diversity_eval.metrics.quality; "
        "print(*{'numpy', 'torch', 'lm_eval', 'jinja2'} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "torch" not in run.stdout
    assert "lm_eval" not in run.stdout
    assert "jinja2" not in run.stdout
