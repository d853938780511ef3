"""From the metrics of single prompts to a task's results, with lm-eval's keys and its arithmetic."""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence

from diversity_eval.metrics.statistics import standard_deviation
from diversity_eval.scoring.prompt_scorer import PromptMetrics
from diversity_eval.scoring.reported import COUNTS, Reported

__all__ = ["aggregate"]

_FILTER = "none"
_NONE = "N/A"


def aggregate(prompts: Iterable[PromptMetrics], reported: Reported) -> dict[str, float | str]:
    """What lm-eval writes for a task under `results`, to the last digit.

    Args:
        prompts: every prompt's metrics, in the order of the log.
        reported: which metrics there are.

    Returns:
        For every metric `NAME,none`, the mean over the prompts that have a value (nan if none has one),
        `NAME_stderr,none` ("N/A" for one prompt) and `NAME_std,none` (nan for one prompt); for counts the
        sum. Standard errors of counts and standard deviations are "N/A".
    """
    columns: dict[str, list[float]] = defaultdict(list)
    for prompt in prompts:
        for name, value in prompt.items():
            columns[name].append(value)
    results: dict[str, float | str] = {}
    for name, values in columns.items():
        if name in COUNTS:
            value, error = float(sum(values)), None
        elif name in reported.means:
            value, error = sum(values) / len(values), _standard_error(values)
        else:
            value, error = standard_deviation(values), None
        results[f"{name},{_FILTER}"] = value
        results[f"{name}_stderr,{_FILTER}"] = _NONE if error is None else error
    return results


def _standard_error(values: Sequence[float]) -> float | None:
    """Not `statistics.standard_error`: a nan has to stay, and the last digits have to be lm-eval's."""
    if len(values) < 2:
        return None
    centre = sum(values) / len(values)
    variance = sum((value - centre) ** 2 for value in values) / (len(values) - 1)
    return math.sqrt(variance) / math.sqrt(len(values))
