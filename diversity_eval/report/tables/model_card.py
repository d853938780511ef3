"""Metadata for a checkpoint's model card: the Hub's `model-index`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from diversity_eval.report.titles import metric_title, task_title

if TYPE_CHECKING:
    from diversity_eval.report.comparison import Comparison

__all__ = ["model_index"]


def model_index(comparison: Comparison, row: str) -> dict[str, Any]:
    """The leaderboard's numbers of a checkpoint, as the YAML head of a model card has them.

    Args:
        comparison: whose numbers.
        row: the checkpoint's label.

    Returns:
        `{"model-index": [...]}` with a result for each task, and a metric for each number: its value, and its
        interval and standard deviation over prompts under `args`.

    Raises:
        KeyError: no such row.
    """
    chosen = next((each for each in comparison.rows if each.label == row), None)
    if chosen is None:
        raise KeyError(row)
    results: dict[tuple[str, str], dict[str, Any]] = {}
    for column in comparison.columns:
        cell = comparison.cell(row, column.key)
        if cell is None or not column.headline or math.isnan(cell.mean):
            continue
        title = metric_title(column.metric)
        args = {
            "std": cell.std, "lower": cell.lower, "upper": cell.upper, "prompts": cell.n,
            "confidence": comparison.settings.confidence if not math.isnan(cell.lower) else math.nan,
        }  # fmt: skip
        of_task = results.setdefault(
            (column.task, column.variant),
            {
                "task": {"type": "text-generation"},
                "dataset": {
                    "name": task_title(column.task) + (f" ({column.variant})" if column.variant else ""),
                    "type": column.task,
                },
                "metrics": [],
            },
        )
        of_task["metrics"].append(
            {
                "type": column.metric,
                "value": round(float(cell.mean), 6),
                "name": title.title + (f" ({'; '.join(cell.marks)})" if cell.marks else ""),
                "args": {
                    name: round(float(value), 6) for name, value in args.items() if not math.isnan(value)
                },
                "verified": False,
            }
        )
    return {"model-index": [{"name": chosen.label, "results": list(results.values())}]}
