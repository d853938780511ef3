"""Bars with intervals and the baseline's line: NoveltyBench, accuracy, attack success; and differences."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from diversity_eval.report.figures.drawing import FAINT, INK, Figure, canvas, short, styles, with_interval
from diversity_eval.report.summary import better_worse
from diversity_eval.report.titles import metric_title, task_title

if TYPE_CHECKING:
    from diversity_eval.report.comparison import Cell, Column, Comparison

__all__ = ["bar_figures", "difference_figures"]

_SECTIONS = {"distinct": "novelty", "utility": "novelty", "accuracy": "accuracy", "asr": "safety",
             "asr_worst": "safety", "asr_judge": "safety", "mass_right": "first_token"}  # fmt: skip
_LINE_HEIGHT = 0.27


def bar_figures(comparison: Comparison) -> Iterator[Figure]:
    """One for each of the leaderboard's columns that the paper draws as bars, with two rows or more."""
    for number, column in enumerate(comparison.columns):
        cells = comparison.cells_of(column.key)
        if column.headline and column.metric in _SECTIONS and len(cells) > 1:
            yield _bars(comparison, column, cells, f"bars-{number}", _SECTIONS[column.metric])


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
    decimals = metric_title(column.metric).decimals
    rows = []
    with canvas(5.2, 0.8 + _LINE_HEIGHT * len(cells)) as sheet:
        (axes,) = sheet.axes
        for y, cell in enumerate(cells):
            look = style[cell.row]
            said = with_interval(cell.mean, cell.lower, cell.upper, decimals)
            (bar,) = axes.barh([y], [cell.mean], height=0.72, color=look.colour, alpha=0.85)
            sheet.own(bar, place[cell.row], f"{cell.row}: {said}")
            if not math.isnan(cell.lower):
                (whisker,) = axes.plot([cell.lower, cell.upper], [y, y], color=INK, linewidth=1.3)
                sheet.own(whisker, place[cell.row])
            rows.append((cell.row, said, "; ".join(cell.marks)))
        baselines = {cell.difference.other for cell in cells if cell.difference is not None}
        only = comparison.cell(next(iter(baselines)), column.key) if len(baselines) == 1 else None
        if only is not None:
            axes.axvline(only.mean, color=INK, linewidth=1, linestyle=(0, (1.5, 2)))
        axes.set_yticks(range(len(cells)), [short(cell.row, 28) for cell in cells])
        axes.invert_yaxis()
        axes.grid(visible=False, axis="y")
        low = 1 if column.metric in ("distinct", "utility") else 0
        axes.set_xlim(left=low if min(cell.mean for cell in cells) >= low else None)
        arrow = {True: " ↑", False: " ↓", None: ""}[column.higher_is_better]
        axes.set_xlabel(f"{metric_title(column.metric).title}{arrow}")
        line = f" The dotted line is {short(only.row)}." if only is not None else ""
        best = ", ".join(short(cell.row) for cell in cells if cell.best)
        return sheet.finish(
            id, section, _name(column), f"Mean over prompts with its interval.{line}",
            f"{_name(column)} of {len(cells)} runs." + (f" Best or not distinguishable from it: {best}." if
            best else ""),
            ("Run", "Mean and interval", "Not whole"), rows,
        )  # fmt: skip


def _differences(comparison: Comparison, column: Column, cells: Sequence[Cell], id: str) -> Figure:
    style = styles(comparison)
    place = {row.label: number for number, row in enumerate(comparison.rows)}
    decimals = metric_title(column.metric).decimals
    rows = []
    with canvas(5.2, 0.9 + _LINE_HEIGHT * len(cells)) as sheet:
        (axes,) = sheet.axes
        axes.axvline(0, color=INK, linewidth=1, linestyle=(0, (1.5, 2)))
        for y, cell in enumerate(cells):
            difference = cell.difference
            assert difference is not None
            look = style[cell.row]
            word = better_worse(column, cell, comparison.settings.alpha)
            said = with_interval(difference.difference, difference.lower, difference.upper, decimals)
            (whisker,) = axes.plot(
                [difference.lower, difference.upper], [y, y], color=look.colour, linewidth=1.6
            )
            sheet.own(whisker, place[cell.row])
            (point,) = axes.plot(
                [difference.difference], [y], marker=look.marker, markersize=7, linestyle="",
                color=look.colour,
                markerfacecolor=look.colour if word else "none",
            )  # fmt: skip
            sheet.own(
                point,
                place[cell.row],
                f"{cell.row} against {difference.other}: {said}, {word or 'not significant'}",
            )
            rows.append(
                (cell.row, difference.other, said, f"{difference.p_adjusted:.2g}", word or "not significant")
            )
        axes.set_yticks(range(len(cells)), [short(cell.row, 28) for cell in cells])
        axes.invert_yaxis()
        axes.set_ylim(len(cells) - 0.4, -0.6)
        axes.grid(visible=False, axis="y")
        if column.higher_is_better is not None:
            ends = ("worse", "better") if column.higher_is_better else ("better", "worse")
            for x, end, side in ((0.0, f"← {ends[0]}", "left"), (1.0, f"{ends[1]} →", "right")):
                axes.text(
                    x, 1.01, end, transform=axes.transAxes, ha=side, va="bottom", fontsize=9, color=FAINT
                )
        axes.set_xlabel(f"difference in {metric_title(column.metric).title}")
        told = [short(cell.row) for cell in cells if better_worse(column, cell, comparison.settings.alpha)]
        return sheet.finish(
            id, "difference", f"{_name(column)}, difference from the baseline",
            "Mean difference on the shared prompts with its interval. Filled: significant "
            "after correction over the "
            "table; hollow: not told from the baseline.",
            f"Differences from the baseline in {_name(column)}; significant: {', '.join(told) or 'none'}.",
            ("Run", "Against", "Difference and interval", "Corrected p", "Verdict"), rows,
        )  # fmt: skip
