"""The layout of the paper's tables: benchmarks and losses down, models across, diversity beside quality."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from diversity_eval.report.comparison import Cell, Column, Comparison, Row
from diversity_eval.report.titles import LOSS_ORDER, LOSS_TITLES, metric_title, task_title

__all__ = ["Entry", "Group", "Table", "tables_of"]


@dataclass(frozen=True)
class Entry:
    """What stands in one place: a number with its spread, or nothing.

    Attributes:
        text: `12.3 ± 4.5`, or without a spread `0.73`; empty for nothing.
        best: whether it is printed bold.
        marks: why it is not the whole benchmark.
    """

    text: str = ""
    best: bool = False
    marks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Group:
    """Lines that belong together: the methods of one benchmark.

    Attributes:
        title: the benchmark.
        lines: the name of each line and its entries, one for each of the table's columns.
    """

    title: str
    lines: tuple[tuple[str, tuple[Entry, ...]], ...]


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
    by_metrics: dict[tuple[str, ...], list[tuple[str, list[Column]]]] = {}
    for (task, variant), columns in by_task.items():
        title = task_title(task) + (f" ({variant})" if variant else "")
        by_metrics.setdefault(tuple(column.metric for column in columns), []).append((title, columns))
    return [_table(comparison, benchmarks) for benchmarks in by_metrics.values()]


def _table(comparison: Comparison, benchmarks: Sequence[tuple[str, list[Column]]]) -> Table:
    first = benchmarks[0][1]
    metrics = tuple(_metric_head(column) for column in first)
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
    groups = []
    for title, columns in benchmarks:
        found = [
            (name, tuple(_entry(comparison, row, column) for row in rows for column in columns))
            for name, rows in lines
        ]
        kept = tuple(line for line in found if any(entry.text for entry in line[1]))
        if kept:
            groups.append(Group(title, kept))
    return Table(
        " and ".join(title for title, _ in benchmarks),
        heads,
        tuple(groups),
        tuple(_notes(comparison, benchmarks)),
    )


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


def _metric_head(column: Column) -> str:
    arrow = {True: " ↑", False: " ↓", None: ""}[column.higher_is_better]
    return f"{metric_title(column.metric).title}{arrow}"


def _entry(comparison: Comparison, row: Row | None, column: Column) -> Entry:
    cell = comparison.cell(row.label, column.key) if row is not None else None
    if cell is None or math.isnan(cell.mean):
        return Entry()
    return Entry(_text(cell, metric_title(column.metric).decimals), cell.best, cell.marks)


def _text(cell: Cell, decimals: int) -> str:
    spread = "" if math.isnan(cell.std) else f" ± {cell.std:.{decimals}f}"
    return f"{cell.mean:.{decimals}f}{spread}"


def _notes(comparison: Comparison, benchmarks: Sequence[tuple[str, list[Column]]]) -> list[str]:
    percent = f"{100 * comparison.settings.alpha:g}"
    notes = [
        "Mean ± standard deviation over prompts. Bold: the best of its column and what a "
        "paired permutation test "
        f"at {percent} %, Holm-corrected over the table, does not tell from it."
    ]
    for title, columns in benchmarks:
        for note in dict.fromkeys(note for column in columns for note in column.notes):
            notes.append(f"{title}: {note}.")
    keys = [column.key for _, columns in benchmarks for column in columns]
    for value in comparison.published:
        if value.column in keys:
            metric = metric_title(comparison.column(value.column).metric)
            spread = "" if math.isnan(value.std) else f" ± {value.std:.{metric.decimals}f}"
            notes.append(f"{value.reference}: {metric.title} {value.mean:.{metric.decimals}f}{spread}.")
    return notes
