"""Drawing with matplotlib, and making of its SVG what a page with a strict policy and two colour schemes
takes."""

from __future__ import annotations

import io
import re
import unicodedata
import warnings
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from diversity_eval.errors import DiversityEvalError
from diversity_eval.report.titles import LOSS_ORDER

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

    from diversity_eval.report.comparison import Comparison

__all__ = ["FAINT", "INK", "SERIES", "Canvas", "Figure", "Style", "short", "styles"]

INK, FAINT, LINE = "#1b1b1b", "#5f5f5f", "#d9d9d4"
# One for each loss, base first, then for the others; told apart by the colour-blind, and by shape beside.
SERIES = ("#555555", "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b8860b", "#56b4e9", "#7a4fb5")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
_HATCHES = ("", "//", "..", "\\\\", "xx", "--", "oo", "++")
_CLASSES = {INK: "ink", FAINT: "faint", LINE: "line", **{colour: f"s{n}" for n, colour in enumerate(SERIES)}}

_SVG, _LINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
_LONGEST = 34
_ROW = re.compile(r"row-([0-9]+)(?:!([0-9]+))?")
_FONT = re.compile(r"(?:(?P<weight>bold|[0-9]{3}) )?(?P<size>[0-9.]+)px")


@dataclass(frozen=True)
class Figure:
    """A figure of the report.

    Attributes:
        id: unique in the report; a file name.
        section: what it is about.
        title, caption, alt: heading, how to read it, and the same for those who do not see it.
        svg: for the page: no style but classes, ids of its own, elements of a row with the class `row-N`.
        png: the same picture, for files.
        standalone: the picture as an SVG file of its own.
        headers, rows: its numbers as a table.
    """

    id: str
    section: str
    title: str
    caption: str
    alt: str
    svg: str
    png: bytes
    standalone: bytes
    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Style:
    """How a row is drawn everywhere."""

    colour: str
    marker: str
    hatch: str


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

    def finish(
        self, id: str, section: str, title: str, caption: str, alt: str, headers: Sequence[str],
        rows: Sequence[Sequence[str]],
    ) -> Figure:  # fmt: skip
        """The figure; the drawing is closed."""
        from matplotlib import pyplot

        svg, png = io.BytesIO(), io.BytesIO()
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Glyph .* missing")
            none = {"Date": None, "Creator": None, "Format": None, "Type": None}
            self.drawing.savefig(svg, format="svg", transparent=True, metadata=none)
            self.drawing.savefig(png, format="png", dpi=160, facecolor="white")
        pyplot.close(self.drawing)
        return Figure(
            id, section, title, caption, alt, _for_page(svg.getvalue(), id, self.titles), png.getvalue(),
            svg.getvalue(), tuple(headers), tuple(tuple(row) for row in rows),
        )  # fmt: skip


@contextmanager
def canvas(width: float, height: float, columns: int = 1, rows: int = 1, **options: Any) -> Iterator[Canvas]:
    """A canvas in the report's style.

    Raises DiversityEvalError without matplotlib.
    """
    try:
        import matplotlib as mpl
    except ImportError:
        raise DiversityEvalError(
            "figures need matplotlib; install the extra `report`: pip install 'diversity-eval[report]'"
        ) from None
    mpl.use("Agg")
    from matplotlib import pyplot

    style = {
        "font.family": "sans-serif", "font.size": 9.5, "axes.labelsize": 9.5, "axes.titlesize": 10,
        "xtick.labelsize": 9, "ytick.labelsize": 9, "legend.fontsize": 9, "text.color": INK,
        "axes.labelcolor": INK, "xtick.color": FAINT, "ytick.color": FAINT, "xtick.labelcolor": INK,
        "ytick.labelcolor": INK, "axes.edgecolor": FAINT, "axes.spines.top": False,
        "axes.spines.right": False, "axes.grid": True, "grid.color": LINE, "grid.linewidth": 0.6,
        "axes.axisbelow": True, "svg.fonttype": "none", "svg.hashsalt": "diversity-eval",
        "text.parse_math": False, "hatch.linewidth": 0.6, "legend.frameon": False,
        "axes.unicode_minus": True, "figure.constrained_layout.use": True,
    }  # fmt: skip
    with mpl.rc_context(style):
        drawing, axes = pyplot.subplots(rows, columns, figsize=(width, height), squeeze=False, **options)
        try:
            yield Canvas(drawing, list(axes.ravel()))
        finally:
            pyplot.close(drawing)


def styles(comparison: Comparison) -> dict[str, Style]:
    """By row label: a colour, a marker and a hatch for each loss; rows without one get those that are
    left.
    """
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
        found[row.label] = Style(SERIES[place], _MARKERS[place], _HATCHES[place])
    return found


def short(label: str, longest: int = _LONGEST) -> str:
    """A label that fits, on one line, without characters that are not seen or turn the text."""
    seen = "".join(
        " " if character.isspace() else character
        for character in label[: 4 * longest]
        if character.isspace() or unicodedata.category(character)[0] != "C"
    )
    line = " ".join(seen.split())
    return line if len(line) <= longest else f"{line[: longest - 1]}…"


def _for_page(svg: bytes, id: str, titles: Sequence[str]) -> str:
    """matplotlib's SVG with classes in the place of styles, which the page's policy forbids, and colours that
    follow the page's scheme."""
    ET.register_namespace("", _SVG)
    ET.register_namespace("xlink", _LINK)
    root = ET.fromstring(svg)
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in (f"{{{_SVG}}}metadata", f"{{{_SVG}}}style"):
                parent.remove(child)
    used = {
        value.partition("#")[2].rstrip(")")
        for element in root.iter()
        for value in element.attrib.values()
        if value.startswith(("#", "url(#"))
    }
    for element in root.iter():
        _restyle(element)
        name = element.get("id")
        if name is None:
            continue
        del element.attrib["id"]
        owned = _ROW.fullmatch(name)
        if owned:
            element.set("class", " ".join(filter(None, (element.get("class"), f"row-{owned[1]}"))))
            if owned[2] is not None:
                text = ET.Element(f"{{{_SVG}}}title")
                text.text = short(titles[int(owned[2])], 200)
                element.insert(0, text)
        elif name in used:
            element.set("id", f"{id}-{name}")
    for element in root.iter():
        for key, value in element.attrib.items():
            if value.startswith("#") and value[1:] in used and key.endswith("href"):
                element.set(key, f"#{id}-{value[1:]}")
            elif value.startswith("url(#"):
                element.set(key, f"url(#{id}-{value[5:]}")
    for key in ("width", "height"):
        root.attrib.pop(key, None)
    root.set("stroke-linejoin", "round")
    root.set("aria-hidden", "true")
    root.set("focusable", "false")
    return ET.tostring(root, encoding="unicode")


def _restyle(element: ET.Element) -> None:
    style = element.attrib.pop("style", None)
    if style is None:
        if element.tag == f"{{{_SVG}}}path" and "fill" not in element.attrib and element.get("id") is None:
            return
        return
    classes = [element.get("class") or ""]
    for part in style.split(";"):
        key, _, value = (piece.strip() for piece in part.partition(":"))
        if key == "font":
            font = _FONT.match(value)
            if font:
                element.set("font-size", font["size"])
                if font["weight"]:
                    element.set("font-weight", font["weight"])
        elif key in ("fill", "stroke"):
            element.set(key, value)
            if value.lower() in _CLASSES:
                classes.append(f"{key}-{_CLASSES[value.lower()]}")
        elif key:
            element.set(key, value)
    if any(classes):
        element.set("class", " ".join(filter(None, classes)))


def with_interval(mean: float, lower: float, upper: float, decimals: int) -> str:
    """`12.3 [11.0, 13.9]`."""
    ends = "" if lower != lower else f" [{lower:.{decimals}f}, {upper:.{decimals}f}]"
    return f"{mean:.{decimals}f}{ends}"


def legend_of(
    comparison: Comparison, labels: Sequence[str], style: Mapping[str, Style], titles: Mapping[str, str]
) -> list[tuple[str, Style]]:
    """What the legend says: one entry a loss, or one a row where no loss is known."""
    entries: dict[str, Style] = {}
    rows = {row.label: row for row in comparison.rows}
    for label in labels:
        loss = rows[label].loss
        entries.setdefault(titles.get(loss, loss) if loss is not None else short(label, 24), style[label])
    return list(entries.items())
