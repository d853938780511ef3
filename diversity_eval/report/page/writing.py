"""Putting the page together: template, style, script, and the data packed inside."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from importlib import resources
from pathlib import Path
from typing import Any, Protocol

from diversity_eval.data.writing import replacing
from diversity_eval.errors import DiversityEvalError
from diversity_eval.logs.rows import json_line
from diversity_eval.report.page.selection import Selection, select_responses

__all__ = ["PageFigure", "Written", "write_page"]

_STYLES = ("base.css", "table.css", "browser.css")
_SCRIPTS = (
    "dom.js", "texts.js", "leaderboard.js", "rows.js", "pointing.js", "details.js", "side.js", "responses.js",
    "main.js",
)  # fmt: skip
_LEVEL = 6
# What the sentence on responses that are left out takes at most, and a block beside its content; in bytes.
_SAID, _BLOCK = 600, 400


class PageFigure(Protocol):
    """What the page needs to know of a figure.

    `svg` is markup of ours with everything foreign escaped; elements of a row have the class `row-N`, N being
    its place in the document's rows. `headers` and `rows` are the same numbers as a table.
    """

    @property
    def id(self) -> str:
        """Unique in the page."""

    @property
    def title(self) -> str:
        """Its heading."""

    @property
    def caption(self) -> str:
        """What it shows and how to read it."""

    @property
    def alt(self) -> str:
        """The same in a sentence, for those who do not see it."""

    @property
    def svg(self) -> str:
        """The picture."""

    @property
    def headers(self) -> Sequence[str]:
        """Of the table."""

    @property
    def rows(self) -> Sequence[Sequence[str]]:
        """Of the table."""


@dataclass(frozen=True)
class Written:
    """What was written.

    Attributes:
        path: the page.
        size: its bytes.
        responses_inside: the number of responses in the page.
        responses_beside: the number in the file beside it.
        beside: that file; None if all responses are in the page.
    """

    path: Path
    size: int
    responses_inside: int
    responses_beside: int = 0
    beside: Path | None = None


def write_page(
    path: Path,
    document: Mapping[str, Any],
    *,
    figures: Sequence[PageFigure] = (),
    responses: Sequence[Mapping[str, Any]] = (),
    max_bytes: int = 20_000_000,
) -> Written:
    """Write the page, whole or not at all.

    Args:
        path: the HTML file.
        document: the report's data (docs/design/report.md).
        figures: shown in this order.
        responses: response sets for the browser.
        max_bytes: of the page, unless it is larger without any response. Where the responses are too many,
            those to the prompts on which the runs differ most are in it, and all of them are in
            `NAME.responses.jsonl.gz` beside it.

    Raises:
        DiversityEvalError: a file that cannot be written.
    """
    other = path.with_name(f"{path.stem}.responses.jsonl.gz")
    shell = len(_page(document, figures, [], None)) + _SAID + _BLOCK * len(responses)
    selection = select_responses(responses, max_bytes - shell, _packed, other.name)
    page = _page(document, figures, selection.sets, selection)
    beside = other if selection.left_out else None
    try:
        if beside is not None:
            with replacing(beside) as file, gzip.GzipFile(fileobj=file, mode="wb", mtime=0) as packed:
                for line in _lines(responses):
                    packed.write(line)
        with replacing(path) as file:
            file.write(page)
    except OSError as error:
        raise DiversityEvalError(f"{path}: cannot be written ({error.strerror or error})") from None
    return Written(path, len(page), selection.inside, selection.left_out, beside)


def _page(
    document: Mapping[str, Any],
    figures: Sequence[PageFigure],
    sets: Sequence[Mapping[str, Any]],
    selection: Selection | None,
) -> bytes:
    style = "\n".join(_asset(name) for name in _STYLES)
    script = f"(() => {{\n'use strict';\n{''.join(_asset(name) for name in _SCRIPTS)}\n}})();"
    index = [{"task_title": each["task_title"], "prompts": len(each["prompts"])} for each in sets]
    left_out = selection.said if selection is not None else ""
    head = {**document, "response_sets": index, "responses_left_out": left_out}
    blocks = [
        ("report-data", _packed(head)),
        *((f"responses-{n}", _packed(each)) for n, each in enumerate(sets)),
    ]
    policy = (
        f"default-src 'none'; script-src '{_digest(script)}'; style-src '{_digest(style)}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    values = {
        "policy": policy,
        "title": escape(str(document.get("title", ""))),
        "style": style,
        "script": script,
        "figures": "\n".join(_figure(figure) for figure in figures),
        "figures_hidden": "" if figures else " hidden",
        "fallback": _fallback(document),
        "data": "\n".join(
            f'<script type="application/octet-stream" id="{name}">{content}</script>'
            for name, content in blocks
        ),
    }
    template = _asset("page.html")
    # One pass: what is put in is never looked through for further places.
    pieces = template.split("{{")
    whole = [pieces[0]]
    for piece in pieces[1:]:
        name, _, rest = piece.partition("}}")
        whole += [values[name.strip()], rest]
    return "".join(whole).encode("utf-8", "replace")


def _figure(figure: PageFigure) -> str:
    head = "".join(f'<th scope="col">{escape(text)}</th>' for text in figure.headers)
    body = "".join(
        "<tr>" + "".join(
            f'<th scope="row">{escape(text)}</th>' if place == 0 else f"<td>{escape(text)}</td>"
            for place, text in enumerate(row)
        ) + "</tr>"
        for row in figure.rows
    )  # fmt: skip
    name, title = escape(figure.id, quote=True), escape(figure.title, quote=True)
    return (
        f'<figure class="panel" id="figure-{name}"><h3>{escape(figure.title)}</h3>'
        f'<div class="drawing" role="img" aria-label="{escape(figure.alt, quote=True)}">{figure.svg}</div>'
        f"<figcaption>{escape(figure.caption)}</figcaption>"
        f'<details><summary>Numbers<span class="unseen"> of {escape(figure.title)}</span></summary>'
        f'<div class="scroll" tabindex="0" role="region" aria-label="Numbers of {title}">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div></details></figure>"
    )


def _fallback(document: Mapping[str, Any]) -> str:
    """The leaderboard for readers without a script."""
    columns = [(place, c) for place, c in enumerate(document["columns"]) if c["headline"]]
    cells = {(cell["row"], cell["column"]): cell for cell in document["cells"]}
    head = "".join(
        f'<th scope="col">{escape(c["task_title"])}: {escape(c["title"])}</th>' for _, c in columns
    )
    lines = []
    for number, row in enumerate(document["rows"]):
        shown = []
        for place, column in columns:
            cell = cells.get((number, place))
            mean = cell["mean"] if cell else None
            shown.append(f"<td>{mean:.{column['decimals']}f}</td>" if mean is not None else "<td></td>")
        lines.append(f'<tr><th scope="row">{escape(row["label"])}</th>{"".join(shown)}</tr>')
    return (
        f'<table><thead><tr><th scope="col">Run</th>{head}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table>"
    )


def _lines(responses: Sequence[Mapping[str, Any]]) -> list[bytes]:
    """All responses, a line for each run, task and prompt."""
    return [
        json_line(
            {
                "task": each["task"], "row": source["row"], "variant": source["variant"],
                "key": prompt["key"], "responses": texts,
            }
        )
        for each in responses
        for source, by_prompt in zip(each["sources"], each["responses"], strict=True)
        for prompt, texts in zip(each["prompts"], by_prompt, strict=True)
        if texts is not None
    ]  # fmt: skip


def _packed(content: Mapping[str, Any]) -> str:
    text = json.dumps(content, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return base64.b64encode(gzip.compress(text.encode(), _LEVEL, mtime=0)).decode()


def _digest(content: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}"


def _asset(name: str) -> str:
    return resources.files("diversity_eval.report.page").joinpath("assets", name).read_text(encoding="utf-8")
