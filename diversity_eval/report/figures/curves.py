"""Curves: coverage over the number of samples, and Self-BLEU over the length of responses."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from diversity_eval.report.figures.drawing import (
    Canvas,
    Figure,
    Style,
    canvas,
    legend_of,
    short,
    styles,
    with_interval,
)
from diversity_eval.report.titles import LOSS_TITLES, metric_title, task_title

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from diversity_eval.report.comparison import Cell, Column, Comparison

__all__ = ["coverage_figures", "length_figures"]

_AT = "pass_at_"
_LENGTHS = ("_256", "_512")
_MOST_NAMED = 10


def coverage_figures(comparison: Comparison) -> Iterator[Figure]:
    """pass@k over k, one figure for each task and way of sampling."""
    families: dict[tuple[str, str], dict[int, Column]] = {}
    for column in comparison.columns:
        k = column.metric.removeprefix(_AT)
        if column.metric.startswith(_AT) and k.isdigit():
            families.setdefault((column.task, column.variant), {})[int(k)] = column
    for number, ((task, variant), columns) in enumerate(families.items()):
        if len(columns) > 1 and any(comparison.cells_of(column.key) for column in columns.values()):
            title = f"{task_title(task)}{f' ({variant})' if variant else ''}: pass@k"
            yield _curves(
                comparison, columns, f"coverage-{number}", "coverage", title, "k samples", "pass@k",
                "The share of problems that at least one of k samples solves (unbiased "
                "estimator), with its interval.",
            )  # fmt: skip


def length_figures(comparison: Comparison) -> Iterator[Figure]:
    """Self-BLEU over the number of new tokens, one figure for each benchmark."""
    families: dict[str, dict[int, Column]] = {}
    for column in comparison.columns:
        tokens = column.signature.get("max_new_tokens", "")
        if column.metric == "self_bleu" and column.headline and tokens.isdigit():
            task = column.task
            for ending in _LENGTHS:
                task = task.replace(ending, "")
            families.setdefault(task, {}).setdefault(int(tokens), column)
    for number, (task, columns) in enumerate(families.items()):
        if len(columns) > 1 and any(comparison.cells_of(column.key) for column in columns.values()):
            yield _curves(
                comparison, columns, f"length-{number}", "length", f"{task_title(task)}: Self-BLEU by length",
                "new tokens", "Self-BLEU  (more diverse ↓)",
                "Self-BLEU with more new tokens to a response, with its interval.",
            )  # fmt: skip


def _curves(
    comparison: Comparison, columns: Mapping[int, Column], id: str, section: str, title: str, across: str,
    up: str, caption: str,
) -> Figure:  # fmt: skip
    style = styles(comparison)
    xs = sorted(columns)
    decimals = metric_title(columns[xs[0]].metric).decimals
    rows, drawn = [], []
    with canvas(5.2, 3.9) as sheet:
        (axes,) = sheet.axes
        for place, row in enumerate(comparison.rows):
            found = {x: cell for x in xs if (cell := comparison.cell(row.label, columns[x].key)) is not None}
            if not found:
                continue
            drawn.append(row.label)
            few = len(comparison.rows) <= _MOST_NAMED
            _curve(sheet, axes, found, style[row.label], place, row.label, decimals, bands=few)
            rows.append((row.label, *(_said(found.get(x), decimals) for x in xs)))
        bottom, top = axes.get_ylim()
        axes.set_ylim(max(0.0, bottom), max(top, 0.05))  # shares and scores from 0 up
        axes.set_xscale("log", base=2)
        axes.set_xticks(xs, [str(x) for x in xs])
        axes.minorticks_off()
        axes.set_xlabel(across)
        axes.set_ylabel(up)
        entries = (
            [(short(label, 22), style[label]) for label in drawn]
            if len(drawn) <= _MOST_NAMED
            else legend_of(comparison, drawn, style, LOSS_TITLES)
        )
        for name, look in entries:
            axes.plot([], [], color=look.colour, marker=look.marker, label=name)
        sheet.drawing.legend(loc="outside lower center", ncols=3)
        return sheet.finish(
            id, section, title, caption, f"{title} of {len(drawn)} runs, from {xs[0]} to {xs[-1]} {across}.",
            ("Run", *(str(x) for x in xs)), rows,
        )  # fmt: skip


def _curve(
    sheet: Canvas, axes: Axes, found: Mapping[int, Cell], look: Style, place: int, label: str, decimals: int,
    *, bands: bool,
) -> None:  # fmt: skip
    xs = list(found)
    (line,) = axes.plot(xs, [found[x].mean for x in xs], color=look.colour, linewidth=1.5)
    sheet.own(line, place)
    banded = [x for x in xs if bands and not math.isnan(found[x].lower)]
    if len(banded) > 1:
        band = axes.fill_between(
            banded, [found[x].lower for x in banded], [found[x].upper for x in banded],
            color=look.colour, alpha=0.13,
            linewidth=0,
        )  # fmt: skip
        sheet.own(band, place)
    for x in xs:
        (point,) = axes.plot([x], [found[x].mean], marker=look.marker, color=look.colour, markersize=5)
        sheet.own(point, place, f"{label}, {x}: {_said(found[x], decimals)}")


def _said(cell: Cell | None, decimals: int) -> str:
    return "" if cell is None else with_interval(cell.mean, cell.lower, cell.upper, decimals)
