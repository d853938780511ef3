import math
from dataclasses import replace

import pytest

from diversity_eval.judging.check.measures import (
    Agreement,
    Comparison,
    Estimate,
    Position,
    Repetition,
    Share,
    compare,
)
from diversity_eval.judging.check.readings import (
    read_agreement,
    read_comparison,
    read_cut,
    read_position,
    read_repetition,
)

BASE = compare([5.0] * 10, [3.0] * 10, seed=0)


def comparison(loss: tuple[float, float, float], above_lower: float = 0.7, pairs: int = 10) -> Comparison:
    return replace(BASE, pairs=pairs, loss=Estimate(*loss), above=Share(8, 0.8, above_lower, 0.95))


@pytest.mark.parametrize(
    ("found", "reading"),
    [
        (comparison((2.0, 1.0, 3.0)), "sees"),
        (comparison((2.0, 1.0, 3.0), above_lower=0.5), "sees weakly"),
        (comparison((0.24, 0.1, 0.4)), "sees weakly"),  # 5 % of the scale is 0.25
        (comparison((0.25, 0.1, 0.4)), "sees"),
        (comparison((0.2, 0.0, 0.4)), "blind"),
        (comparison((0.2, -0.1, 0.49)), "blind"),
        (comparison((0.2, -0.1, 0.5)), "unclear"),  # 10 % of the scale: too few pairs to call it blind
        (comparison((1.0, -0.4, 3.0)), "unclear"),
        (comparison((-0.5, -0.9, -0.1)), "prefers it"),
        (comparison((2.0, 1.0, 3.0), pairs=4), "too few"),
        (comparison((2.0, 1.0, 3.0), pairs=5), "sees"),
    ],
)
def test_degradations_that_must_cost_points(found: Comparison, reading: str) -> None:
    assert read_comparison(found, 5) == reading


@pytest.mark.parametrize(
    ("found", "reading"),
    [
        (comparison((0.1, -0.1, 0.3)), "costs nothing"),
        (comparison((-0.3, -0.5, -0.1)), "costs nothing"),
        (comparison((0.1, 0.0, 0.3)), "costs nothing"),
        (comparison((0.1, -0.4, 0.5)), "unclear"),  # 10 % of the scale is 0.5
        (comparison((0.1, 0.01, 0.2)), "costs points"),
        (comparison((0.1, 0.01, 0.2), pairs=3), "too few"),
    ],
)
def test_being_cut_off(found: Comparison, reading: str) -> None:
    assert read_cut(found, 5) == reading


def position(histogram: tuple[int, ...]) -> Position:
    n = sum(histogram)
    nan = math.nan
    estimate = Estimate(nan, nan, nan)
    return Position(
        n, 0, estimate, estimate, histogram, histogram[0] / n, histogram[-1] / n, max(histogram) / n, nan, nan
    )


def test_position() -> None:
    assert read_position(position((1, 2, 3, 4)), 0, 3) == []
    (top,) = read_position(position((0, 2, 3, 5)), 0, 3)
    assert top.startswith("50 % of the originals have the highest rating")
    (low,) = read_position(position((9, 0, 0, 1)), 0, 3)
    assert low.startswith("90 % of the originals have the lowest rating")
    (same,) = read_position(position((1, 8, 1, 0)), 2, 5)
    assert same == "80 % of the originals have the same rating, 3"
    assert read_position(position((1, 7, 2, 0)), 2, 5) == []


@pytest.mark.parametrize(
    ("share", "pairs", "reading"),
    [
        (1.0, 10, "repeats itself"),
        (0.9, 10, "mostly repeats itself"),
        (0.7, 10, "does not repeat itself"),
        (1.0, 4, "too few"),
    ],
)
def test_repetition(share: float, pairs: int, reading: str) -> None:
    assert read_repetition(Repetition(pairs, (0, 0), Estimate(share, share, share), 0, 0)) == reading


@pytest.mark.parametrize(
    ("kappa", "pairs", "reading"),
    [
        (0.85, 10, "agree"),
        (0.65, 10, "agree roughly"),
        (0.1, 10, "do not agree"),
        (-0.4, 10, "do not agree"),
        (math.nan, 10, "cannot be compared (kappa is undefined)"),
        (0.9, 4, "share too few ratings"),
    ],
)
def test_agreement(kappa: float, pairs: int, reading: str) -> None:
    any_ = Estimate(0, 0, 0)
    found = Agreement(
        pairs, pairs, (0, 0), True, any_, any_, Estimate(kappa, kappa, kappa), any_, any_, any_, any_
    )
    assert read_agreement(found) == reading
