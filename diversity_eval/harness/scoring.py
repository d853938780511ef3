"""How lm-eval aggregates what the scorer gives it."""

from collections.abc import Callable, Sequence

from lm_eval.api.metrics import mean

from diversity_eval.metrics.statistics import standard_deviation
from diversity_eval.scoring.reported import Reported

__all__ = ["aggregations"]


def aggregations(reported: Reported) -> dict[str, Callable[[Sequence[float]], float]]:
    """How each result is aggregated over prompts. lm-eval knows the standard error of its own `mean` only."""
    functions: dict[str, Callable[[Sequence[float]], float]] = {}
    for name in reported.means:
        functions[name] = mean
        if name not in reported.without_spread:
            functions[f"{name}_std"] = standard_deviation
    for name in reported.counts:
        functions[name] = sum
    return functions
