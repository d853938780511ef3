"""Markdown tables, with every foreign text escaped."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from diversity_eval.report.tables.layout import Entry, Table, tables_of

if TYPE_CHECKING:
    from diversity_eval.report.comparison import Comparison

__all__ = ["markdown"]

# What Markdown (and the HTML in it) could take for markup, at the beginning of a line also lists; and what
# would end a line or turn the text.
_MARKUP = re.compile(r"[\\`*_{}\[\]<>#|~&$@]|(?<=:)/|(?<=www)\.|^[-+=]|(?<=^[0-9])[.)]")
_BREAKS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]+")


def markdown(comparison: Comparison) -> str:
    """The summary, and the leaderboard in the paper's layout."""
    parts = [
        *(f"{_escape(sentence)}\n" for sentence in comparison.summary),
        *(f"> {_escape(warning)}\n" for warning in comparison.warnings),
        *map(_table, tables_of(comparison)),
    ]
    return "\n".join(parts)


def _table(table: Table) -> str:
    several = len(table.heads) > 1
    heads = [
        _escape(f"{model}: {metric}" if several else metric)
        for model, metrics in table.heads
        for metric in metrics
    ]
    lines = [
        f"### {_escape(table.title)}", "",
        f"| Benchmark | {'Loss' if several else 'Run'} | {' | '.join(heads)} |",
        f"| --- | --- | {' | '.join(['---:'] * len(heads))} |",
    ]  # fmt: skip
    marks: dict[tuple[str, ...], int] = {}
    for group in table.groups:
        first = _escape(group.title)
        for published, found in ((False, group.lines), (True, group.published)):
            for name, entries in found:
                # A name of nothing would leave stars that mean nothing.
                shown = f"*{_escape(name)}*" if published and name.strip() else _escape(name)
                cells = [_entry(entry, marks) for entry in entries]
                lines.append(f"| {first} | {shown} | {' | '.join(cells)} |")
                first = ""
    notes = [
        *(f"[{number}] {_escape('; '.join(mark))}" for mark, number in marks.items()),
        *map(_escape, table.notes),
    ]
    return "\n".join([*lines, "", *(f"{note}  " for note in notes), ""])


def _entry(entry: Entry, marks: dict[tuple[str, ...], int]) -> str:
    text = _bold(entry)
    if entry.behind is not None:
        text += f" ({_bold(entry.behind)})"
    if entry.text and entry.marks:
        text += f" \\[{marks.setdefault(entry.marks, len(marks) + 1)}\\]"
    return text


def _bold(entry: Entry) -> str:
    return f"**{entry.text}**" if entry.best else entry.text


def _escape(text: str) -> str:
    line = " ".join(_BREAKS.sub(" ", text).split())
    return _MARKUP.sub(r"\\\g<0>", line).encode("utf-8", "replace").decode("utf-8")
