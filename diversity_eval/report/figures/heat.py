"""The ablation: a map over gamma and beta."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from diversity_eval.report.figures.drawing import FAINT, INK, Figure, canvas
from diversity_eval.report.titles import metric_title, task_title

if TYPE_CHECKING:
    from diversity_eval.report.comparison import Cell, Column, Comparison, Row

__all__ = ["heat_figures"]


def heat_figures(comparison: Comparison) -> Iterator[Figure]:
    """One for each model and leaderboard column with runs at two values of gamma or beta."""
    by_model: dict[str, list[Row]] = {}
    for row in comparison.rows:
        if {"gamma", "beta"} <= row.parameters.keys() and not row.members:
            by_model.setdefault(row.model, []).append(row)
    number = 0
    for model, rows in by_model.items():
        points = {(row.parameters["gamma"], row.parameters["beta"]) for row in rows}
        if len(points) < 2:
            continue
        for column in comparison.columns:
            cells = {
                (row.parameters["gamma"], row.parameters["beta"]): cell
                for row in rows
                if (cell := comparison.cell(row.label, column.key)) is not None
            }
            if column.headline and len(cells) > 1:
                yield _map(column, cells, model, f"heat-{number}")
                number += 1


def _map(column: Column, cells: dict[tuple[float, float], Cell], model: str, id: str) -> Figure:
    gammas, betas = (sorted({point[axis] for point in cells}) for axis in (0, 1))
    decimals = metric_title(column.metric).decimals
    title = f"{task_title(column.task)}: {metric_title(column.metric).title} by γ and β ({model})"
    means = [cell.mean for cell in cells.values()]
    low, high = min(means), max(means)
    rows = []
    with canvas(5.2, 1.3 + 0.55 * len(gammas)) as sheet:
        (axes,) = sheet.axes
        axes.grid(visible=False)
        for y, gamma in enumerate(gammas):
            line = [f"γ = {gamma:g}"]
            for x, beta in enumerate(betas):
                cell = cells.get((gamma, beta))
                line.append("" if cell is None else f"{cell.mean:.{decimals}f}")
                if cell is None:
                    axes.bar(
                        [x],
                        [1],
                        bottom=y - 0.5,
                        width=1,
                        color="none",
                        edgecolor=FAINT,
                        hatch="//",
                        linewidth=0,
                    )
                    continue
                # Strength of one colour, so that the number over it stays readable in both schemes.
                share = 0.0 if math.isclose(low, high) else (cell.mean - low) / (high - low)
                axes.bar(
                    [x], [1], bottom=y - 0.5, width=1, color="#0072b2", alpha=0.06 + 0.44 * share, linewidth=0
                )
                axes.text(x, y, line[-1], ha="center", va="center", color=INK, fontsize=10,
                          fontweight="bold" if cell.best else "normal")  # fmt: skip
            rows.append(line)
        axes.set_xticks(range(len(betas)), [f"{beta:g}" for beta in betas])
        axes.set_yticks(range(len(gammas)), [f"{gamma:g}" for gamma in gammas])
        axes.set_xlim(-0.5, len(betas) - 0.5)
        axes.set_ylim(len(gammas) - 0.5, -0.5)
        axes.set_xlabel("β")
        axes.set_ylabel("γ", rotation=0)
        return sheet.finish(
            id, "ablation", title,
            "The stronger the colour, the larger the number. Hatched: not run. Bold: best of "
            "the column, or not told from it.",
            f"{title}: from {low:.{decimals}f} to {high:.{decimals}f} over {len(cells)} settings.",
            ("", *(f"β = {beta:g}" for beta in betas)), rows,
        )  # fmt: skip
