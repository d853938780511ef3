"""LaTeX tables (booktabs), with every foreign text escaped."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

from diversity_eval.report.tables.layout import Entry, Table, tables_of

if TYPE_CHECKING:
    from diversity_eval.report.comparison import Comparison

__all__ = ["latex"]

_SPECIAL = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': r"\char34{}", "±": r"$\pm$", "↑": r"$\uparrow$", "↓": r"$\downarrow$",
    "λ": r"$\lambda$", "γ": r"$\gamma$", "β": r"$\beta$", "−": r"$-$", "–": "--", "—": "---", "’": "'",
    "…": r"\ldots{}",
    "`": r"\textasciigrave{}", "'": r"\textquotesingle{}", "“": "``", "”": "''",
    # An optional argument or a star is looked for behind every line's end.
    "[": "{[}", "]": "{]}", "*": "{*}",
}  # fmt: skip
_NARROW = 4
"""Columns of numbers that a column of a page has room for."""
_SPACE = re.compile(r"\s+")


def latex(comparison: Comparison) -> str:
    """The leaderboard in the paper's layout; needs the packages booktabs and textcomp."""
    return "\n".join(
        ["% needs \\usepackage{booktabs} and \\usepackage{textcomp}", *map(_table, tables_of(comparison))]
    )


def _table(table: Table) -> str:
    several = len(table.heads) > 1
    count = sum(len(metrics) for _, metrics in table.heads)
    # A table of the paper's width runs over both columns of a page.
    environment = "table*" if count > _NARROW else "table"
    lines = [rf"\begin{{{environment}}}[t]", r"\centering"]
    if count > _NARROW:
        lines += [r"\footnotesize", r"\setlength{\tabcolsep}{3pt}"]
    lines += [rf"\begin{{tabular}}{{ll{'c' * count}}}", r"\toprule"]
    if several:
        spans, rules, column = [], [], 3
        for model, metrics in table.heads:
            spans.append(rf"\multicolumn{{{len(metrics)}}}{{c}}{{{_escape(model)}}}")
            rules.append(rf"\cmidrule(lr){{{column}-{column + len(metrics) - 1}}}")
            column += len(metrics)
        lines += [f" & & {' & '.join(spans)} \\\\", "".join(rules)]
    heads = [_escape(metric) for _, metrics in table.heads for metric in metrics]
    lines.append(f"Benchmark & {'Loss' if several else 'Run'} & {' & '.join(heads)} \\\\")
    marks: dict[tuple[str, ...], int] = {}
    for group in table.groups:
        lines.append(r"\midrule")
        first = _escape(group.title)
        for published, found in ((False, group.lines), (True, group.published)):
            for name, entries in found:
                shown = rf"\textit{{{_escape(name)}}}" if published else _escape(name)
                cells = [_entry(entry, marks) for entry in entries]
                lines.append(f"{first} & {shown} & {' & '.join(cells)} \\\\")
                first = ""
    notes = [
        *(rf"\textsuperscript{{{number}}} {_escape('; '.join(mark))}." for mark, number in marks.items()),
        *map(_escape, table.notes),
    ]
    return "\n".join(
        [*lines, r"\bottomrule", r"\end{tabular}", rf"\caption{{{_escape(table.title)}. {' '.join(notes)}}}",
         rf"\end{{{environment}}}", ""]
    )  # fmt: skip


def _entry(entry: Entry, marks: dict[tuple[str, ...], int]) -> str:
    text = _bold(entry)
    if entry.behind is not None:
        text += f" ({_bold(entry.behind)})"
    if entry.text and entry.marks:
        text += rf"\textsuperscript{{{marks.setdefault(entry.marks, len(marks) + 1)}}}"
    return text


def _bold(entry: Entry) -> str:
    text = _escape(entry.text.replace(" ± ", "±"))
    return rf"\textbf{{{text}}}" if entry.best else text


def _escape(text: str) -> str:
    """Text as LaTeX prints it; what pdfLaTeX has no glyph for becomes its nearest letters, or a question
    mark.
    """
    # Two hyphens would make a dash.
    line = _SPACE.sub(" ", text)
    return "".join(
        "{}-" if character == before == "-" else _character(character)
        for before, character in zip(f" {line}"[:-1], line, strict=True)
    )


def _character(character: str) -> str:
    if character in _SPECIAL:
        return _SPECIAL[character]
    if character.isascii():
        return character if character.isprintable() else ""
    if unicodedata.category(character)[0] == "C":
        return ""
    plain = unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode()
    return "".join(_SPECIAL.get(each, each) for each in plain) or "?"
