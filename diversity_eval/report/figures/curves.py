"""Curves: coverage over the number of samples, and Self-BLEU over the length of responses."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

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
from diversity_eval.report.titles import metric_title, task_title

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

    from diversity_eval.report.comparison import Cell, Column, Comparison

__all__ = ["coverage_figures", "length_figures"]

_AT = "pass_at_"
_LENGTHS = ("_256", "_512")
_TOGETHER = 8
"""The most curves in one frame."""
_IN_TURN = 6
"""The most where nothing says what belongs together."""
_STROKES = ("-", (0, (5, 1.5)), (0, (1.5, 1.5)), (0, (6, 1.5, 1.5, 1.5)))
"""For curves of one colour, one after the other; then again with hollow markers."""

_BELOW = 34
"""Points from a frame to its legend: the numbers and the name of the axis are between."""


@dataclass(frozen=True)
class _Axes:
    """What the axes of a figure say."""

    across: str
    up: str


def coverage_figures(comparison: Comparison) -> Iterator[Figure]:
    """pass@k over k, one figure for each task and way of sampling."""
    families: dict[tuple[str, str], dict[int, Column]] = {}
    for column in comparison.columns:
        k = column.metric.removeprefix(_AT)
        if column.metric.startswith(_AT) and k.isdigit():
            families.setdefault((column.task, column.variant), {})[int(k)] = column
    for number, ((task, variant), columns) in enumerate(families.items()):
        title = f"{task_title(task)}{f' ({variant})' if variant else ''}: pass@k"
        yield from _curves(
            comparison, columns, f"coverage-{number}", "coverage", title, _Axes("k samples", "pass@k"),
            "The share of problems that at least one of k samples solves (unbiased estimator), with its "
            "interval.",
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
        yield from _curves(
            comparison, columns, f"length-{number}", "length", f"{task_title(task)}: Self-BLEU by length",
            _Axes("new tokens", "Self-BLEU  (more diverse ↓)"),
            "Self-BLEU with more new tokens to a response, with its interval.",
        )  # fmt: skip


def _curves(
    comparison: Comparison, columns: Mapping[int, Column], id: str, section: str, title: str, said: _Axes,
    caption: str,
) -> Iterator[Figure]:  # fmt: skip
    xs = sorted(columns)
    curves: dict[str, dict[int, Cell]] = {}
    for row in comparison.rows:
        found = {x: cell for x in xs if (cell := comparison.cell(row.label, columns[x].key)) is not None}
        known = {x: cell for x, cell in found.items() if not math.isnan(cell.mean)}
        if known:
            curves[row.label] = known
    if len({x for curve in curves.values() for x in curve}) < 2:
        return
    style = styles(comparison)
    decimals = metric_title(columns[xs[0]].metric).decimals
    place = {row.label: number for number, row in enumerate(comparison.rows)}
    frames = _frames(comparison, list(curves))
    entries = legend_of(comparison, list(curves), style)
    by_loss = len(frames) > 1 and _told_by_loss(comparison, frames)
    lines = -(-len(frames) // 2) if len(frames) > 1 else 1
    own = 0.0 if by_loss else 0.3 + 0.17 * max(len(labels) for _, labels in frames)
    height = 3.9 if len(frames) == 1 else (2.0 + own) * lines + 0.9
    with canvas(5.2, height, min(2, len(frames)), lines, sharex=True, sharey=True) as sheet:
        for axes, (name, labels) in zip(sheet.axes[: len(frames)], frames, strict=True):
            handles = []
            for label, stroke, hollow in _strokes(labels, style):
                handles.append(
                    _curve(sheet, axes, curves[label], style[label], place[label], label, decimals,
                           stroke, hollow)
                )  # fmt: skip
            axes.set_title(name, loc="left")
            if len(frames) > 1 and not by_loss:
                _legend_below(sheet, axes, [short(label, 24) for label in labels], handles)
            elif len(frames) == 1:
                sheet.legend([short(label, 24) for label in labels], handles)
        if by_loss:
            sheet.legend([name for name, _ in entries], [_sample(look) for _, look in entries])
        _finish_axes(sheet, xs, said, len(frames))
        rows = [(label, *(_said(curve.get(x), decimals) for x in xs)) for label, curve in curves.items()]
        yield sheet.finish(
            id, section, title, caption,
            f"{title} of {len(curves)} runs, from {xs[0]} to {xs[-1]} {said.across}.",
            ("Run", *(str(x) for x in xs)), rows,
        )  # fmt: skip


def _frames(comparison: Comparison, labels: Sequence[str]) -> list[tuple[str, list[str]]]:
    """Which curves stand together, under which title: all; else those of a model; else a few in turn."""
    if len(labels) <= _TOGETHER:
        return [("", list(labels))]
    models = {row.label: row.model for row in comparison.rows}
    of_model: dict[str, list[str]] = {}
    for label in labels:
        of_model.setdefault(models[label], []).append(label)
    if 2 * len(of_model) <= len(labels):
        return [
            (short(model, 30) if start == 0 else f"{short(model, 24)}, more", each[start : start + _TOGETHER])
            for model, each in of_model.items()
            for start in range(0, len(each), _TOGETHER)
        ]
    return [("", list(labels[start : start + _IN_TURN])) for start in range(0, len(labels), _IN_TURN)]


def _told_by_loss(comparison: Comparison, frames: Sequence[tuple[str, list[str]]]) -> bool:
    """Whether the loss alone names every curve of a frame."""
    losses = {row.label: row.loss for row in comparison.rows}
    return all(
        name and None not in (found := [losses[label] for label in labels]) and len(set(found)) == len(found)
        for name, labels in frames
    )


def _strokes(labels: Sequence[str], style: Mapping[str, Style]) -> Iterator[tuple[str, Any, bool]]:
    """Each label with a stroke that no other of its colour has, and whether its markers are hollow."""
    seen: dict[str, int] = {}
    for label in labels:
        number = seen.get(style[label].colour, 0)
        seen[style[label].colour] = number + 1
        yield label, _STROKES[number % len(_STROKES)], number // len(_STROKES) % 2 == 1


def _curve(
    sheet: Canvas, axes: Axes, found: Mapping[int, Cell], look: Style, place: int, label: str, decimals: int,
    stroke: Any, hollow: bool,
) -> Line2D:  # fmt: skip
    xs = list(found)
    banded = [x for x in xs if not math.isnan(found[x].lower)]
    if len(banded) > 1:
        band = axes.fill_between(
            banded, [found[x].lower for x in banded], [found[x].upper for x in banded],
            color=look.colour, alpha=0.13, linewidth=0,
        )  # fmt: skip
        sheet.own(band, place)
    (line,) = axes.plot(xs, [found[x].mean for x in xs], color=look.colour, linewidth=1.5, linestyle=stroke)
    sheet.own(line, place)
    face = "none" if hollow else look.colour
    for x in xs:
        # Not cut off where everything is 0.
        (point,) = axes.plot(
            [x], [found[x].mean], marker=look.marker, color=look.colour, markersize=5, markerfacecolor=face,
            clip_on=False,
        )  # fmt: skip
        sheet.own(point, place, f"{label}, {x}: {_said(found[x], decimals)}")
    return _sample(look, stroke, face)


def _legend_below(sheet: Canvas, axes: Axes, names: Sequence[str], handles: Sequence[Line2D]) -> None:
    from matplotlib.transforms import ScaledTranslation

    down = ScaledTranslation(0, -_BELOW / 72, sheet.drawing.dpi_scale_trans)
    axes.legend(
        handles, names, loc="upper left", bbox_to_anchor=(0, 0), bbox_transform=axes.transAxes + down,
        borderaxespad=0,
    )  # fmt: skip


def _sample(look: Style, stroke: Any = "-", face: str | None = None) -> Line2D:
    from matplotlib.lines import Line2D

    return Line2D(
        [], [], marker=look.marker, color=look.colour, linestyle=stroke, markersize=5,
        markerfacecolor=look.colour if face is None else face,
    )  # fmt: skip


def _finish_axes(sheet: Canvas, xs: Sequence[int], said: _Axes, frames: int) -> None:
    first = sheet.axes[0]
    bottom, top = first.get_ylim()
    first.set_ylim(max(0.0, bottom), max(top, 0.05))  # shares and scores from 0 up
    first.set_xscale("log", base=2)
    first.set_xticks(xs, [str(x) for x in xs], minor=False)
    for axes in sheet.axes:
        axes.minorticks_off()
    for axes in sheet.axes[frames:]:
        axes.set_axis_off()
    across = min(2, frames)
    for number, axes in enumerate(sheet.axes[:frames]):
        axes.tick_params(labelbottom=True)
        if number + across >= frames:
            axes.set_xlabel(said.across)
        if number % across == 0:
            axes.set_ylabel(said.up)


def _said(cell: Cell | None, decimals: int) -> str:
    return "" if cell is None else with_interval(cell.mean, cell.lower, cell.upper, decimals)
