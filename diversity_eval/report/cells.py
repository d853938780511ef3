"""The cells of a comparison: a mean over prompts, its spread and interval, and what it lacks."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from diversity_eval.metrics.statistics import bootstrap_cis, mean, standard_deviation
from diversity_eval.report.comparison import Cell, Column, Row, Settings
from diversity_eval.report.joining import Joined, Result

if TYPE_CHECKING:
    import numpy as np

    Floats = np.ndarray[Any, np.dtype[np.float64]]

__all__ = ["ColumnValues", "cells_of", "values_of"]


@dataclass
class ColumnValues:
    """One column's values: a matrix (prompts, rows), nan where a row has none."""

    column: Column
    keys: tuple[str, ...]
    labels: tuple[str, ...]
    matrix: Floats

    def of(self, label: str) -> Floats:
        """The values of a row."""
        return self.matrix[:, self.labels.index(label)]


def values_of(joined: Joined, rows: Sequence[Row]) -> ColumnValues:
    """A column's values by prompt and row, groups included where all their members have it."""
    import numpy as np

    tested = [result for result in joined.results if result.metric.values is not None]
    keys = tuple(dict.fromkeys(prompt.key for result in tested for prompt in result.evaluation.prompts))
    place = {key: number for number, key in enumerate(keys)}
    columns: dict[str, Floats] = {}
    for result in tested:
        column = np.full(len(keys), np.nan)
        column[[place[prompt.key] for prompt in result.evaluation.prompts]] = result.metric.values
        columns[result.row] = column
    for row in rows:
        # A mean over models is one over all of them, prompt by prompt.
        if row.members and all(member in columns for member in row.members):
            columns[row.label] = np.mean([columns[member] for member in row.members], axis=0)
    matrix = np.stack(list(columns.values()), axis=1) if columns else np.empty((0, 0))
    return ColumnValues(joined.column, keys, tuple(columns), matrix)


def cells_of(
    joined: Sequence[Joined], values: Sequence[ColumnValues], rows: Sequence[Row], settings: Settings
) -> dict[tuple[str, str], Cell]:
    """By row label and column key the cells, with intervals and without tests."""
    lower_upper = _intervals(values, settings)
    cells = {}
    for each, of_column in zip(joined, values, strict=True):
        results = {result.row: result for result in each.results}
        for row in rows:
            if row.label in results:
                cell = _own_cell(results[row.label], each.column)
            elif row.label in of_column.labels:
                cell = _group_cell(row, of_column, [results[member] for member in row.members])
            else:
                continue
            lower, upper = lower_upper.get((row.label, each.column.key), (math.nan, math.nan))
            cells[row.label, each.column.key] = replace(cell, lower=lower, upper=upper)
    return cells


def _intervals(
    values: Sequence[ColumnValues], settings: Settings
) -> dict[tuple[str, str], tuple[float, float]]:
    import numpy as np

    found = {}
    for batch in _same_prompts(values):
        whole = np.concatenate([each.matrix for each in batch], axis=1)
        lower, upper = bootstrap_cis(
            whole, seed=settings.seed, confidence=settings.confidence, resamples=settings.resamples
        )
        places = [(label, each.column.key) for each in batch for label in each.labels]
        for place, low, high in zip(places, lower, upper, strict=True):
            found[place] = float(low), float(high)
    return found


def _same_prompts(values: Iterable[ColumnValues]) -> list[list[ColumnValues]]:
    """Columns over the same prompts, which are resampled together."""
    batches: dict[tuple[str, ...], list[ColumnValues]] = {}
    for each in values:
        if each.keys:
            batches.setdefault(each.keys, []).append(each)
    return list(batches.values())


def _own_cell(result: Result, column: Column) -> Cell:
    metric, evaluation = result.metric, result.evaluation
    prompts = len(evaluation.prompts)
    marks = []
    if evaluation.available is not None and 0 < prompts < evaluation.available:
        marks.append(f"{prompts} of {evaluation.available} prompts")
    if metric.values is None:
        marks.append("no values by prompt")
        if evaluation.available is not None and metric.n < evaluation.available:
            marks.append(f"{metric.n} of {evaluation.available} prompts")
    elif metric.n < prompts and "." not in metric.name:
        marks.append(f"{prompts - metric.n} without a value")
    if metric.counts_missing:
        marks.append(f"{metric.counts_missing} unscored")
    return Cell(
        row=result.row, column=column.key, mean=metric.mean, std=metric.std, lower=math.nan, upper=math.nan,
        n=metric.n, available=evaluation.available, marks=tuple(marks), tested=metric.values is not None,
        evaluation=result.place,
    )  # fmt: skip


def _group_cell(row: Row, values: ColumnValues, members: Sequence[Result]) -> Cell:
    column = [float(value) for value in values.of(row.label)]
    n = sum(not math.isnan(value) for value in column)
    available = members[0].evaluation.available
    partial = available is not None and n < available
    return Cell(
        row=row.label, column=values.column.key, mean=mean(column), std=standard_deviation(column),
        lower=math.nan, upper=math.nan, n=n, available=available,
        marks=(f"{n} of {available} prompts",) if partial else (),
    )  # fmt: skip
