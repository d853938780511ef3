import math

from hypothesis import given
from hypothesis import strategies as st

from diversity_eval.report.planes import front_of

POINTS = st.lists(
    st.tuples(*[st.sampled_from([0.0, 1.0, 2.0, 3.0, math.nan]) | st.floats(-5, 5)] * 2), max_size=12
)


def test_by_hand() -> None:
    assert front_of([(1, 1), (2, 2), (3, 0)]) == [1, 2]
    assert front_of([(1, 3), (2, 2), (3, 1)]) == [0, 1, 2]
    assert front_of([(1, 1), (1, 1), (0, 0)]) == [0, 1]
    assert front_of([(1, 2), (1, 1), (0, 2)]) == [0]
    assert front_of([(math.nan, 9), (0, 0)]) == [1]
    assert front_of([]) == []


@given(POINTS)
def test_it_is_what_no_point_dominates(points: list[tuple[float, float]]) -> None:
    known = [p for p in points if not any(map(math.isnan, p))]
    expected = [
        place
        for place, p in enumerate(points)
        if not any(map(math.isnan, p)) and not any(q[0] >= p[0] and q[1] >= p[1] and q != p for q in known)
    ]
    assert front_of(points) == expected
