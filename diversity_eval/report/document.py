"""A comparison as plain data: what `--format json` writes and the page shows (docs/design/report.md)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import diversity_eval
from diversity_eval.logs.run_fields import UNKNOWN
from diversity_eval.report.planes import planes
from diversity_eval.report.titles import metric_title, task_title

if TYPE_CHECKING:
    from diversity_eval.report.comparison import Cell, Column, Comparison, Row
    from diversity_eval.report.evaluation import Evaluation

__all__ = ["SCHEMA_VERSION", "document", "response_sets"]

SCHEMA_VERSION = 1
"""Goes up when something that was there changes its meaning or goes away."""


def document(
    comparison: Comparison, *, title: str = "Comparison", created: datetime | None = None
) -> dict[str, Any]:
    """The comparison as JSON has it; numbers that are not finite are None.

    Args:
        comparison: to be written down.
        title: the report's.
        created: when it was made; now unless told.
    """
    rows = {row.label: place for place, row in enumerate(comparison.rows)}
    columns = {column.key: place for place, column in enumerate(comparison.columns)}
    found = {
        "schema_version": SCHEMA_VERSION,
        "tool": {"name": "diversity-eval", "version": diversity_eval.__version__},
        "created": (created or datetime.now(UTC)).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "title": title,
        "settings": asdict(comparison.settings),
        "summary": list(comparison.summary),
        "warnings": list(comparison.warnings),
        "rows": [_row(row, comparison) for row in comparison.rows],
        "columns": [_column(column) for column in comparison.columns],
        "cells": [
            _cell(cell, rows[row], columns[column]) for (row, column), cell in comparison.cells.items()
        ],
        "planes": [
            {
                "task_title": task_title(plane.diversity.task),
                "variant": plane.diversity.variant or plane.quality.variant,
                "diversity": plane.diversity.key,
                "quality": plane.quality.key,
                "points": list(plane.points),
                "front": list(plane.front),
            }
            for plane in planes(comparison)
        ],
        "published": [asdict(value) for value in comparison.published],
        "evaluations": [_evaluation(evaluation) for evaluation in comparison.evaluations],
    }
    plain: dict[str, Any] = _plain(found)
    return plain


def response_sets(comparison: Comparison) -> list[dict[str, Any]]:
    """What the response browser shows: the responses of all rows to the prompts of each task."""
    sets: list[tuple[str, list[tuple[Row, int]]]] = []
    for row in comparison.rows:
        for place in () if row.members else row.evaluations:
            evaluation = comparison.evaluations[place]
            if any(prompt.responses for prompt in evaluation.prompts):
                _place(row, place, sets, comparison)
    return [_plain(_set(name, sources, comparison)) for name, sources in sets]


def _place(
    row: Row, place: int, sets: list[tuple[str, list[tuple[Row, int]]]], comparison: Comparison
) -> None:
    """Put an evaluation into the first set of its task whose data and prompts are the same, or a new one."""
    evaluation = comparison.evaluations[place]
    name = _base_name(evaluation.task)
    for task, sources in sets:
        others = [comparison.evaluations[each] for _, each in sources]
        data = {_field(each, "data") for each in (*others, evaluation)} - {UNKNOWN, ""}
        if task == name and len(data) < 2 and not evaluation.other_texts(others):
            sources.append((row, place))
            return
    sets.append((name, [(row, place)]))


def _set(
    task: str,
    sources: Sequence[tuple[Row, int]],
    comparison: Comparison,
) -> dict[str, Any]:
    evaluations = [comparison.evaluations[place] for _, place in sources]
    texts: dict[str, str] = {}
    for evaluation in evaluations:
        for prompt in evaluation.prompts:
            texts[prompt.key] = texts.get(prompt.key) or prompt.prompt
    prompts = [{each.key: each for each in evaluation.prompts} for evaluation in evaluations]
    keys = [column.key for column in comparison.columns if column.headline]
    values = []
    for key in keys:
        metric = comparison.column(key).metric
        by_source: list[list[float | None]] = []
        for (row, place), evaluation in zip(sources, evaluations, strict=True):
            cell = comparison.cell(row.label, key)
            own = cell is not None and cell.evaluation == place
            of = evaluation.metrics.get(metric) if own else None
            known = (
                dict(zip((prompt.key for prompt in evaluation.prompts), map(float, of.values), strict=True))
                if of is not None and of.values is not None
                else {}
            )
            by_source.append([known.get(each) for each in texts])
        if any(value is not None for line in by_source for value in line):
            values.append({"column": key, "by_source": by_source})
    return {
        "task": task,
        "task_title": task_title(task),
        "prompts": [{"key": key, "text": text} for key, text in texts.items()],
        "sources": [
            {"row": row.label, "evaluation": place, "variant": _how(evaluation, evaluations)}
            for (row, place), evaluation in zip(sources, evaluations, strict=True)
        ],
        "responses": [[_listed(of, key, "responses") for key in texts] for of in prompts],
        "ratings": [[_listed(of, key, "ratings") for key in texts] for of in prompts],
        "partition": [[_listed(of, key, "partition") for key in texts] for of in prompts],
        "values": values,
    }


def _listed(prompts: Mapping[str, Any], key: str, name: str) -> list[Any] | None:
    entries = getattr(prompts[key], name) if key in prompts else ()
    return list(entries) or None


def _how(evaluation: Evaluation, others: Sequence[Evaluation]) -> str:
    """What a reader has to know to tell two evaluations of one checkpoint apart."""
    tokens = {_field(each, "max_new_tokens") for each in others} - {UNKNOWN, ""}
    own = _field(evaluation, "max_new_tokens")
    return f"{own} new tokens" if len(tokens) > 1 else ""


def _field(evaluation: Evaluation, key: str) -> str:
    """A field of a run's signatures, empty without it."""
    return next(iter(evaluation.metrics.values())).signature.get(key, "")


def _base_name(task: str) -> str:
    for ending in ("_base", "_256", "_512"):
        task = task.replace(ending, "")
    return task


def _row(row: Row, comparison: Comparison) -> dict[str, Any]:
    of_baseline = {cell.difference.other for cell in comparison.cells.values() if cell.difference}
    return {**asdict(row), "baseline": row.label in of_baseline or row.label == comparison.settings.baseline}


def _column(column: Column) -> dict[str, Any]:
    title = metric_title(column.metric)
    return {
        **asdict(column),
        "title": title.title,
        "task_title": task_title(column.task),
        "role": title.role,
        "decimals": title.decimals,
    }


def _cell(cell: Cell, row: int, column: int) -> dict[str, Any]:
    return {**asdict(cell), "row": row, "column": column}


def _evaluation(evaluation: Evaluation) -> dict[str, Any]:
    return {
        "checkpoint": evaluation.checkpoint,
        "task": evaluation.task,
        "file": evaluation.path.name,
        "prompts": len(evaluation.prompts),
        "available": evaluation.available,
        "loss": evaluation.loss,
        "parameters": dict(evaluation.parameters),
        "base_model": evaluation.base_model,
        "provenance": dict(evaluation.provenance),
    }


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(each) for each in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, bool | int | str) else str(value)
