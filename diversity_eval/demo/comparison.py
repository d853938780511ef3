"""How the versions differ, prompt by prompt."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from diversity_eval.metrics.statistics import paired_test, standard_error

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from diversity_eval.demo.evaluation import Evaluation

__all__ = ["COLUMNS", "SIGNIFICANT", "Difference", "compare", "differences"]

COLUMNS = ("self_bleu", "distinct_2", "unique_fraction", "compression_ratio", "mean_words")
"""The metrics that the demo shows and compares."""

SIGNIFICANT = 0.05
"""A difference with a lower p-value is marked."""

_SEED = 0


@dataclass(frozen=True)
class Difference:
    """The mean over prompts of `version` minus `reference` in one metric of one task.

    The standard error is that of the prompts' own differences; the p-value is `paired_test`'s. All three are
    None if no prompt has a value of both (the standard error also if one prompt has).
    """

    task: str
    metric: str
    version: str
    reference: str
    prompts: int
    difference: float | None
    standard_error: float | None
    p_value: float | None

    @property
    def significant(self) -> bool:
        """Whether it is larger than chance makes it in one comparison of twenty."""
        return self.p_value is not None and self.p_value < SIGNIFICANT


def differences(evaluations: Mapping[str, Evaluation], reference: str = "base") -> list[Difference]:
    """Every version against `reference`, and each fine-tuned one against those before it."""
    found = []
    names = [name for name in evaluations if name != reference]
    pairs = [(name, reference) for name in names]
    pairs += [(later, earlier) for place, earlier in enumerate(names) for later in names[place + 1 :]]
    for task in next(iter(evaluations.values())).runs:
        for version, other in pairs:
            a, b = (_values(evaluations[name], task) for name in (version, other))
            for metric in COLUMNS:
                kept = [doc for doc in a if metric in a[doc] and metric in b.get(doc, {})]
                found.append(
                    compare(
                        [a[doc][metric] for doc in kept], [b[doc][metric] for doc in kept],
                        task=task, metric=metric, version=version, reference=other,
                    )
                )  # fmt: skip
    return found


def compare(
    a: Sequence[float], b: Sequence[float], *, task: str, metric: str, version: str, reference: str
) -> Difference:
    """The difference of two versions' values for the same prompts; those without two numbers are left out."""
    pairs = [(x, y) for x, y in zip(a, b, strict=True) if math.isfinite(x) and math.isfinite(y)]
    if not pairs:
        return Difference(task, metric, version, reference, 0, None, None, None)
    test = paired_test([x for x, _ in pairs], [y for _, y in pairs], seed=_SEED)
    error = standard_error([x - y for x, y in pairs])
    return Difference(
        task, metric, version, reference, test.n, test.difference,
        error if math.isfinite(error) else None, test.p_value,
    )  # fmt: skip


def _values(evaluation: Evaluation, task: str) -> dict[int, Mapping[str, float]]:
    return {prompt.doc_id: prompt.metrics for prompt in evaluation.runs[task].prompts}
