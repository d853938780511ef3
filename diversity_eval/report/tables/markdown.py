"""Markdown tables, with every foreign text escaped."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from diversity_eval.report.tables.layout import Entry, Table, tables_of

if TYPE_CHECKING:
    from diversity_eval.report.comparison import Comparison

__all__ = ["markdown"]

# What Markdown (and the HTML in it) could take for markup, at the beginning of a line also lists; and what
# would
# end a line or a cell.
_MARKUP = re.compile(r"[\`*_{}\[\]<>#|~&$@]|(?<=:)/|(?<=www)\.|^[-+=]|(?<=^[0-9])[.)]")
_BREAKS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")


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
        for place, (name, entries) in enumerate(group.lines):
            cells = [_entry(entry, marks) for entry in entries]
            lines.append(
                f"| {_escape(group.title) if place == 0 else ''} | {_escape(name)} | {' | '.join(cells)} |"
            )
    notes = [
        *(f"[{number}] {_escape('; '.join(mark))}" for mark, number in marks.items()),
        *map(_escape, table.notes),
    ]
    return "\n".join([*lines, "", *(f"{note}  " for note in notes), ""])


def _entry(entry: Entry, marks: dict[tuple[str, ...], int]) -> str:
    text = f"**{entry.text}**" if entry.best else entry.text
    if entry.text and entry.marks:
        text += f" \\[{marks.setdefault(entry.marks, len(marks) + 1)}\\]"
    return text


def _escape(text: str) -> str:
    return _MARKUP.sub(r"\\\g<0>", _BREAKS.sub(" ", text).encode("utf-8", "replace").decode("utf-8"))
