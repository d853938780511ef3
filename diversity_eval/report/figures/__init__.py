"""The report's figures: drawn once, for the page and as files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from diversity_eval.data.writing import replacing
from diversity_eval.report.figures.drawing import Figure

if TYPE_CHECKING:
    from diversity_eval.report.comparison import Comparison

__all__ = ["Figure", "draw_figures", "save_figures"]


def draw_figures(comparison: Comparison) -> list[Figure]:
    """Every figure that the comparison has numbers for, in the order in which the page shows them.

    Raises DiversityEvalError without matplotlib (extra `report`).
    """
    from diversity_eval.report.figures.bars import bar_figures, difference_figures
    from diversity_eval.report.figures.curves import coverage_figures, length_figures
    from diversity_eval.report.figures.first_token import first_token_figures
    from diversity_eval.report.figures.heat import heat_figures
    from diversity_eval.report.figures.plane import plane_figures

    makers = (
        plane_figures, bar_figures, coverage_figures, length_figures, heat_figures, first_token_figures,
        difference_figures,
    )  # fmt: skip
    return [figure for make in makers for figure in make(comparison)]


def save_figures(
    figures: Sequence[Figure], folder: Path, formats: Sequence[Literal["svg", "png"]]
) -> list[Path]:
    """Write figures as files into a folder that is there; returns their paths."""
    written = []
    for figure in figures:
        for kind in formats:
            path = folder / f"{figure.id}.{kind}"
            with replacing(path) as file:
                file.write(figure.png if kind == "png" else figure.standalone)
            written.append(path)
    return written
