"""The ablation: a map over gamma and beta."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from diversity_eval.report.figures.drawing import Canvas, Figure, canvas, with_interval
from diversity_eval.report.figures.tiles import frame_tiles, share_of, tile
from diversity_eval.report.titles import metric_title, task_title

if TYPE_CHECKING:
    from diversity_eval.report.comparison import Cell, Column, Comparison, Row

__all__ = ["heat_figures"]

_Setting = tuple[float, float | None]
"""Gamma and beta; no beta is focal loss."""


def heat_figures(comparison: Comparison) -> Iterator[Figure]:
    """One for each model and leaderboard column with runs at two values of gamma or beta.

    As in the paper's Table C.1, focal loss (gamma alone) stands beside TOFU where both are there.
    """
    by_model: dict[str, dict[_Setting, list[Row]]] = {}
    for row in comparison.rows:
        if row.members or "gamma" not in row.parameters:
            continue
        beta = row.parameters.get("beta")
        if beta is not None or row.loss == "focal":
            setting = (row.parameters["gamma"], beta)
            by_model.setdefault(row.model, {}).setdefault(setting, []).append(row)
    number = 0
    for model, settings in by_model.items():
        with_beta = [setting for setting in settings if setting[1] is not None]
        if len(with_beta) < 2:
            continue
        for column in comparison.columns:
            cells = {
                setting: found
                for setting, rows in settings.items()
                if (found := _first(comparison, rows, column)) is not None
            }
            if column.headline and len(cells) > 1:
                repeated = sum(len(rows) - 1 for rows in settings.values())
                yield _map(comparison, column, cells, model, repeated, f"heat-{number}")
                number += 1


def _first(comparison: Comparison, rows: list[Row], column: Column) -> Cell | None:
    """The first of the runs with the same setting that has a number."""
    cells = [comparison.cell(row.label, column.key) for row in rows]
    return next((cell for cell in cells if cell is not None and not math.isnan(cell.mean)), None)


def _map(
    comparison: Comparison, column: Column, cells: Mapping[_Setting, Cell], model: str, repeated: int, id: str
) -> Figure:
    place = {row.label: number for number, row in enumerate(comparison.rows)}
    gammas = sorted({gamma for gamma, _ in cells})
    betas: list[float | None] = [*sorted({beta for _, beta in cells if beta is not None})]
    if any(beta is None for _, beta in cells):
        betas.insert(0, None)
    decimals = metric_title(column.metric).decimals
    variant = f" ({column.variant})" if column.variant else ""
    name = f"{task_title(column.task)}{variant}: {metric_title(column.metric).title} by γ and β ({model})"
    means = [cell.mean for cell in cells.values()]
    low, high = min(means), max(means)
    heads = ["Focal" if beta is None else f"{beta:g}" for beta in betas]
    rows = []
    with canvas(5.2, 1.1 + 0.5 * len(gammas)) as sheet:
        (axes,) = sheet.axes
        for y, gamma in enumerate(gammas):
            line = [f"γ = {gamma:g}"]
            for x, (beta, head) in enumerate(zip(betas, heads, strict=True)):
                cell = cells.get((gamma, beta))
                line.append("" if cell is None else f"{cell.mean:.{decimals}f}")
                if cell is not None:
                    said = f"γ = {gamma:g}, {'' if beta is None else 'β = '}{head}"
                    share = share_of(cell.mean, low, high)
                    _own_tile(sheet, (x, y), cell, share, decimals, len(betas), place[cell.row], said)
            rows.append(line)
        axes.set_xticks(range(len(betas)), heads)
        axes.set_yticks(range(len(gammas)), [f"{gamma:g}" for gamma in gammas])
        missing = [
            (x, y)
            for y, gamma in enumerate(gammas)
            for x, beta in enumerate(betas)
            if (gamma, beta) not in cells
        ]
        frame_tiles(axes, len(betas), len(gammas), missing)
        axes.set_xlabel("β")
        axes.set_ylabel("γ", rotation=0, labelpad=10)
        return sheet.finish(
            id, "ablation", name,
            "The stronger the colour, the larger the number. Hatched: not run. Bold: best of the column, or "
            "not told from it." + (
                f" {repeated} more with a setting that is shown already are left out." if repeated else ""
            ),
            f"{name}: from {low:.{decimals}f} to {high:.{decimals}f} over {len(cells)} settings.",
            ("", *(head if head == "Focal" else f"β = {head}" for head in heads)), rows,
        )  # fmt: skip


def _own_tile(
    sheet: Canvas, at: tuple[int, int], cell: Cell, share: float, decimals: int, columns: int, place: int,
    setting: str,
) -> None:  # fmt: skip
    (axes,) = sheet.axes
    text = f"{cell.mean:.{decimals}f}"
    patch = tile(axes, *at, text, share, bold=cell.best, size=10 if columns <= 8 else 9)
    said = with_interval(cell.mean, cell.lower, cell.upper, decimals)
    sheet.own(patch, place, f"{cell.row} ({setting}): {said}")
