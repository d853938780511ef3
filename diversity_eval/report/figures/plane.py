"""Quality against diversity, with the front that nothing beats."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from diversity_eval.report.figures.drawing import (
    FAINT,
    INK,
    Figure,
    canvas,
    legend_of,
    short,
    styles,
    with_interval,
)
from diversity_eval.report.planes import Plane, planes
from diversity_eval.report.titles import LOSS_TITLES, metric_title

if TYPE_CHECKING:
    from diversity_eval.report.comparison import Comparison

__all__ = ["plane_figures"]

_MOST_LABELS = 9


def plane_figures(comparison: Comparison) -> Iterator[Figure]:
    """One for each task with a measure of diversity and one of quality."""
    for number, plane in enumerate(planes(comparison)):
        if len(plane.points) > 1:
            yield _figure(comparison, plane, f"plane-{number}")


def _figure(comparison: Comparison, plane: Plane, id: str) -> Figure:
    style = styles(comparison)
    place = {row.label: number for number, row in enumerate(comparison.rows)}
    across, up = metric_title(plane.diversity.metric), metric_title(plane.quality.metric)
    lower_is_diverse = plane.diversity.higher_is_better is False
    few = len(plane.points) <= _MOST_LABELS
    rows = []
    with canvas(5.2, 4.2 if few else 4.8) as sheet:
        (axes,) = sheet.axes
        front = sorted(
            ((comparison.cells[p, plane.diversity.key].mean, comparison.cells[p, plane.quality.key].mean)
            for p in plane.front),
        )  # fmt: skip
        axes.plot(
            [x for x, _ in front],
            [y for _, y in front],
            color=FAINT,
            linewidth=1,
            linestyle=(0, (4, 2)),
            zorder=1,
        )
        for label in plane.points:
            x, y = comparison.cells[label, plane.diversity.key], comparison.cells[label, plane.quality.key]
            look = style[label]
            for artist in (
                *axes.plot(
                    [x.lower, x.upper], [y.mean, y.mean], color=look.colour, linewidth=1.2, alpha=0.75
                ),
                *axes.plot(
                    [x.mean, x.mean], [y.lower, y.upper], color=look.colour, linewidth=1.2, alpha=0.75
                ),
            ):
                sheet.own(artist, place[label])
            said = (
                f"{label}: {across.title} {with_interval(x.mean, x.lower, x.upper, across.decimals)}, "
                f"{up.title} {with_interval(y.mean, y.lower, y.upper, up.decimals)}"
            )
            (point,) = axes.plot(
                [x.mean], [y.mean], marker=look.marker, color=look.colour, markersize=7 if few else 5,
                linestyle="",
                markeredgecolor=INK if label in plane.front else look.colour, markeredgewidth=1.1, zorder=3,
            )  # fmt: skip
            sheet.own(point, place[label], said)
            if few:
                text = axes.annotate(
                    short(label, 24), (x.mean, y.mean), xytext=(6, 6), textcoords="offset points", fontsize=9
                )
                sheet.own(text, place[label])
            rows.append(
                (label, with_interval(x.mean, x.lower, x.upper, across.decimals),
                 with_interval(y.mean, y.lower, y.upper, up.decimals), "yes" if label in plane.front else "")
            )  # fmt: skip
        if lower_is_diverse:
            axes.invert_xaxis()
        axes.margins(0.14)
        axes.set_xlabel(f"{across.title}  (more diverse →)")
        axes.set_ylabel(f"{up.title}  (better ↑)")
        if not few:
            for name, look in legend_of(comparison, plane.points, style, LOSS_TITLES)[:12]:
                axes.plot([], [], marker=look.marker, color=look.colour, linestyle="", label=name)
            sheet.drawing.legend(loc="outside lower center", ncols=4)
        front_said = ", ".join(short(label) for label in plane.front)
        return sheet.finish(
            id, "plane", f"{plane.title}: quality against diversity",
            "Each run's mean over prompts with its interval in both directions. The dashed "
            "line is the Pareto front: "
            "runs that no other beats in one without being beaten in the other (outlined).",
            f"{len(plane.points)} runs by {across.title} and {up.title} on {plane.title}; on "
            f"the Pareto front: {front_said}.",
            ("Run", across.title, up.title, "On the front"), rows,
        )  # fmt: skip
