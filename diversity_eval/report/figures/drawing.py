"""Drawing with matplotlib in the report's style."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from diversity_eval.errors import DiversityEvalError
from diversity_eval.report.figures.svg import FAINT, INK, LINE, SERIES, file_svg, page_svg, short
from diversity_eval.report.titles import LOSS_ORDER, LOSS_TITLES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

    from diversity_eval.report.comparison import Column, Comparison

__all__ = [
    "DOTTED", "FAINT", "INK", "SERIES", "Canvas", "Figure", "Style", "baselines_of", "canvas", "legend_of",
    "short", "styles", "with_interval",
]  # fmt: skip

DOTTED = (0, (1.5, 2))
"""The line of what others are compared with."""

_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
_DOTS_PER_INCH = 160
# What of a legend fits into a line, in letters; an entry's sample takes as much room as these.
_LEGEND_LETTERS, _SAMPLE_LETTERS = 58, 6
_RC = {
    "font.family": "sans-serif", "font.size": 9.5, "axes.labelsize": 9.5, "axes.titlesize": 9.5,
    "xtick.labelsize": 9, "ytick.labelsize": 9, "legend.fontsize": 9, "text.color": INK,
    "axes.labelcolor": INK, "axes.titlecolor": INK, "xtick.color": FAINT, "ytick.color": FAINT,
    "xtick.labelcolor": INK, "ytick.labelcolor": INK, "axes.edgecolor": FAINT, "axes.spines.top": False,
    "axes.spines.right": False, "axes.grid": True, "grid.color": LINE, "grid.linewidth": 0.6,
    "axes.axisbelow": True, "svg.fonttype": "none", "svg.hashsalt": "diversity-eval",
    "text.parse_math": False, "hatch.linewidth": 0.6, "legend.frameon": False,
    "axes.unicode_minus": True,
}  # fmt: skip


@dataclass(frozen=True)
class Figure:
    """A figure of the report.

    Attributes:
        id: unique in the report; a file name.
        section: what it is about.
        title, caption, alt: heading, how to read it, and the same for those who do not see it.
        svg: for the page: no style but classes, ids of its own, elements of a row with the class `row-N`.
        headers, rows: its numbers as a table.
        drawing: matplotlib's.
    """

    id: str
    section: str
    title: str
    caption: str
    alt: str
    svg: str
    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    drawing: Drawing = field(repr=False, compare=False)

    @property
    def png(self) -> bytes:
        """The same picture in pixels, for files. Drawn when it is asked for: the page needs none."""
        out = io.BytesIO()
        with _style():
            self.drawing.savefig(out, format="png", dpi=_DOTS_PER_INCH, facecolor="white")
        return out.getvalue()

    @property
    def standalone(self) -> bytes:
        """The same picture as an SVG file of its own."""
        return file_svg(self.svg, self.title)


@dataclass(frozen=True)
class Style:
    """How a row is drawn everywhere."""

    colour: str
    marker: str


@dataclass
class Canvas:
    """A drawing that becomes a `Figure`; elements are given to rows with `own`."""

    drawing: Drawing
    axes: Sequence[Axes]
    titles: list[str] = field(default_factory=list)

    def own(self, artist: Any, row: int, title: str = "") -> None:
        """Say that an artist shows a row, with a text for who points at it."""
        gid = f"row-{row}"
        if title:
            gid += f"!{len(self.titles)}"
            self.titles.append(title)
        artist.set_gid(gid)

    def legend(self, names: Sequence[str], handles: Sequence[Any]) -> None:
        """A legend below, in as many columns as its names leave room for."""
        longest = max(map(len, names), default=0) + _SAMPLE_LETTERS
        self.drawing.legend(
            handles, names, loc="outside lower center", ncols=max(1, min(4, _LEGEND_LETTERS // longest))
        )

    def finish(
        self, id: str, section: str, title: str, caption: str, alt: str, headers: Sequence[str],
        rows: Sequence[Sequence[str]],
    ) -> Figure:  # fmt: skip
        """The figure. What is where is settled by now."""
        svg = io.BytesIO()
        none = {"Date": None, "Creator": None, "Format": None, "Type": None}
        self.drawing.savefig(svg, format="svg", transparent=True, metadata=none)
        self.drawing.set_layout_engine("none")
        return Figure(
            id, section, title, caption, alt, page_svg(svg.getvalue(), id, self.titles),
            tuple(headers), tuple(tuple(row) for row in rows), self.drawing,
        )  # fmt: skip


@contextmanager
def _style() -> Iterator[None]:
    import matplotlib as mpl

    with mpl.rc_context(_RC), warnings.catch_warnings():
        # A letter that the font has not is a box; readers of the SVG have other fonts.
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        yield


@contextmanager
def canvas(width: float, height: float, columns: int = 1, rows: int = 1, **options: Any) -> Iterator[Canvas]:
    """A canvas in the report's style, of so many inches; `options` are matplotlib's for subplots.

    Raises DiversityEvalError without matplotlib.
    """
    try:
        import matplotlib  # noqa: F401
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure as Drawing
        from matplotlib.layout_engine import ConstrainedLayoutEngine
    except ImportError:
        raise DiversityEvalError(
            "figures need matplotlib; install the extra `report`: pip install 'diversity-eval[report]'"
        ) from None
    with _style():
        # Not pyplot: a notebook's own figures are none of our business.
        drawing = Drawing(figsize=(width, height), layout=ConstrainedLayoutEngine())
        FigureCanvasAgg(drawing)
        axes = drawing.subplots(rows, columns, squeeze=False, **options)
        yield Canvas(drawing, list(axes.ravel()))


def styles(comparison: Comparison) -> dict[str, Style]:
    """By row label a colour and a marker: one for each loss; rows without one get those that are left."""
    losses = [row.loss for row in comparison.rows if row.loss is not None and row.loss not in LOSS_ORDER]
    known = [*LOSS_ORDER, *dict.fromkeys(losses)]
    other = 0
    found = {}
    for row in comparison.rows:
        if row.loss is not None:
            place = known.index(row.loss)
        else:
            place, other = len(LOSS_ORDER) + other, other + 1
        place %= len(SERIES)
        found[row.label] = Style(SERIES[place], _MARKERS[place])
    return found


def baselines_of(comparison: Comparison, column: Column) -> dict[str, str]:
    """By row label the row that it is compared with in a column; baselines are their own."""
    found = {
        cell.row: cell.difference.other
        for cell in comparison.cells_of(column.key)
        if cell.difference is not None
    }
    return found | {other: other for other in found.values() if other not in found}


def with_interval(mean: float, lower: float, upper: float, decimals: int) -> str:
    """`12.3 [11.0, 13.9]`."""
    ends = "" if lower != lower else f" [{lower:.{decimals}f}, {upper:.{decimals}f}]"
    return f"{mean:.{decimals}f}{ends}"


def legend_of(
    comparison: Comparison, labels: Sequence[str], style: Mapping[str, Style]
) -> list[tuple[str, Style]]:
    """What the legend says where rows cannot be named one by one: an entry for each loss."""
    rows = {row.label: row for row in comparison.rows}
    entries: dict[str, Style] = {}
    for label in labels:
        loss = rows[label].loss
        if loss is not None:
            entries.setdefault(LOSS_TITLES.get(loss, short(loss, 24)), style[label])
    return list(entries.items())
