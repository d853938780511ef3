"""Quality against diversity, with the front that nothing beats."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from diversity_eval.report.figures.drawing import (
    FAINT,
    INK,
    Canvas,
    Figure,
    Style,
    baselines_of,
    canvas,
    legend_of,
    short,
    styles,
    with_interval,
)
from diversity_eval.report.figures.labels import name_points
from diversity_eval.report.planes import Plane, planes
from diversity_eval.report.titles import metric_title

if TYPE_CHECKING:
    from diversity_eval.report.comparison import Cell, Comparison

__all__ = ["plane_figures"]

_MOST_NAMED = 9


def plane_figures(comparison: Comparison) -> Iterator[Figure]:
    """One for each task with a measure of diversity and one of quality, and two rows or more with both."""
    for number, plane in enumerate(planes(comparison)):
        cells = {
            label: (
                comparison.cells[label, plane.diversity.key],
                comparison.cells[label, plane.quality.key],
            )
            for label in plane.points
        }
        known = {
            label: pair for label, pair in cells.items() if not any(math.isnan(cell.mean) for cell in pair)
        }
        if len(known) > 1:
            yield _figure(comparison, plane, known, f"plane-{number}")


def _figure(comparison: Comparison, plane: Plane, cells: dict[str, tuple[Cell, Cell]], id: str) -> Figure:
    style = styles(comparison)
    place = {row.label: number for number, row in enumerate(comparison.rows)}
    across, up = metric_title(plane.diversity.metric), metric_title(plane.quality.metric)
    baselines = set(baselines_of(comparison, plane.diversity).values()) & cells.keys()
    few = len(cells) <= _MOST_NAMED
    front = _front(plane, cells)
    rows = []
    with canvas(5.2, 4.4 if few else 4.9) as sheet:
        (axes,) = sheet.axes
        points = {label: (x.mean, y.mean) for label, (x, y) in cells.items()}
        # Between two of its members the front offers what the better one in quality has, and no more.
        axes.step(
            [points[label][0] for label in front], [points[label][1] for label in front], where="pre",
            color=FAINT, linewidth=1, linestyle=(0, (4, 2)), zorder=1,
        )  # fmt: skip
        for label, (x, y) in cells.items():
            said = (
                with_interval(x.mean, x.lower, x.upper, across.decimals),
                with_interval(y.mean, y.lower, y.upper, up.decimals),
            )
            title = f"{label}: {across.title} {said[0]}, {up.title} {said[1]}"
            _point(sheet, (x, y), style[label], place[label], title, few, label in front, label in baselines)
            what = ("on the front" if label in front else "", "baseline" if label in baselines else "")
            rows.append((label, *said, ", ".join(filter(None, what))))
        if plane.diversity.higher_is_better is False:
            axes.invert_xaxis()
        axes.margins(0.16 if few else 0.1)
        axes.set_xlabel(f"{across.title}  (more diverse →)")
        axes.set_ylabel(f"{up.title}  (better ↑)")
        if not few:
            entries = legend_of(comparison, list(cells), style)
            sheet.legend([name for name, _ in entries], [_sample(look) for _, look in entries])
        named = list(cells) if few else front[:_MOST_NAMED]
        lines = [
            line
            for x, y in cells.values()
            for line in (((x.lower, y.mean), (x.upper, y.mean)), ((x.mean, y.lower), (x.mean, y.upper)))
            if not any(math.isnan(value) for end in line for value in end)
        ]
        names = {label: short(label, 26) for label in named}
        for label, text in name_points(sheet.drawing, axes, names, points, lines).items():
            sheet.own(text, place[label])
        return sheet.finish(
            id, "plane", f"{plane.title}: quality against diversity", _caption(few, bool(baselines)),
            f"{len(cells)} runs by {across.title} and {up.title} on {plane.title}; on "
            f"the Pareto front: {', '.join(map(short, front))}.",
            ("Run", across.title, up.title, "What it is"), rows,
        )  # fmt: skip


def _front(plane: Plane, cells: dict[str, tuple[Cell, Cell]]) -> list[str]:
    """The members of the front, the least diverse first."""
    turned = -1 if plane.diversity.higher_is_better is False else 1
    return sorted(plane.front, key=lambda label: (turned * cells[label][0].mean, -cells[label][1].mean))


def _point(
    sheet: Canvas, cells: Sequence[Cell], look: Style, place: int, title: str, large: bool, front: bool,
    baseline: bool,
) -> None:  # fmt: skip
    (axes,) = sheet.axes
    x, y = cells
    width, alpha = (1.2, 0.75) if large else (0.8, 0.4)
    for ends in (([x.lower, x.upper], [y.mean, y.mean]), ([x.mean, x.mean], [y.lower, y.upper])):
        (whisker,) = axes.plot(*ends, color=look.colour, linewidth=width, alpha=alpha, zorder=2)
        sheet.own(whisker, place)
    if baseline:
        (ring,) = axes.plot(
            [x.mean], [y.mean], marker="o", markersize=14 if large else 11, markerfacecolor="none",
            markeredgecolor=INK, markeredgewidth=0.9, linestyle="", zorder=3,
        )  # fmt: skip
        sheet.own(ring, place)
    (point,) = axes.plot(
        [x.mean], [y.mean], marker=look.marker, color=look.colour, markersize=7 if large else 5,
        linestyle="", markeredgecolor=INK if front else look.colour, markeredgewidth=1.1, zorder=4,
    )  # fmt: skip
    sheet.own(point, place, title)


def _sample(look: Style) -> object:
    from matplotlib.lines import Line2D

    return Line2D([], [], marker=look.marker, color=look.colour, linestyle="")


def _caption(all_named: bool, ringed: bool) -> str:
    return (
        "Each run's mean over prompts with its interval in both directions. Outlined, on the dashed line: "
        "the Pareto front, runs that no other beats in one without being beaten in the other."
        + (" Ringed: what the others are compared with." if ringed else "")
        + ("" if all_named else " Named are the first of the front; the others when pointed at.")
    )
