"""Numbers on tiles, the stronger the colour the larger the number."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

from diversity_eval.report.figures.drawing import FAINT, INK, SERIES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.patches import Rectangle

__all__ = ["frame_tiles", "share_of", "tile"]

_WEAKEST, _STRONGEST = 0.05, 0.5
"""Of the colour; the number over it stays readable on a white and on a black page."""


def tile(
    axes: Axes, x: int, y: int, text: str, share: float, *, bold: bool = False, size: float = 9.5
) -> Rectangle:
    """One tile with its number; `share` from 0 to 1 is its strength."""
    from matplotlib.patches import Rectangle

    patch = Rectangle(
        (x - 0.5, y - 0.5), 1, 1, color=SERIES[1], linewidth=0,
        alpha=_WEAKEST + (_STRONGEST - _WEAKEST) * min(1.0, max(0.0, share)),
    )  # fmt: skip
    patch.set_in_layout(False)
    axes.add_patch(patch)
    if text:
        number = axes.text(x, y, text, ha="center", va="center", color=INK, fontsize=size)
        number.set_fontweight("bold" if bold else "normal")
        # It is within its tile; measuring hundreds of them would take longer than drawing them.
        number.set_in_layout(False)
    return patch


def frame_tiles(axes: Axes, columns: int, lines: int, missing: Iterable[tuple[int, int]] = ()) -> None:
    """The axes around so many tiles; those that are missing are hatched."""
    from matplotlib.patches import Rectangle

    for x, y in missing:
        gap = Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor="none", edgecolor=FAINT, hatch="///", linewidth=0)
        axes.add_patch(gap)
    axes.set_xlim(-0.5, columns - 0.5)
    axes.set_ylim(lines - 0.5, -0.5)
    axes.grid(visible=False)
    axes.tick_params(length=0)


def share_of(value: float, low: float, high: float) -> float:
    """Where a value stands between the lowest and the highest, from 0 to 1."""
    return 0.0 if math.isclose(low, high) else (value - low) / (high - low)
