"""Diversity against quality: which columns belong together, and which rows nothing beats in both."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from diversity_eval.report.comparison import Column, Comparison
from diversity_eval.report.joining import comparable_fields
from diversity_eval.report.titles import metric_title, quality_beside, task_title

__all__ = ["Plane", "front_of", "planes", "sole_diversity"]


@dataclass(frozen=True)
class Plane:
    """A measure of diversity and one of quality on the same task, measured in the same way.

    Attributes:
        diversity, quality: the columns.
        points: labels of the rows that have both.
        front: those of them that no other row beats in one without being beaten in the other.
    """

    diversity: Column
    quality: Column
    points: tuple[str, ...]
    front: tuple[str, ...]

    @property
    def title(self) -> str:
        """The task's name, and how this way of measuring differs from others."""
        variant = self.diversity.variant or self.quality.variant
        return task_title(self.diversity.task) + (f" ({variant})" if variant else "")


def planes(comparison: Comparison) -> list[Plane]:
    """The planes of a comparison that have at least one point."""
    found = []
    for diversity in comparison.columns:
        if not diversity.headline or metric_title(diversity.metric).role != "diversity":
            continue
        for quality in comparison.columns:
            if not quality.headline or not _of_the_same_responses(diversity, quality):
                continue
            points = [
                row.label
                for row in comparison.rows
                if comparison.cell(row.label, diversity.key) and comparison.cell(row.label, quality.key)
            ]
            if points:
                front = front_of(
                    [(_better(comparison, p, diversity), _better(comparison, p, quality)) for p in points]
                )
                found.append(
                    Plane(diversity, quality, tuple(points), tuple(points[place] for place in front))
                )
    return found


def sole_diversity(comparison: Comparison) -> list[Column]:
    """The diversity columns of the leaderboard that no quality was measured beside."""
    paired = {plane.diversity.key for plane in planes(comparison)}
    return [
        column
        for column in comparison.columns
        if column.headline and metric_title(column.metric).role == "diversity" and column.key not in paired
    ]


def front_of(points: Sequence[tuple[float, float]]) -> list[int]:
    """The places of the points that no other point dominates; in both coordinates more is better.

    A point dominates another if it is at least as good in both and better in one: equal points are all kept.
    A point with nan is never on the front.
    """
    known = [place for place, point in enumerate(points) if not any(map(math.isnan, point))]
    front = []
    best = -math.inf
    order = sorted(known, key=lambda place: (-points[place][0], -points[place][1]))
    for first, place in enumerate(order):
        same = first > 0 and points[order[first - 1]] == points[place] and order[first - 1] in front
        if points[place][1] > best or same:
            front.append(place)
            best = max(best, points[place][1])
    return sorted(front)


def _of_the_same_responses(diversity: Column, quality: Column) -> bool:
    """Whether a column holds the quality that goes with a diversity: same task, sampled in the same way."""
    return (
        quality.task == diversity.task
        and quality.metric == quality_beside(diversity.metric)
        and all(
            diversity.signature.get(key, value) == value
            for key, value in comparable_fields(quality.signature).items()
        )
    )


def _better(comparison: Comparison, row: str, column: Column) -> float:
    """A cell's mean, turned so that more is better."""
    cell = comparison.cell(row, column.key)
    if cell is None:
        return math.nan
    return -cell.mean if column.higher_is_better is False else cell.mean
