"""Making of matplotlib's SVG what a page with a strict policy and two colour schemes takes."""

from __future__ import annotations

import re
import unicodedata
import xml.etree.ElementTree as ET
from collections.abc import Sequence

__all__ = ["FAINT", "INK", "LINE", "SERIES", "file_svg", "page_svg", "short"]

INK, FAINT, LINE = "#1b1b1b", "#5f5f5f", "#d9d9d4"
# One for each loss, base first, then for the others; told apart by the colour-blind, and by shape beside.
SERIES = ("#555555", "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b8860b", "#56b4e9", "#7a4fb5")
_CLASSES = {INK: "ink", FAINT: "faint", LINE: "line", **{colour: f"s{n}" for n, colour in enumerate(SERIES)}}

_SVG, _LINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
_LONGEST = 34
_LONGEST_TITLE = 200
_ROW = re.compile(r"row-([0-9]+)(?:!([0-9]+))?")
_FONT = re.compile(r"(?:(?P<weight>bold|[0-9]{3}) )?(?P<size>[0-9.]+)px")


def short(label: str, longest: int = _LONGEST) -> str:
    """A label that fits, on one line, without characters that are not seen or turn the text."""
    seen = "".join(
        " " if character.isspace() else character
        for character in label[: 4 * longest]
        if character.isspace() or unicodedata.category(character)[0] != "C"
    )
    line = " ".join(seen.split())
    return line if len(line) <= longest else f"{line[: longest - 1]}…"


def page_svg(svg: bytes, id: str, titles: Sequence[str]) -> str:
    """For the page: classes in the place of styles, which the page's policy forbids, so that colours follow
    the page's scheme; ids that begin with `id`; elements of a row with the class `row-N`.

    Args:
        svg: matplotlib's, in the colours of this module.
        id: of the figure.
        titles: what is said to who points at an element; the element's id is `row-N!PLACE`.
    """
    ET.register_namespace("", _SVG)
    ET.register_namespace("xlink", _LINK)
    root = ET.fromstring(svg)
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in (f"{{{_SVG}}}metadata", f"{{{_SVG}}}style"):
                parent.remove(child)
    # First, since what a style refers to is in an attribute only then: the hatching of a bar.
    for element in root.iter():
        _restyle(element)
    used = {
        value.partition("#")[2].rstrip(")")
        for element in root.iter()
        for value in element.attrib.values()
        if value.startswith(("#", "url(#"))
    }
    for element in root.iter():
        name = element.attrib.pop("id", None)
        if name is None:
            continue
        owned = _ROW.fullmatch(name)
        if owned:
            element.set("class", " ".join(filter(None, (element.get("class"), f"row-{owned[1]}"))))
            if owned[2] is not None:
                text = ET.Element(f"{{{_SVG}}}title")
                text.text = short(titles[int(owned[2])], _LONGEST_TITLE)
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


def file_svg(svg: str, name: str) -> bytes:
    """A page's SVG as a file of its own: with a size, on white, with a name."""
    root = ET.fromstring(svg)
    _, _, width, height = root.attrib["viewBox"].split()
    for key in ("aria-hidden", "focusable"):
        root.attrib.pop(key, None)
    root.set("width", f"{width}pt")
    root.set("height", f"{height}pt")
    root.set("font-family", "system-ui, 'DejaVu Sans', sans-serif")
    root.set("role", "img")
    title = ET.Element(f"{{{_SVG}}}title")
    title.text = short(name, _LONGEST_TITLE)
    root.insert(0, title)
    root.insert(1, ET.Element(f"{{{_SVG}}}rect", {"width": "100%", "height": "100%", "fill": "#ffffff"}))
    written: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return written


def _restyle(element: ET.Element) -> None:
    style = element.attrib.pop("style", None)
    if style is None:
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
