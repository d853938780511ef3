"""Bars with intervals and the baseline's line: NoveltyBench, accuracy, attack success; and differences."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from diversity_eval.report.figures.drawing import (
    DOTTED,
    FAINT,
    INK,
    Canvas,
    Figure,
    baselines_of,
    canvas,
    short,
    styles,
    with_interval,
)
from diversity_eval.report.summary import better_worse
from diversity_eval.report.titles import metric_family, metric_title, task_title

if TYPE_CHECKING:
    from diversity_eval.report.comparison import Cell, Column, Comparison

__all__ = ["bar_figures", "difference_figures"]

_SECTIONS = {
    "distinct": "novelty", "utility": "novelty", "accuracy": "accuracy", "asr": "safety",
    "asr_worst": "safety", "asr_judge": "safety", "mass_right": "first_token",
}  # fmt: skip
_FROM_ONE = ("distinct", "utility")
_NAME = 28
_LINE = 0.27
"""A row's height in inches."""
_GAP = 0.55
"""Between models, in rows."""
_HALF = 0.36
"""Of a bar's height, in rows."""


def bar_figures(comparison: Comparison) -> Iterator[Figure]:
    """One for each of the leaderboard's columns that the paper draws as bars, with two rows or more."""
    for number, column in enumerate(comparison.columns):
        cells = [cell for cell in comparison.cells_of(column.key) if not math.isnan(cell.mean)]
        if column.headline and metric_family(column.metric) in _SECTIONS and len(cells) > 1:
            yield _bars(comparison, column, cells, f"bars-{number}", _SECTIONS[metric_family(column.metric)])


def difference_figures(comparison: Comparison) -> Iterator[Figure]:
    """Differences from the baseline with their intervals, one for each of the leaderboard's columns."""
    for number, column in enumerate(comparison.columns):
        cells = [cell for cell in comparison.cells_of(column.key) if cell.difference is not None]
        if column.headline and len(cells) > 1:
            yield _differences(comparison, column, cells, f"differences-{number}")


def _name(column: Column) -> str:
    variant = f" ({column.variant})" if column.variant else ""
    return f"{task_title(column.task)}{variant}: {metric_title(column.metric).title}"


def _bars(comparison: Comparison, column: Column, cells: Sequence[Cell], id: str, section: str) -> Figure:
    style = styles(comparison)
    place = {row.label: number for number, row in enumerate(comparison.rows)}
    title = metric_title(column.metric)
    heights = _heights(comparison, cells)
    rows = []
    with canvas(5.2, 0.7 + _LINE * (heights[-1] + 1.2)) as sheet:
        (axes,) = sheet.axes
        low, high = _range(column, cells)
        for y, cell in zip(heights, cells, strict=True):
            said = with_interval(cell.mean, cell.lower, cell.upper, title.decimals)
            colour = style[cell.row].colour
            (bar,) = axes.barh([y], [cell.mean - low], left=low, height=2 * _HALF, color=colour, alpha=0.85)
            sheet.own(bar, place[cell.row], f"{cell.row}: {said}")
            if not math.isnan(cell.lower):
                (whisker,) = axes.plot([cell.lower, cell.upper], [y, y], color=INK, linewidth=1.3)
                sheet.own(whisker, place[cell.row])
            rows.append((cell.row, said, "; ".join(cell.marks)))
        line = _baseline_lines(sheet, comparison, column, cells, heights)
        _name_rows(sheet, cells, heights)
        axes.set_xlim(low, high)
        if low == 1 and high is not None:
            axes.set_xticks(range(1, int(high) + 1, max(1, round((high - 1) / 3))))
        arrow = {True: " ↑", False: " ↓", None: ""}[column.higher_is_better]
        axes.set_xlabel(f"{title.title}{arrow}")
        best = ", ".join(short(cell.row) for cell in cells if cell.best)
        return sheet.finish(
            id, section, _name(column), f"Mean over prompts with its interval.{line}",
            f"{_name(column)} of {len(cells)} runs."
            + (f" Best or not distinguishable from it: {best}." if best else ""),
            ("Run", "Mean and interval", "Not whole"), rows,
        )  # fmt: skip


def _heights(comparison: Comparison, cells: Sequence[Cell]) -> list[float]:
    """How far down each row stands; where a model has several, with a gap before the next."""
    models = {row.label: row.model for row in comparison.rows}
    of_cells = [models[cell.row] for cell in cells]
    gap = _GAP if any(one == other for one, other in pairwise(of_cells)) else 0.0
    found = [0.0]
    for one, other in pairwise(of_cells):
        found.append(found[-1] + 1 + (gap if one != other else 0.0))
    return found


def _range(column: Column, cells: Sequence[Cell]) -> tuple[float, float | None]:
    """Where the axis begins and ends: NoveltyBench's from 1 to K, if the numbers are within."""
    ends = [end for cell in cells for end in (cell.mean, cell.upper, cell.lower) if not math.isnan(end)]
    low = 1.0 if metric_family(column.metric) in _FROM_ONE and min(ends) >= 1 else min(0.0, *ends)
    k = column.signature.get("k", "")
    if metric_family(column.metric) in _FROM_ONE and k.isdigit() and max(ends) <= int(k):
        return low, float(k)
    return low, 1.0 if max(ends) > 0.9 and max(ends) <= 1 else None


def _baseline_lines(
    sheet: Canvas, comparison: Comparison, column: Column, cells: Sequence[Cell], heights: Sequence[float]
) -> str:
    """The dotted line of what each row is compared with; returns the caption's sentence about it."""
    (axes,) = sheet.axes
    others = baselines_of(comparison, column)
    runs: list[tuple[str, float, float]] = []
    for y, cell in zip(heights, cells, strict=True):
        other = others.get(cell.row)
        if other is None:
            continue
        if runs and runs[-1][0] == other and y - runs[-1][2] <= 1 + _GAP:
            runs[-1] = (other, runs[-1][1], y)
        else:
            runs.append((other, y, y))
    for other, first, last in runs:
        of = comparison.cell(other, column.key)
        if of is not None and not math.isnan(of.mean):
            axes.plot([of.mean] * 2, [first - 0.5, last + 0.5], color=INK, linewidth=1.1, linestyle=DOTTED)
    names = dict.fromkeys(other for other, _, _ in runs)
    if not names:
        return ""
    if len(names) == 1:
        return f" The dotted line is {short(next(iter(names)))}."
    return " The dotted lines are what the rows beside them are compared with."


def _name_rows(sheet: Canvas, cells: Sequence[Cell], heights: Sequence[float]) -> None:
    (axes,) = sheet.axes
    axes.set_yticks(heights, [short(cell.row, _NAME) for cell in cells])
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(heights[-1] + 0.6, -0.6)
    axes.grid(visible=False, axis="y")


def _differences(comparison: Comparison, column: Column, cells: Sequence[Cell], id: str) -> Figure:
    style = styles(comparison)
    place: Mapping[str, int] = {row.label: number for number, row in enumerate(comparison.rows)}
    title = metric_title(column.metric)
    heights = _heights(comparison, cells)
    alpha = comparison.settings.alpha
    rows = []
    with canvas(5.2, 0.9 + _LINE * (heights[-1] + 1.2)) as sheet:
        (axes,) = sheet.axes
        axes.axvline(0, color=INK, linewidth=1, linestyle=DOTTED)
        for y, cell in zip(heights, cells, strict=True):
            difference = cell.difference
            assert difference is not None
            look = style[cell.row]
            word = better_worse(column, cell, alpha)
            said = with_interval(difference.difference, difference.lower, difference.upper, title.decimals)
            (both,) = axes.plot(
                [difference.lower, difference.difference, difference.upper], [y] * 3, color=look.colour,
                linewidth=1.6, marker=look.marker, markersize=7, markevery=[1],
                markerfacecolor=look.colour if word else "none",
            )  # fmt: skip
            told = word or "not significant"
            sheet.own(both, place[cell.row], f"{cell.row} against {difference.other}: {said}, {told}")
            rows.append((cell.row, difference.other, said, f"{difference.p_adjusted:.2g}", told))
        _name_rows(sheet, cells, heights)
        if column.higher_is_better is not None:
            ends = ("worse", "better") if column.higher_is_better else ("better", "worse")
            for x, end, side in ((0.0, f"← {ends[0]}", "left"), (1.0, f"{ends[1]} →", "right")):
                axes.text(
                    x, 1.0, end, transform=axes.transAxes, ha=side, va="bottom", fontsize=9, color=FAINT
                )
        axes.set_xlabel(f"difference in {title.title}")
        told_apart = [short(cell.row) for cell in cells if better_worse(column, cell, alpha)]
        return sheet.finish(
            id, "difference", f"{_name(column)}, difference from the baseline",
            "Mean difference on the shared prompts with its interval. Filled: significant after correction "
            "over the table; hollow: not told from the baseline.",
            f"Differences from the baseline in {_name(column)}; "
            f"significant: {', '.join(told_apart) or 'none'}.",
            ("Run", "Against", "Difference and interval", "Corrected p", "Verdict"), rows,
        )  # fmt: skip
