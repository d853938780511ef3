import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diversity_eval.errors import DiversityEvalError
from diversity_eval.metrics.coverage import curve_points, majority_vote, pass_at_k, pass_curve


@pytest.mark.parametrize("n", range(1, 9))
def test_pass_at_k_counts_the_draws_that_hold_a_right_sample(n: int) -> None:
    for c, k in itertools.product(range(n + 1), range(1, n + 1)):
        right = [True] * c + [False] * (n - c)
        draws = list(itertools.combinations(right, k))
        assert pass_at_k(n, c, k) == float(Fraction(sum(map(any, draws)), len(draws))), (n, c, k)


def test_pass_at_k_by_hand() -> None:
    # Of the six pairs out of four samples three miss both right ones if one is right, one if two are.
    assert pass_at_k(4, 1, 2) == 1 - 3 / 6
    assert pass_at_k(4, 2, 2) == pytest.approx(1 - 1 / 6, rel=1e-15)
    assert pass_at_k(4, 3, 2) == 1.0
    assert pass_at_k(16, 0, 16) == 0.0
    assert pass_at_k(16, 1, 16) == 1.0
    assert pass_at_k(16, 1, 8) == 0.5
    assert pass_at_k(1, 1, 1) == 1.0


@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n), st.integers(1, n))))
def test_the_product_form_in_floats_agrees(counts: tuple[int, int, int]) -> None:
    n, c, k = counts
    # The form that is stable in floats: 1 - prod over i from n - c + 1 to n of (1 - k / i).
    missed = 0.0 if n - c < k else float(np.prod(1.0 - k / np.arange(n - c + 1, n + 1)))
    assert pass_at_k(n, c, k) == pytest.approx(1 - missed, rel=1e-9, abs=1e-12)


def test_thousands_of_samples_neither_overflow_nor_lose_digits() -> None:
    # One right sample of n: k draws hold it with probability k / n.
    assert pass_at_k(5000, 1, 2500) == 0.5
    assert pass_at_k(4999, 1, 1234) == 1234 / 4999
    assert pass_at_k(3000, 2999, 1) == 2999 / 3000
    # Far below what 1 - x can hold: all of 1000 wrong of 2000 in 1000 draws.
    assert pass_at_k(2000, 1000, 1000) == 1.0
    assert pass_at_k(10_000, 1, 1) == 1e-4


whole = st.integers(1, 60)


@given(whole.flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n - 1), st.integers(1, n))))
def test_pass_at_k_grows_with_c_and_k(counts: tuple[int, int, int]) -> None:
    n, c, k = counts
    value = pass_at_k(n, c, k)
    assert 0 <= value <= 1
    assert value <= pass_at_k(n, c + 1, k)
    if k < n:
        assert value <= pass_at_k(n, c, k + 1)
    assert pass_at_k(n, c, 1) == c / n
    assert pass_at_k(n, c, n) == float(c > 0)


@given(st.integers(2, 9).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n))), st.data())
def test_it_is_the_mean_over_the_samples_that_might_have_been_left_out(
    counts: tuple[int, int], data: st.DataObject
) -> None:
    n, c = counts
    k = data.draw(st.integers(1, n - 1))
    # Leaving out one sample at random changes the estimate, but not its mean.
    mean = (c * pass_at_k(n - 1, c - 1, k) if c else 0) / n
    mean += ((n - c) * pass_at_k(n - 1, c, k) if n > c else 0) / n
    assert pass_at_k(n, c, k) == pytest.approx(mean, rel=1e-12)


def test_too_few_samples_do_not_tell() -> None:
    assert math.isnan(pass_at_k(4, 4, 5))
    assert math.isnan(pass_at_k(0, 0, 1))


@pytest.mark.parametrize(
    ("n", "c", "k", "message"),
    [
        (4, 5, 1, "from 0 to n = 4, but got 5"),
        (4, -1, 1, "from 0 to n = 4, but got -1"),
        (-1, 0, 1, "from 0 to n = -1, but got 0"),
        (4, 1, 0, "a k of at least 1, but was given 0"),
        (4, 1, -2, "a k of at least 1, but was given -2"),
        (2, 3, 5, "from 0 to n = 2, but got 3"),  # wrong, not merely undefined
    ],
)
def test_counts_that_cannot_be_are_refused(n: int, c: int, k: int, message: str) -> None:
    with pytest.raises(DiversityEvalError, match=message):
        pass_at_k(n, c, k)
    with pytest.raises(DiversityEvalError, match=message):
        pass_curve(n, c, [1, k])


def test_the_curve_keeps_the_order_and_the_gaps() -> None:
    curve = pass_curve(4, 1, [4, 1, 2, 8])
    assert list(curve) == [4, 1, 2, 8]
    assert [curve[k] for k in (1, 2, 4)] == [0.25, 0.5, 1.0]
    assert math.isnan(curve[8])
    assert pass_curve(4, 1, []) == {}


@pytest.mark.parametrize(
    ("largest", "points"),
    [
        (1, (1,)),
        (2, (1, 2)),
        (3, (1, 2, 3)),
        (4, (1, 2, 4)),
        (5, (1, 2, 4, 5)),
        (16, (1, 2, 4, 8, 16)),
        (100, (1, 2, 4, 8, 16, 32, 64, 100)),
    ],
)
def test_curve_points_by_hand(largest: int, points: tuple[int, ...]) -> None:
    assert curve_points(largest) == points


@given(st.integers(1, 5000))
def test_curve_points_double_until_they_end(largest: int) -> None:
    points = curve_points(largest)
    assert points[-1] == largest
    assert list(points[:-1]) == [k for k in range(1, largest) if bin(k).count("1") == 1]


@pytest.mark.parametrize("largest", [0, -3])
def test_a_curve_to_nowhere_is_refused(largest: int) -> None:
    with pytest.raises(DiversityEvalError, match=f"at least 1, but was given {largest}"):
        curve_points(largest)


@pytest.mark.parametrize(
    ("labels", "right", "value"),
    [
        ([0, 0, 1], {0}, 1.0),
        ([0, 1, 1], {0}, 0.0),
        ([0, 1], {0}, 0.5),
        ([0, 1, 2], {0}, pytest.approx(1 / 3)),
        ([0, 1, 2], {0, 2}, pytest.approx(2 / 3)),
        ([2, 1, 1, 2, 0], [0], 0.0),  # right, but with too few votes
        ([5, None, None, None], {5}, 1.0),  # those without an answer do not vote
        ([5, None], {6}, 0.0),
        ([None, None], {0}, 0.0),
        ([], {0}, 0.0),
        ([0, 0], set(), 0.0),
        ([0, 1, 1, 0, 2, 2, None], {2}, pytest.approx(1 / 3)),
    ],
)
def test_majority_vote_by_hand(labels: list[int | None], right: set[int], value: float) -> None:
    assert majority_vote(labels, right) == value


votes = st.lists(st.none() | st.integers(0, 3), max_size=9)


@given(votes, st.sets(st.integers(0, 3)))
def test_majority_vote_is_the_chance_of_a_winner_picked_at_random(
    labels: list[int | None], right: set[int]
) -> None:
    # Every order of looking at the classes, the first with the most votes winning: all are equally likely.
    outcomes = []
    for order in itertools.permutations(range(4)):
        winner = max(order, key=labels.count)
        outcomes.append(labels.count(winner) > 0 and winner in right)
    assert majority_vote(labels, right) == pytest.approx(sum(outcomes) / len(outcomes), rel=1e-12)
    assert majority_vote(labels[::-1], right) == majority_vote(labels, right)
