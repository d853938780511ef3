"""pandas frames: a line per number, and a line per prompt."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from diversity_eval.metrics.signature import Signature

if TYPE_CHECKING:
    import pandas as pd

    from diversity_eval.report.comparison import Comparison

__all__ = ["cells_frame", "tidy"]


def cells_frame(comparison: Comparison) -> pd.DataFrame:
    """A line for each cell.

    Columns: `row`, `model`, `loss`, `task`, `metric`, `variant`, `headline`, `higher_is_better`, `mean`,
    `std`, `lower`, `upper`, `n`, `available`, `marks`, `best`, `tested`; and of the test against the
    baseline, empty without one, `other`, `difference`, `difference_lower`, `difference_upper`,
    `effect_size`, `p_value`, `p_adjusted`, `shared`.
    """
    import pandas as pd

    rows = {row.label: row for row in comparison.rows}
    lines = []
    for column in comparison.columns:
        for cell in comparison.cells_of(column.key):
            row = rows[cell.row]
            test = asdict(cell.difference) if cell.difference is not None else {}
            lines.append(
                {
                    "row": _text(cell.row), "model": _text(row.model), "loss": row.loss,
                    "task": _text(column.task), "metric": _text(column.metric),
                    "variant": _text(column.variant), "headline": column.headline,
                    "higher_is_better": column.higher_is_better, "mean": cell.mean, "std": cell.std,
                    "lower": cell.lower, "upper": cell.upper, "n": cell.n, "available": cell.available,
                    "marks": "; ".join(cell.marks), "best": cell.best, "tested": cell.tested,
                    "other": _text(test["other"]) if test else None, "difference": test.get("difference"),
                    "difference_lower": test.get("lower"), "difference_upper": test.get("upper"),
                    "effect_size": test.get("effect_size"), "p_value": test.get("p_value"),
                    "p_adjusted": test.get("p_adjusted"), "shared": test.get("n"),
                }
            )  # fmt: skip
    return pd.DataFrame(lines, columns=list(lines[0]) if lines else None)


def tidy(comparison: Comparison) -> pd.DataFrame:
    """A line for each prompt's value: `row`, `model`, `loss`, `task`, `metric`, `variant`, `prompt`, `value`,
    `signature`. Groups have none of their own.
    """
    import pandas as pd

    frames = []
    rows = {row.label: row for row in comparison.rows}
    for column in comparison.columns:
        for cell in comparison.cells_of(column.key):
            evaluation = comparison.evaluations[cell.evaluation] if cell.evaluation is not None else None
            metric = evaluation.metrics[column.metric] if evaluation is not None else None
            if evaluation is None or metric is None or metric.values is None:
                continue
            frames.append(
                pd.DataFrame(
                    {
                        "row": _text(cell.row), "model": _text(rows[cell.row].model),
                        "loss": rows[cell.row].loss,
                        "task": _text(evaluation.task), "metric": column.metric,
                        "variant": _text(column.variant),
                        "prompt": [_text(prompt.key) for prompt in evaluation.prompts],
                        "value": metric.values,
                        "signature": _text(_signature(column.metric, dict(metric.signature))),
                    }
                )
            )  # fmt: skip
    names = ["row", "model", "loss", "task", "metric", "variant", "prompt", "value", "signature"]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=names)


def _signature(metric: str, fields: dict[str, Any]) -> str:
    return str(Signature(metric, fields))


def _text(text: str) -> str:
    """Without halves of surrogate pairs, which no file can hold."""
    return text.encode("utf-8", "replace").decode("utf-8")
