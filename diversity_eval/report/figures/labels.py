"""Names beside points, placed so that they cover neither one another nor the points."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from diversity_eval.report.figures.drawing import FAINT

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

__all__ = ["name_points"]

_Box = tuple[float, float, float, float]
"""Left, bottom, right, top, in pixels."""

_POINT = 6.0
"""Half of a point's width, in pixels at 100 to the inch."""
_DISTANCES = (10.0, 18.0, 30.0, 46.0, 66.0)
# Away from the point to the right first, then around; the vertical part of sideways steps is smaller.
_DIRECTIONS = ((1, 0.6), (1, -0.6), (-1, 0.6), (-1, -0.6), (0, 1), (0, -1), (1, 0), (-1, 0))
# What covering a square pixel costs: of another name, of a point, of an interval's line, of the outside.
_COSTS = (20.0, 12.0, 1.0, 60.0)


def name_points(
    drawing: Drawing,
    axes: Axes,
    names: Mapping[str, str],
    points: Mapping[str, tuple[float, float]],
    lines: Sequence[tuple[tuple[float, float], tuple[float, float]]] = (),
) -> dict[str, Any]:
    """Write names beside points; call it when the axes' limits and everything around them are settled.

    Args:
        drawing: the whole.
        axes: whose points they are.
        names: what is written, by key.
        points: of all keys, also of those without a name, in data coordinates.
        lines: from where to where lines run, which names had better not cover.

    Returns:
        The texts by key, each in a dictionary's order.
    """
    drawing.draw_without_rendering()
    at = {key: tuple(map(float, axes.transData.transform(point))) for key, point in points.items()}
    scale = 72 / drawing.dpi
    frame = axes.get_window_extent()
    inside = (frame.x0, frame.y0, frame.x1, frame.y1)
    spots = [(x - _POINT, y - _POINT, x + _POINT, y + _POINT) for x, y in at.values()]
    strokes = [_around(axes.transData.transform(line)) for line in lines]
    texts: dict[str, Any] = {}
    taken: list[_Box] = []
    for key in sorted(names, key=lambda each: (-at[each][1], at[each][0])):
        text = axes.annotate(
            names[key], points[key], xytext=(0, 0), textcoords="offset points", fontsize=9,
            ha="left", va="bottom", zorder=5, annotation_clip=False,
        )  # fmt: skip
        text.set_in_layout(False)
        extent = text.get_window_extent()
        box = min(
            _places(at[key], extent.width, extent.height),
            key=lambda each: (
                _COSTS[0] * sum(_shared(each[1], other) for other in taken)
                + _COSTS[1] * sum(_shared(each[1], spot) for spot in spots)
                + _COSTS[2] * sum(_shared(each[1], stroke) for stroke in strokes)
                + _COSTS[3] * (_area(each[1]) - _shared(each[1], inside))
                + each[0]
            ),
        )
        taken.append(box[1])
        # In points, since files have other resolutions than this measure.
        text.set_position((scale * (box[1][0] - at[key][0]), scale * (box[1][1] - at[key][1])))
        if box[0] > _DISTANCES[0]:
            _lead(axes, at[key], box[1])
        texts[key] = text
    return texts


def _places(point: tuple[float, ...], width: float, height: float) -> Iterator[tuple[float, _Box]]:
    """Where a name of that size may stand, with its distance from the point."""
    for distance in _DISTANCES:
        for right, up in _DIRECTIONS:
            left = point[0] + right * distance - (width if right < 0 else width / 2 if right == 0 else 0)
            middle = point[1] + up * (distance + height / 2)
            yield distance, (left, middle - height / 2, left + width, middle + height / 2)


def _lead(axes: Axes, point: tuple[float, ...], box: _Box) -> None:
    """A thin line from a point to its name."""
    end = (min(max(point[0], box[0]), box[2]), min(max(point[1], box[1]), box[3]))
    back = axes.transData.inverted()
    (x0, y0), (x1, y1) = back.transform(point), back.transform(end)
    axes.plot([x0, x1], [y0, y1], color=FAINT, linewidth=0.6, zorder=1.5, scalex=False, scaley=False)


def _around(line: Any) -> _Box:
    (x0, y0), (x1, y1) = line
    return (min(x0, x1) - 1, min(y0, y1) - 1, max(x0, x1) + 1, max(y0, y1) + 1)


def _area(box: _Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def _shared(one: _Box, other: _Box) -> float:
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    return width * height if width > 0 and height > 0 else 0.0
