"""The layout of the paper's tables: benchmarks and losses down, models across, diversity beside quality."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from diversity_eval.report.comparison import Column, Comparison, Row
from diversity_eval.report.titles import LOSS_ORDER, LOSS_TITLES, metric_title, task_title

__all__ = ["Entry", "Group", "Table", "tables_of"]

_IN_PARENTHESES = {"success_rate": "coverage"}
"""Metrics that the paper prints behind another (Table 2), by what they follow."""


_Benchmark = tuple[str, list[Column]]
"""A benchmark's title and its columns."""


@dataclass(frozen=True)
class Entry:
    """What stands in one place: a number with its spread, or nothing.

    Attributes:
        text: `12.3 ± 4.5`, or without a spread `0.73`; empty for nothing.
        best: whether it is printed bold.
        marks: why it is not the whole benchmark.
        behind: what stands behind it in parentheses.
    """

    text: str = ""
    best: bool = False
    marks: tuple[str, ...] = ()
    behind: Entry | None = None


@dataclass(frozen=True)
class Group:
    """Lines that belong together: the methods of one benchmark.

    Attributes:
        title: the benchmark.
        lines: the name of each line and its entries, one for each of the table's columns.
        published: lines from the paper, which are set off and never the best.
    """

    title: str
    lines: tuple[tuple[str, tuple[Entry, ...]], ...]
    published: tuple[tuple[str, tuple[Entry, ...]], ...] = ()


@dataclass(frozen=True)
class Table:
    """One table.

    Attributes:
        title: what is in it.
        heads: the models (or the one block of columns), each with the metrics below it.
        groups: the lines.
        notes: what has to be said below.
    """

    title: str
    heads: tuple[tuple[str, tuple[str, ...]], ...]
    groups: tuple[Group, ...]
    notes: tuple[str, ...] = ()


def tables_of(comparison: Comparison) -> list[Table]:
    """One table for each set of benchmarks that have the same metrics, in the leaderboard's order.

    Several models with several losses: losses down and models across, as the paper prints; else runs down.
    """
    by_task: dict[tuple[str, str], list[Column]] = {}
    for column in comparison.columns:
        if column.headline:
            by_task.setdefault((column.task, column.variant), []).append(column)
    by_metrics: dict[tuple[str, ...], list[_Benchmark]] = {}
    for (task, variant), columns in by_task.items():
        title = task_title(task) + (f" ({variant})" if variant else "")
        by_metrics.setdefault(tuple(column.metric for column in columns), []).append((title, columns))
    tables = [table for of_metrics in by_metrics.values() for table in _tables(comparison, of_metrics)]
    return [table for table in tables if table.groups]


def _tables(comparison: Comparison, benchmarks: Sequence[_Benchmark]) -> list[Table]:
    """The table of benchmarks with the same metrics; behind one with models across a table of the paper's
    figures, whose models are others."""
    first = _slots(benchmarks[0][1])
    metrics = tuple(map(_head, first))
    title = "; ".join(title for title, _ in benchmarks)
    models = _models(comparison, [column for _, columns in benchmarks for column in columns])
    if models:
        losses = [
            loss
            for loss in (*LOSS_ORDER, *dict.fromkeys(row.loss for row in comparison.rows))
            if loss is not None and any(loss in of_model for of_model in models.values())
        ]
        lines = [
            (LOSS_TITLES.get(loss, loss), [of_model.get(loss) for of_model in models.values()])
            for loss in dict.fromkeys(losses)
        ]
        heads = tuple((model, metrics) for model in models)
    else:
        lines = [(row.label, [row]) for row in comparison.rows]
        heads = (("", metrics),)
    groups, references = [], []
    for name, columns in benchmarks:
        slots = _slots(columns)
        found = [
            (line, tuple(_entry(comparison, row, slot) for row in rows for slot in slots))
            for line, rows in lines
        ]
        kept = tuple(line for line in found if any(entry.text for entry in line[1]))
        published = _published(comparison, slots)
        if kept or (published and not models):
            groups.append(Group(name, kept, () if models else published))
        if published and models:
            references.append(Group(name, (), published))
    return [
        Table(title, heads, tuple(groups), tuple(_notes(comparison, benchmarks))),
        Table(f"{title}: figures of the paper", (("", metrics),), tuple(references), ()),
    ]


def _slots(columns: Sequence[Column]) -> list[tuple[Column, ...]]:
    """What stands in one place each: a column, or one with another behind it in parentheses."""
    behind = {
        first: column
        for column in columns
        if (first := _IN_PARENTHESES.get(column.metric)) in {each.metric for each in columns}
    }
    return [
        (column, behind[column.metric]) if column.metric in behind else (column,)
        for column in columns
        if column not in behind.values()
    ]


def _models(comparison: Comparison, columns: Sequence[Column]) -> dict[str, dict[str, Row]]:
    """By model its rows by loss; empty where that does not name each row that has a number here."""
    keys = {column.key for column in columns}
    rows = [row for row in comparison.rows if any(comparison.cell(row.label, key) for key in keys)]
    models: dict[str, dict[str, Row]] = {}
    for row in rows:
        of_model = models.setdefault(row.model, {})
        if row.loss is None or row.loss in of_model:
            return {}
        of_model[row.loss] = row
    return models if len(models) > 1 and any(len(of_model) > 1 for of_model in models.values()) else {}


def _head(slot: Sequence[Column]) -> str:
    first, *rest = (
        metric_title(column.metric).title + {True: " ↑", False: " ↓", None: ""}[column.higher_is_better]
        for column in slot
    )
    return first + "".join(f" ({name})" for name in rest)


def _entry(comparison: Comparison, row: Row | None, slot: Sequence[Column]) -> Entry:
    found = []
    for column in slot:
        cell = comparison.cell(row.label, column.key) if row is not None else None
        if cell is None or math.isnan(cell.mean):
            found.append(Entry())
            continue
        std = cell.std if len(slot) == 1 else math.nan
        text = _text(cell.mean, std, metric_title(column.metric).decimals)
        found.append(Entry(text, cell.best, cell.marks))
    return _together(found)


def _together(entries: Sequence[Entry]) -> Entry:
    """One entry with the other behind it; what is not known is a dash where the other is."""
    first = entries[0]
    if len(entries) == 1 or not any(entry.text for entry in entries):
        return first
    behind = entries[1]
    return Entry(
        first.text or "–", first.best, tuple(dict.fromkeys((*first.marks, *behind.marks))),
        behind if behind.text else Entry("–"),
    )  # fmt: skip


def _published(
    comparison: Comparison, slots: Sequence[Sequence[Column]]
) -> tuple[tuple[str, tuple[Entry, ...]], ...]:
    """The paper's lines for these columns."""
    by_reference: dict[str, dict[str, tuple[float, float]]] = {}
    keys = {column.key for slot in slots for column in slot}
    for value in comparison.published:
        if value.column in keys:
            by_reference.setdefault(value.reference, {})[value.column] = (value.mean, value.std)
    lines = []
    for reference, values in by_reference.items():
        entries = []
        for slot in slots:
            texts = []
            for column in slot:
                mean, std = values.get(column.key, (math.nan, math.nan))
                decimals = metric_title(column.metric).decimals
                texts.append(
                    Entry() if math.isnan(mean) else
                    Entry(_text(mean, std if len(slot) == 1 else math.nan, decimals))
                )  # fmt: skip
            entries.append(_together(texts))
        lines.append((reference, tuple(entries)))
    return tuple(lines)


def _text(mean: float, std: float, decimals: int) -> str:
    spread = "" if math.isnan(std) else f" ± {std:.{decimals}f}"
    return f"{mean:.{decimals}f}{spread}"


def _notes(comparison: Comparison, benchmarks: Sequence[_Benchmark]) -> list[str]:
    percent = f"{100 * comparison.settings.alpha:g}"
    paired = any(len(slot) > 1 for _, columns in benchmarks for slot in _slots(columns))
    notes = [
        ("Mean over prompts. " if paired else "Mean ± standard deviation over prompts. ")
        + "Bold: the best of its column and what a paired permutation test "
        f"at {percent} %, Holm-corrected over the table, does not tell from it."
    ]
    for title, columns in benchmarks:
        for note in dict.fromkeys(note for column in columns for note in column.notes):
            notes.append(f"{title}: {note}.")
    return notes
